"""Load at most one solver library in a process, and none where workers are forked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from slimbench.formulations.errors import SolverError

_in_use: list[str] = []


@contextmanager
def loading(library: str) -> Iterator[None]:
    """Import a library inside.

    Two of them in one process are not safe: MathOpt's HiGHS crashed with a segmentation fault where highspy
    had solved a model before.

    Raises
    ------
    SolverError
        If another one has been loaded, or none may be.
    """
    if _in_use and _in_use[-1] != library:
        raise SolverError(f"a backend needs {library}, but this process has used {_in_use[-1]}")
    yield
    _in_use[:] = [library]


@contextmanager
def no_library() -> Iterator[None]:
    """Refuse to load any inside: the threads that a library keeps are lost in a fork."""
    _in_use.append("none, as it forks workers")
    try:
        yield
    finally:
        _in_use.pop()
