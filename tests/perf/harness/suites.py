"""``harness-jobs`` and ``harness-long``: what two jobs gain, and whether a long suite slows down."""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import psutil
from perf.child import in_child, peak_mib
from perf.harness.idle_runs import INSTANCE, PLUGIN, carry_out, idle_jobs, write_suite
from perf.harness.idle_solvers import spin
from perf.table import Cell, Table, growth_exponent, median_s

from slimbench.bench.execution.executor import make_executor
from slimbench.bench.execution.runner import Row, execute
from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.results.references import Reference
from slimbench.bench.suites.benchmark import Request, open_benchmark

ROUNDS: Final = 5
SPIN_S: Final = 0.5
SPIN_RUNS: Final = 40
TRIAL_STEPS: Final = 1_000_000
LONG_SUITE: Final = 10_000
CHUNK: Final = 1_000
MS: Final = 1e3
BYTES_PER_MIB: Final = 2**20

JOBS: Final = (
    "A suite of 40 runs of one fixed loop of plain Python, about half a second each, executor `processes`, "
    "its fork server warm; medians of five rounds in turn. `wall_s`: from the first start to the last row "
    "on disk, references included; `solver_s` and `cpu_s`: sums of the runs' own wall and CPU seconds; "
    "`coordinator_s`: CPU seconds of the coordinator. Efficiency: wall seconds of one job over jobs times "
    "wall seconds. `slowed`: `solver_s` over that of one job, as runs wait for each other, the coordinator "
    "and other jobs of the machine; `rest`: efficiency times `slowed`, what starts and ends of runs leave."
)
LONG: Final = (
    "One suite of 10,000 runs of a solver that places nothing, one at a time, each a row on disk. Of each "
    "thousand: milliseconds from row to row, median and mean, the median over that of the first thousand, "
    "and resident MiB of the coordinator, a process of its own, at its end. `before`: planning, start-up "
    "and references, milliseconds. `all`: median and mean, last over first, the highest resident MiB, and "
    "the least-squares slope of log median against log number of the thousand."
)


def jobs(
    runs: int = SPIN_RUNS, rounds: int = ROUNDS, spin_s: float = SPIN_S, slots: Sequence[int] = (1, 2)
) -> Table:
    """Measure the same suite of equal runs with one job and with more."""
    steps = round(TRIAL_STEPS * spin_s / _spin_s(TRIAL_STEPS))
    taken: dict[int, list[tuple[float, float, float, float]]] = {count: [] for count in slots}
    for _ in range(rounds):
        for count in slots:
            taken[count].append(_suite_s(f"spin[steps={steps}]", runs, count))
            print(count, taken[count][-1], file=sys.stderr, flush=True)
    rows: list[dict[str, Cell]] = []
    wall_1_s, solver_1_s, *_ = np.median(taken[slots[0]], axis=0).tolist()
    for count in slots:
        wall_s, solver_s, cpu_s, coordinator_s = np.median(taken[count], axis=0).tolist()
        efficiency, slowed = wall_1_s / (count * wall_s), solver_s / solver_1_s
        rows.append(
            {
                "jobs": count,
                "wall_s": wall_s,
                "solver_s": solver_s,
                "cpu_s": cpu_s,
                "coordinator_s": coordinator_s,
                "efficiency": efficiency,
                "slowed": slowed,
                "rest": efficiency * slowed,
            }
        )
    return Table(JOBS, rows)


def _spin_s(steps: int) -> float:
    def call(context: SolveContext) -> None:
        spin(INSTANCE, context, steps=steps)

    return median_s(call, lambda: SolveContext(np.random.default_rng(0)), ROUNDS)[0]


def _suite_s(solver: str, runs: int, slots: int) -> tuple[float, float, float, float]:
    """Wall seconds of a suite on warm workers, its runs' own wall and CPU seconds, the coordinator's CPU."""
    solver_s, cpu_s = [], []

    def on_finish(row: Row, _reference: Reference) -> None:
        if row["role"] == "measure":
            solver_s.append(row["runtime_s"])
            cpu_s.append(row["cpu_s"])

    with tempfile.TemporaryDirectory() as folder, idle_jobs("nothing") as make:
        suite = write_suite(Path(folder), solver, runs)
        request = Request(str(suite), out=Path(folder, "runs", "idle"), plugin_files=[PLUGIN])
        with open_benchmark(request) as benchmark, make_executor("processes", slots, 1, None) as workers:
            carry_out(workers, make(slots), slots)
            start, before_s = time.perf_counter(), time.process_time()
            execute(
                benchmark.folder,
                benchmark.store,
                benchmark.solvers,
                benchmark.plugin_files,
                workers,
                on_finish,
            )
            wall_s, coordinator_s = time.perf_counter() - start, time.process_time() - before_s
    return wall_s, math.fsum(solver_s), math.fsum(cpu_s), coordinator_s


def long(runs: int = LONG_SUITE, chunk: int = CHUNK) -> Table:
    """Measure one suite of very many runs, thousand by thousand."""
    return Table(LONG, in_child(long_suite, runs, chunk))


def long_suite(runs: int, chunk: int) -> list[dict[str, Cell]]:
    """Run the suite in this process; the rows of the table."""
    ended_s: list[float] = []
    resident_mib: list[float] = []
    process = psutil.Process()

    def on_finish(_row: Row, _reference: Reference) -> None:
        ended_s.append(time.perf_counter())
        resident_mib.append(process.memory_info().rss / BYTES_PER_MIB)

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        suite = write_suite(Path(folder), "nothing", runs)
        request = Request(str(suite), out=Path(folder, "runs", "idle"), plugin_files=[PLUGIN])
        with open_benchmark(request) as benchmark:
            benchmark.execute(on_finish, executor="serial")
    first = len(ended_s) - runs  # references come before all others
    taken_ms = MS * np.diff(ended_s[first - 1 :])
    medians_ms = [float(np.median(taken_ms[k : k + chunk])) for k in range(0, runs, chunk)]
    rows: list[dict[str, Cell]] = [
        {
            "runs": f"{k * chunk + 1} to {(k + 1) * chunk}",
            "median_ms": median_ms,
            "mean_ms": float(np.mean(taken_ms[k * chunk : (k + 1) * chunk])),
            "of_first": median_ms / medians_ms[0],
            "resident_mib": round(resident_mib[first + (k + 1) * chunk - 1]),
            "exponent": None,
        }
        for k, median_ms in enumerate(medians_ms)
    ]
    before = dict.fromkeys(rows[0]) | {"runs": "before", "mean_ms": MS * (ended_s[first - 1] - start)}
    whole = dict.fromkeys(rows[0]) | {
        "runs": "all",
        "median_ms": float(np.median(taken_ms)),
        "mean_ms": float(np.mean(taken_ms)),
        "of_first": medians_ms[-1] / medians_ms[0],
        "resident_mib": round(peak_mib()),
        "exponent": growth_exponent(range(1, len(medians_ms) + 1), medians_ms),
    }
    return [before, *rows, whole]
