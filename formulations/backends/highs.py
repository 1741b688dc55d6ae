"""HiGHS through highspy, arrays passed whole."""

from __future__ import annotations

import math
from typing import Any

import highspy
import numpy as np

from slimbench.formulations.backends.result import RELATIVE_GAP, MilpResult, OnIncumbent
from slimbench.formulations.errors import SolverError
from slimbench.formulations.milp import Milp

FEASIBILITY_TOLERANCE = 1e-9  # at the default 1e-6 a row of small weights leaks more saving than we compare


def solve(milp: Milp, time_limit_s: float, threads: int, on_incumbent: OnIncumbent | None) -> MilpResult:
    """Solve with HiGHS."""
    highs = highspy.Highs()
    for option, value in {
        "output_flag": False,
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
    if on_incumbent is not None and milp.integer.any():

        def report(event: Any) -> None:
            on_incumbent(np.asarray(event.data_out.mip_solution), event.data_out.mip_dual_bound)

        highs.cbMipImprovingSolution.subscribe(report)
    highs.run()
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
