"""Gurobi through gurobipy, whose wheel carries a licence for models of up to 2000 columns and rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import gurobipy
import numpy as np
from gurobipy import GRB

from slimbench.formulations.backends.request import SolveOptions
from slimbench.formulations.backends.result import MilpResult, Progress, finite, termination
from slimbench.formulations.errors import SolverError
from slimbench.formulations.milp.model import MilpModel
from slimbench.formulations.tolerances import FEASIBILITY, RELATIVE_GAP
from slimbench.instances.problem.arrays import FloatArray

WORDS: Final = {getattr(GRB.Status, name): name for name in dir(GRB.Status) if name.isupper()}


def solve(milp: MilpModel, options: SolveOptions) -> MilpResult:
    """Solve with Gurobi.

    Raises
    ------
    SolverError
        If there is no licence, or only one for smaller models, or Gurobi fails.
    """
    try:
        with (
            gurobipy.Env(params={"LogToConsole": 0}) as env,
            gurobipy.Model(env=env) as model,
            Progress(options, interrupt=model.terminate) as progress,
        ):
            columns, rows = _fill(model, milp, options)
            model.optimize(_callback(milp, columns, progress) if milp.integer.any() else None)
            return _result(model, columns, rows, milp, progress)
    except gurobipy.GurobiError as error:
        raise SolverError(_explained(error, milp)) from None


def _fill(
    model: gurobipy.Model, milp: MilpModel, options: SolveOptions
) -> tuple[gurobipy.MVar, gurobipy.MConstr]:
    parameters = {
        "LogFile": str(options.log_file or ""),
        "Threads": options.threads,
        "MIPGap": RELATIVE_GAP,
        "MIPGapAbs": 0.0,
        "FeasibilityTol": FEASIBILITY,
        "IntFeasTol": FEASIBILITY,
        "OptimalityTol": FEASIBILITY,
        "TimeLimit": options.time_limit_s,
    }
    for name, value in parameters.items():
        model.setParam(name, value)
    kinds = np.where(milp.integer, GRB.BINARY, GRB.CONTINUOUS)
    columns = model.addMVar(milp.n_columns, lb=0.0, ub=1.0, obj=milp.objective, vtype=kinds)
    model.ModelSense = GRB.MAXIMIZE
    rows = model.addMConstr(milp.rows, columns, GRB.LESS_EQUAL, milp.row_upper)
    if options.start is not None:
        columns[options.start.columns].Start = options.start.values
    return columns, rows


def _callback(
    milp: MilpModel, columns: gurobipy.MVar, progress: Progress
) -> Callable[[gurobipy.Model, int], None]:
    variables = columns.tolist()

    def tell(model: gurobipy.Model, where: int) -> None:
        told = GRB.Callback
        with progress.callback():
            if where == told.MIPSOL:
                values = np.array(model.cbGetSolution(variables))
                bound, nodes = model.cbGet(told.MIPSOL_OBJBND), model.cbGet(told.MIPSOL_NODCNT)
                progress.found(values, float(milp.objective @ values), bound, nodes)
                progress.proved(bound, nodes)
            elif where == told.MIP:
                progress.proved(model.cbGet(told.MIP_OBJBND), model.cbGet(told.MIP_NODCNT))

    return tell


def _result(
    model: gurobipy.Model,
    columns: gurobipy.MVar,
    rows: gurobipy.MConstr,
    milp: MilpModel,
    progress: Progress,
) -> MilpResult:
    raw = WORDS[model.Status]
    if model.Status in {GRB.INFEASIBLE, GRB.INF_OR_UNBD, GRB.UNBOUNDED, GRB.NUMERIC}:
        raise SolverError(f"Gurobi ended with {raw}, although caching nothing is feasible")
    optimal, found, mixed = model.Status == GRB.OPTIMAL, model.SolCount > 0, bool(milp.integer.any())
    bound = finite(model.ObjBound) if mixed else None
    if bound is not None:
        progress.proved(bound, model.NodeCount)
    values: FloatArray | None = np.asarray(columns.X) if found else None
    return MilpResult(
        termination=termination(optimal, found),
        raw_status=raw,
        values=values,
        objective=model.ObjVal if found else None,
        bound=bound,
        root_bound=finite(progress.root_bound) if mixed else None,
        multipliers=np.asarray(rows.Pi) if optimal and not mixed else None,
        figures={"nodes": float(model.NodeCount)},
    )


def _explained(error: gurobipy.GurobiError, milp: MilpModel) -> str:
    words = " ".join(str(error).split())
    if error.errno == GRB.Error.SIZE_LIMIT_EXCEEDED:
        return (
            f"the model has {milp.n_columns} columns and {milp.rows.shape[0]} rows, the licence that comes "
            f"with gurobipy takes 2000 of each: set GRB_LICENSE_FILE to a full one ({words})"
        )
    if error.errno == GRB.Error.NO_LICENSE:
        return f"Gurobi has no licence: set GRB_LICENSE_FILE to one ({words})"
    return f"Gurobi failed: {words}"
