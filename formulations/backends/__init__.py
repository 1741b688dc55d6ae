"""One door to the solver libraries.

Two of them in one process are not safe: MathOpt's HiGHS crashed with a segmentation fault where highspy
had solved a model before. So a library is imported when first asked for, and a second one is refused.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Final

import numpy as np

from slimbench.formulations.backends.result import MilpResult, OnIncumbent, Termination
from slimbench.formulations.errors import SolverError
from slimbench.formulations.milp import Milp

__all__ = ["BACKENDS", "MilpResult", "OnIncumbent", "Termination", "load_backend", "solve_milp"]

# backend: library, module, function
BACKENDS: Final = {
    "highs": ("highspy", "highs", "solve"),
    "cbc": ("pulp", "cbc", "solve"),
    "scip": ("ortools", "ortools", "solve_scip"),
    "cp-sat": ("ortools", "ortools", "solve_cp_sat"),
}
Solve = Callable[[Milp, float, int, OnIncumbent | None], MilpResult]
_library_in_use: list[str] = []


def solve_milp(
    milp: Milp,
    backend: str = "highs",
    time_limit_s: float = math.inf,
    threads: int = 1,
    on_incumbent: OnIncumbent | None = None,
) -> MilpResult:
    """Solve a model with one backend.

    Raises
    ------
    SolverError
        If the backend is unknown, another solver library has been used in this process, or the library
        fails or contradicts that caching nothing is feasible.
    """
    solve = load_backend(backend)
    if not milp.n_columns:
        return MilpResult("optimal", "empty model", np.empty(0), 0.0, 0.0)
    return solve(milp, time_limit_s, threads, on_incumbent)


def load_backend(backend: str) -> Solve:
    """Import a backend's library, which may take a second.

    Raises
    ------
    SolverError
        As ``solve_milp``.
    """
    if backend not in BACKENDS:
        raise SolverError(f"backend is {backend!r}, expected one of {', '.join(BACKENDS)}")
    library, module, function = BACKENDS[backend]
    if _library_in_use and _library_in_use[0] != library:
        raise SolverError(
            f"backend {backend} needs {library}, but this process has used {_library_in_use[0]}"
        )
    _library_in_use[:] = [library]
    solve: Solve = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    return solve
