"""``harness-overhead`` and ``harness-executors``: what a run costs beyond its solver, beside benchopt."""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
from perf.harness.idle_runs import INSTANCE, carry_out, idle_jobs, suite_seconds
from perf.harness.idle_solvers import place_nothing
from perf.peers.benchopt_peer import benchopt_seconds
from perf.table import Cell, Table

from slimbench.bench.execution.executor import make_executor
from slimbench.bench.plugins.context import SolveContext
from slimbench.instances.problem.arrays import FloatArray

ROUNDS: Final = 5
ISOLATED_RUNS: Final = 200
REPEATS: Final = (20, 220)  # the slope between them leaves the start-up out
EXECUTOR_RUNS: Final = 100
SLOTS: Final = 2
MS: Final = 1e3

Way = tuple[str, str, int]  # tool, how it runs, runs at a time
Seconds = Callable[[int], tuple[float, float]]  # wall and CPU seconds of so many repetitions
DASK_APART: Final = {
    "no_cache": True,
    "parallel_config": {
        "backend": "dask",
        "n_jobs": 1,
        "dask_threads_per_worker": 1,
        "dask_dashboard_address": ":0",
    },
}
WAYS: Final[dict[Way, Seconds]] = {
    ("slimbench", "suite, a process for each run", 1): partial(suite_seconds, jobs=1),
    ("slimbench", "suite, a process for each run", 2): partial(suite_seconds, jobs=2),
    ("benchopt", "default: all in one process, cached", 1): partial(benchopt_seconds, options={}),
    ("benchopt", "no cache: all in one process", 1): partial(benchopt_seconds, options={"no_cache": True}),
    ("benchopt", "dask: one worker process for all", 1): partial(benchopt_seconds, options=DASK_APART),
    ("benchopt", "joblib: two worker processes for all", 2): partial(
        benchopt_seconds, options={"no_cache": True, "n_jobs": 2}
    ),
}

OVERHEAD: Final = (
    "A solver that places nothing, on two servers and six experts. `ms_a_run` of the bare call and of one "
    "isolated run (`Workers.submit`, `collect`, `verified`; warm): the median of 200. Of suites: the slope "
    "of wall seconds from 20 to 220 repetitions, each in a fresh interpreter and folder, median of five "
    "rounds in turn; `cpu_ms_a_run` likewise, of all processes. `least_ms` is the least of the 200, or the "
    "slope between the least seconds of the five rounds: what other jobs of the machine disturb least. "
    "`start_up_s` is what the slope leaves of the seconds of the 20, `all_s` the wall seconds of the 220. "
    "No tool draws, prints or reports. A command for each run: all seconds of benchopt for one "
    "repetition. Ratio: of `ms_a_run`, over SlimBench's suite with as many runs at a time."
)
EXECUTORS: Final = (
    "Wall milliseconds a run of 100 runs of a solver that places nothing, as many at a time as there are "
    "slots, everything warm, each run verified; median and least of five rounds in turn. `dask`: a "
    "scheduler and two workers of one thread each, all processes of this machine. Ratio: over `serial`."
)


def overhead(
    ways: Mapping[Way, Seconds] = WAYS,
    repeats: tuple[int, int] = REPEATS,
    rounds: int = ROUNDS,
    isolated_runs: int = ISOLATED_RUNS,
) -> Table:
    """Measure a call, an isolated run, and the runs of suites; SlimBench's ways come before their peers."""
    few, many = repeats
    taken: dict[Way, list[FloatArray]] = {way: [] for way in ways}
    commands: list[tuple[float, float]] = []
    for _ in range(rounds):
        for way, seconds in ways.items():
            taken[way].append(np.array([seconds(few), seconds(many)]))
            print(way, taken[way][-1].tolist(), file=sys.stderr, flush=True)
        commands.append(benchopt_seconds(1, {}))
    rows = [
        _row("", "bare call", 1, _bare_calls_s(isolated_runs)),
        _row("slimbench", "one isolated run", 1, _isolated_s(isolated_runs)),
    ]
    own_s: dict[int, float] = {}  # wall seconds of a run, by runs at a time
    for (tool, how, at_a_time), measured in taken.items():
        short_s, long_s = np.median(measured, axis=0)[:, 0]
        run_s, cpu_s = np.median([(long - short) / (many - few) for short, long in measured], axis=0)
        least_short_s, least_long_s = np.min(measured, axis=0)[:, 0]
        own_s.setdefault(at_a_time, run_s)
        rows.append(
            _row(tool, how, at_a_time, [run_s])
            | {
                "least_ms": MS * float(least_long_s - least_short_s) / (many - few),
                "cpu_ms_a_run": MS * float(cpu_s),
                "start_up_s": float(short_s - few * run_s),
                "all_s": float(long_s),
                "ratio": float(run_s / own_s[at_a_time]),
            }
        )
    wall_s, cpu_s = np.median(commands, axis=0)
    row = _row("benchopt", "a command for each run", 1, [wall for wall, _ in commands])
    rows.append(row | {"cpu_ms_a_run": MS * float(cpu_s), "ratio": float(wall_s / own_s[1])})
    return Table(OVERHEAD, rows)


def _row(tool: str, how: str, at_a_time: int, runs_s: Sequence[float]) -> dict[str, Cell]:
    return {
        "tool": tool,
        "how": how,
        "at_a_time": at_a_time,
        "ms_a_run": MS * float(np.median(runs_s)),
        "least_ms": MS * float(min(runs_s)),
        "cpu_ms_a_run": None,
        "start_up_s": None,
        "all_s": None,
        "ratio": None,
    }


def _bare_calls_s(runs: int) -> list[float]:
    seconds = []
    for _ in range(runs):
        context = SolveContext(np.random.default_rng(0))
        start = time.perf_counter()
        place_nothing(INSTANCE, context)
        seconds.append(time.perf_counter() - start)
    return seconds


def _isolated_s(runs: int) -> list[float]:
    with idle_jobs("nothing") as make, make_executor("serial", 1, 1, None) as executor:
        carry_out(executor, make(1), 1)
        return [carry_out(executor, [job], 1) for job in make(runs)]


def executors(runs: int = EXECUTOR_RUNS, rounds: int = ROUNDS) -> Table:
    """Measure the same runs with every executor."""
    walls_s: dict[str, list[float]] = {}
    slots = {"serial": 1, "processes": SLOTS, "dask": SLOTS}
    with contextlib.ExitStack() as stack:
        make = stack.enter_context(idle_jobs("nothing"))
        address = stack.enter_context(_cluster())
        warm = {
            name: stack.enter_context(make_executor(name, SLOTS, 1, address if name == "dask" else None))
            for name in slots
        }
        for number in range(rounds + 1):  # the first warms up
            for name, executor in warm.items():
                seconds = carry_out(executor, make(runs), slots[name])
                if number:
                    walls_s.setdefault(name, []).append(seconds)
                print(name, seconds, file=sys.stderr, flush=True)
    medians = {name: statistics.median(walls) for name, walls in walls_s.items()}
    return Table(
        EXECUTORS,
        [
            {
                "executor": name,
                "slots": slots[name],
                "ms_a_run": MS * seconds / runs,
                "least_ms": MS * min(walls_s[name]) / runs,
                "ms_a_run_and_slot": MS * seconds / runs * slots[name],
                "ratio": seconds / medians["serial"],
            }
            for name, seconds in medians.items()
        ],
    )


@contextlib.contextmanager
def _cluster() -> Iterator[str]:
    """Address of a Dask scheduler that has ``SLOTS`` workers of one thread each, all of them processes."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=SLOTS, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        yield cluster.scheduler_address
