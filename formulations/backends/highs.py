"""HiGHS through highspy, arrays passed whole."""

from __future__ import annotations

import math
import threading
from typing import Any

import highspy
import numpy as np

from slimbench.formulations.backends.result import RELATIVE_GAP, MilpResult, OnIncumbent
from slimbench.formulations.errors import SolverError
from slimbench.formulations.milp import Milp
from slimbench.instances.arrays import FloatArray

FEASIBILITY_TOLERANCE = 1e-9  # at the default 1e-6 a row of small weights leaks more saving than we compare

OVERRUN_S = 0.2  # what HiGHS may take beyond its limit before it is left behind


def solve(milp: Milp, time_limit_s: float, threads: int, on_incumbent: OnIncumbent | None) -> MilpResult:
    """Solve with HiGHS.

    Its cut separation does not look at the clock (seen: 29 s beyond a limit of 60 s), so it runs in a thread
    that is left behind when it overruns; incumbent and bound are then those it told last.
    """
    highs = highspy.Highs()
    for option, value in {
        "log_to_console": False,
        "threads": threads,
        "mip_rel_gap": RELATIVE_GAP,
        "mip_abs_gap": 0.0,
        "mip_feasibility_tolerance": FEASIBILITY_TOLERANCE,
        "primal_feasibility_tolerance": FEASIBILITY_TOLERANCE,
    }.items():
        highs.setOptionValue(option, value)
    if math.isfinite(time_limit_s):
        highs.setOptionValue("time_limit", time_limit_s)
    _pass(highs, milp)
    told = _Told(on_incumbent)
    if milp.integer.any():
        highs.cbMipImprovingSolution.subscribe(told.incumbent)
        highs.cbMipLogging.subscribe(told.log)
    run = threading.Thread(target=highs.run, daemon=True)
    run.start()
    run.join(time_limit_s + OVERRUN_S if math.isfinite(time_limit_s) else None)
    return told.result() if run.is_alive() else _result(highs, milp)


class _Told:
    """What HiGHS has told through its callbacks."""

    def __init__(self, on_incumbent: OnIncumbent | None) -> None:
        self._on_incumbent = on_incumbent
        self._values: FloatArray | None = None
        self._objective: float | None = None
        self._bound = math.inf

    def incumbent(self, event: Any) -> None:
        """Keep an improving solution and hand it on."""
        self._values = np.array(event.data_out.mip_solution)
        self._objective = event.data_out.objective_function_value
        self.log(event)
        if self._on_incumbent is not None:
            self._on_incumbent(self._values, self._bound)

    def log(self, event: Any) -> None:
        """Keep the bound."""
        self._bound = min(self._bound, event.data_out.mip_dual_bound)

    def result(self) -> MilpResult:
        """The state at an overrun."""
        return MilpResult(
            termination="none" if self._values is None else "feasible",
            raw_status="Time limit overrun",
            values=self._values,
            objective=self._objective,
            bound=self._bound if math.isfinite(self._bound) else None,
        )


def _result(highs: Any, milp: Milp) -> MilpResult:
    status, info = highs.getModelStatus(), highs.getInfo()
    raw = highs.modelStatusToString(status)
    if status in {highspy.HighsModelStatus.kSolveError, highspy.HighsModelStatus.kInfeasible}:
        raise SolverError(f"HiGHS ended with {raw}, although caching nothing is feasible")
    optimal = status == highspy.HighsModelStatus.kOptimal
    found = info.primal_solution_status == int(highspy.SolutionStatus.kSolutionStatusFeasible)
    bound = info.mip_dual_bound if milp.integer.any() else info.objective_function_value
    return MilpResult(
        termination="optimal" if optimal else "feasible" if found else "none",
        raw_status=raw,
        values=np.array(highs.getSolution().col_value) if found else None,
        objective=info.objective_function_value if found else None,
        bound=bound if math.isfinite(bound) and (optimal or milp.integer.any()) else None,
        figures={"nodes": float(info.mip_node_count)},
    )


def _pass(highs: Any, milp: Milp) -> None:
    v, rows = milp.n_columns, milp.rows
    highs.passModel(
        v,
        rows.shape[0],
        rows.nnz,
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMaximize),
        0.0,
        milp.objective,
        np.zeros(v),
        np.ones(v),
        np.full(rows.shape[0], -highspy.kHighsInf),
        milp.row_upper,
        rows.indptr.astype(np.int32),
        rows.indices.astype(np.int32),
        rows.data,
        milp.integer.astype(np.int32),
    )
