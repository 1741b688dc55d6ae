"""Executors: processes of this machine, or a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol, Self

from slimbench.bench.execution.errors import ExecutorError
from slimbench.bench.isolation.messages import Job
from slimbench.bench.isolation.outcome import Outcome
from slimbench.bench.isolation.workers import Workers

EXECUTORS: Final = ("processes", "serial", "dask")


class Executor(Protocol):
    """Starts jobs and hands back how they ended, in whatever order; a context manager.

    Isolation, limits and what comes back are the same wherever a job is done.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    @property
    def slots(self) -> int:
        """Jobs that may be under way at a time."""

    def submit(self, job: Job) -> None:
        """Start a job."""

    def collect(self) -> Iterator[Outcome]:
        """Wait until at least one job has ended; yields all that have."""


def make_executor(name: str, jobs: int, threads: int, scheduler: str | None) -> Executor:
    """The executor of that name, for ``jobs`` runs at a time of ``threads`` threads each.

    Raises
    ------
    ExecutorError
        If there is no such executor, or it lacks a package or a scheduler.
    """
    check_executor(name, scheduler)
    if scheduler is not None:
        try:
            from slimbench.bench.execution.dask_executor import DaskExecutor  # noqa: PLC0415
        except ImportError as error:
            raise ExecutorError(
                f"executor dask: {error}; expected the extra dask: pip install 'slimbench[dask]'"
            ) from None
        return DaskExecutor(scheduler)
    return Workers(1 if name == "serial" else jobs, threads)


def check_executor(name: str, scheduler: str | None) -> None:
    """Raise ``ExecutorError`` if there is no such executor, or it lacks a scheduler, or has one too many."""
    if name not in EXECUTORS:
        raise ExecutorError(f"executor {name!r}: expected one of {', '.join(EXECUTORS)}")
    if (name == "dask") != (scheduler is not None):
        raise ExecutorError("executor dask goes with --scheduler, the address of a Dask scheduler")
