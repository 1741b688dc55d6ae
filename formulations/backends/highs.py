"""HiGHS through highspy, arrays passed whole."""

from __future__ import annotations

import math
import threading
from typing import Any, Final

import highspy
import numpy as np

from slimbench.formulations.backends.request import SolveOptions
from slimbench.formulations.backends.result import MilpResult, Progress, finite, termination
from slimbench.formulations.errors import SolverError
from slimbench.formulations.milp.model import MilpModel
from slimbench.formulations.tolerances import FEASIBILITY, RELATIVE_GAP

OVERRUN_S: Final = 0.2  # what HiGHS may take beyond its limit before it is left behind
LOGGING_INTERVAL_S: Final = 1.0  # HiGHS tells its bound with each line of its log, by default every 5 s


def solve(milp: MilpModel, options: SolveOptions) -> MilpResult:
    """Solve with HiGHS.

    Its cut separation does not look at the clock (seen: 29 s beyond a limit of 60 s), so it runs in a thread
    that is left behind when it overruns; incumbent and bound are then those it told last.
    """
    highs = highspy.Highs()
    for option, value in {
        "log_to_console": False,
        "log_file": str(options.log_file or ""),
        "mip_min_logging_interval": LOGGING_INTERVAL_S,
        "threads": options.threads,
        "mip_rel_gap": RELATIVE_GAP,
        "mip_abs_gap": 0.0,
        "mip_feasibility_tolerance": FEASIBILITY,
        "primal_feasibility_tolerance": FEASIBILITY,
    }.items():
        highs.setOptionValue(option, value)
    if math.isfinite(options.time_limit_s):
        highs.setOptionValue("time_limit", options.time_limit_s)
    _pass(highs, milp)
    if options.start is not None:
        start = options.start
        highs.setSolution(len(start.columns), start.columns.astype(np.int32), start.values)
    with Progress(options, interrupt=lambda: highs.cbMipInterrupt.subscribe(_stop)) as progress:
        if milp.integer.any():
            _listen(highs, progress)
        run = threading.Thread(target=highs.run, daemon=True)
        run.start()
        run.join(options.time_limit_s + OVERRUN_S if math.isfinite(options.time_limit_s) else None)
        if not run.is_alive():
            return _result(highs, milp, progress)
    return _overrun(progress)


def _listen(highs: Any, progress: Progress) -> None:
    def found(event: Any) -> None:
        told = event.data_out
        with progress.callback():
            values = np.array(told.mip_solution)
            progress.found(values, told.objective_function_value, told.mip_dual_bound, told.mip_node_count)

    def logged(event: Any) -> None:
        with progress.callback():
            progress.proved(event.data_out.mip_dual_bound, event.data_out.mip_node_count)

    highs.cbMipImprovingSolution.subscribe(found)
    highs.cbMipLogging.subscribe(logged)


def _stop(event: Any) -> None:
    """Subscribed only to stop: HiGHS asks so often that a call back costs time."""
    event.interrupt()


def _overrun(progress: Progress) -> MilpResult:
    found = progress.values is not None
    return MilpResult(
        termination=termination(False, found),
        raw_status="Time limit overrun",
        values=progress.values,
        objective=progress.objective if found else None,
        bound=finite(progress.bound),
        root_bound=finite(progress.root_bound),
    )


def _result(highs: Any, milp: MilpModel, progress: Progress) -> MilpResult:
    status, info = highs.getModelStatus(), highs.getInfo()
    raw = highs.modelStatusToString(status)
    if status in {highspy.HighsModelStatus.kSolveError, highspy.HighsModelStatus.kInfeasible}:
        raise SolverError(f"HiGHS ended with {raw}, although caching nothing is feasible")
    optimal = status == highspy.HighsModelStatus.kOptimal
    found = info.primal_solution_status == int(highspy.SolutionStatus.kSolutionStatusFeasible)
    mixed = bool(milp.integer.any())
    if mixed:
        progress.proved(info.mip_dual_bound, info.mip_node_count)
    solution = highs.getSolution()
    return MilpResult(
        termination=termination(optimal, found),
        raw_status=raw,
        values=np.array(solution.col_value) if found else None,
        objective=info.objective_function_value if found else None,
        bound=finite(info.mip_dual_bound) if mixed else None,
        root_bound=finite(progress.root_bound),
        multipliers=np.array(solution.row_dual) if not mixed and solution.dual_valid else None,
        figures={"nodes": float(info.mip_node_count)},
    )


def _pass(highs: Any, milp: MilpModel) -> None:
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
