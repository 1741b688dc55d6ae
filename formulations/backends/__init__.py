"""One door to the solver libraries.

A library is imported when first asked for, and a second one in the same process is refused.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from slimbench.formulations.backends.dual_bound import dual_bound
from slimbench.formulations.backends.request import OnBound, OnIncumbent, SolveOptions, Start
from slimbench.formulations.backends.result import MilpResult, Termination
from slimbench.formulations.backends.row_ranges import in_range
from slimbench.formulations.errors import SolverError
from slimbench.formulations.libraries import loading
from slimbench.formulations.milp.model import MilpModel

__all__ = [
    "BACKENDS",
    "MilpResult",
    "OnBound",
    "OnIncumbent",
    "SolveOptions",
    "Start",
    "Termination",
    "load_backend",
    "solve_milp",
]

# backend: library, module, function
BACKENDS: Final = {
    "highs": ("highspy", "highs", "solve"),
    "cbc": ("pulp", "cbc", "solve"),
    "scip": ("ortools", "scip", "solve"),
    "cp-sat": ("ortools", "cp_sat", "solve"),
    "gurobi": ("gurobipy", "gurobi", "solve"),
}
Solve = Callable[[MilpModel, SolveOptions], MilpResult]


def solve_milp(milp: MilpModel, backend: str = "highs", options: SolveOptions | None = None) -> MilpResult:
    """Solve a model with one backend, which gets its rows ``in_range``.

    The bound on a model with integer columns is a claim of the library, to its tolerances; that on a linear
    program is rebuilt from its multipliers (``dual_bound``) and needs no trust.

    Raises
    ------
    SolverError
        If the backend is unknown, is not installed or has no licence for the model, if another solver
        library has been used in this process, or if the library fails or contradicts that caching nothing
        is feasible.
    """
    solve = load_backend(backend)
    if not milp.n_columns:
        return MilpResult("optimal", "empty model", np.empty(0), 0.0, 0.0)
    milp = in_range(milp, integers=backend == "cp-sat")
    result = solve(milp, options or SolveOptions())
    if result.multipliers is not None:
        result = replace(result, bound=dual_bound(milp, result.multipliers))
    if result.bound is not None and result.root_bound is not None:
        # what an incumbent has cut off at the root, a library may leave out of the bound it prints there
        return replace(result, root_bound=max(result.root_bound, result.bound))
    return result


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
    try:
        with loading(library):
            solve: Solve = getattr(importlib.import_module(f"{__name__}.{module}"), function)
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        raise SolverError(f"backend {backend} needs {library}: pip install {library}") from None
    return solve
