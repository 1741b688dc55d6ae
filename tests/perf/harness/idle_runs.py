"""Runs of solvers that place nothing, as jobs for an executor and as a suite."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from perf.child import command_seconds

from slimbench.bench.execution.executor import Executor
from slimbench.bench.execution.verification import verified
from slimbench.bench.isolation.messages import Job
from slimbench.bench.isolation.outcome import Outcome
from slimbench.bench.plugins.warm_up import Shape, tiny_instance
from slimbench.instances import Instance, write_instance

PLUGIN: Final = Path(__file__).with_name("idle_solvers.py")
INSTANCE: Final[Instance] = tiny_instance("single")
INSTANCE_FILE: Final = "tiny.npz"  # as in run folders
LIMIT_S: Final = 60.0
MEMORY_MB: Final = 4096.0
SUITE: Final = f"""\
name = "idle"
solvers = ["{{solver}}"]
repeats = {{repeats}}
[limits]
time_s = {LIMIT_S}
memory_mb = {MEMORY_MB}
[reference]
solver = "brute-force"
[[instances]]
file = "{INSTANCE_FILE}"
"""
SCRIPT: Final = (
    "import sys; from pathlib import Path; from slimbench.bench import run; "
    "suite, out, plugin, jobs = sys.argv[1:]; "
    "run(suite, out=Path(out), jobs=int(jobs), plugin_files=[Path(plugin)])"
)


@contextlib.contextmanager
def idle_jobs(solver: str) -> Iterator[Callable[[int], list[Job]]]:
    """Make, inside the block, any number of jobs of a solver on the tiny instance."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, INSTANCE_FILE)
        write_instance(INSTANCE, file)

        def make(count: int) -> list[Job]:
            return [
                Job(
                    key=key,
                    instance_file=str(file),
                    shape=Shape.of(INSTANCE),
                    solver=solver,
                    plugin_files=(str(PLUGIN),),
                    seed=key,
                    time_limit_s=LIMIT_S,
                    memory_limit_mb=MEMORY_MB,
                    threads=1,
                    log_file=str(Path(folder, f"{key}.log")),
                )
                for key in range(count)
            ]

        yield make


def carry_out(executor: Executor, jobs: Iterable[Job], slots: int) -> float:
    """Wall seconds until every job has ended and is verified, ``slots`` at a time.

    Raises
    ------
    RuntimeError
        If a run does not end with a feasible placement.
    """
    under_way = 0

    def finish(outcomes: Iterable[Outcome]) -> int:
        count = 0
        for outcome in outcomes:
            row = verified(INSTANCE, outcome)
            if row["status"] != "ok":
                raise RuntimeError(f"{outcome.job.solver}: {row['status']}: {row['message']}")
            count += 1
        return count

    start = time.perf_counter()
    for job in jobs:
        executor.submit(job)
        under_way += 1
        if under_way == slots:
            under_way -= finish(executor.collect())
    while under_way:
        under_way -= finish(executor.collect())
    return time.perf_counter() - start


def write_suite(folder: Path, solver: str, repeats: int) -> Path:
    """Write a suite of one solver on the tiny instance, and the instance; returns the suite's path."""
    write_instance(INSTANCE, folder / INSTANCE_FILE)
    path = folder / "idle.toml"
    path.write_text(SUITE.format(solver=solver, repeats=repeats), encoding="utf-8")
    return path


def suite_seconds(repeats: int, jobs: int) -> tuple[float, float]:
    """Wall and CPU seconds of a fresh interpreter that runs a suite in a fresh folder; no report is written.

    Raises
    ------
    subprocess.CalledProcessError
        If that fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        suite = write_suite(Path(folder), "nothing", repeats)
        arguments = [str(suite), str(Path(folder, "runs", "idle")), str(PLUGIN), str(jobs)]
        return command_seconds(["-c", SCRIPT, *arguments], Path(folder))
