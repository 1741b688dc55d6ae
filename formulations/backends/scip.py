"""SCIP through OR-Tools' MathOpt."""

from __future__ import annotations

import datetime
import math
from typing import Any

import numpy as np
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt

from slimbench.formulations.backends.request import SolveOptions, Start
from slimbench.formulations.backends.result import (
    NO_BOUND,
    MilpResult,
    Progress,
    finite,
    solver_log,
    termination,
)
from slimbench.formulations.errors import SolverError
from slimbench.formulations.milp.model import MilpModel
from slimbench.formulations.tolerances import FEASIBILITY, RELATIVE_GAP
from slimbench.instances.problem.arrays import FloatArray


def solve(milp: MilpModel, options: SolveOptions) -> MilpResult:
    """Solve with SCIP.

    A start becomes an incumbent before presolve, by SCIP's heuristic ``completesol``, unless the time limit
    strikes first.
    """
    model = _model(milp)
    told = options.on_incumbent is not None or options.on_bound is not None
    with Progress(options) as progress, solver_log(options.log_file) as write:
        result = mathopt.solve(
            model,
            mathopt.SolverType.GSCIP,
            params=_parameters(options),
            model_params=_model_parameters(model, options.start),
            msg_cb=write,
            callback_reg=_events() if told else None,
            cb=_callback(milp, progress) if told else None,
        )
    ended = result.termination
    reason = ended.reason
    if reason in {mathopt.TerminationReason.INFEASIBLE, mathopt.TerminationReason.NUMERICAL_ERROR}:
        raise SolverError(f"SCIP ended with {reason.name}, although caching nothing is feasible")
    found = result.has_primal_feasible_solution()
    optimal = reason == mathopt.TerminationReason.OPTIMAL
    bound = finite(ended.objective_bounds.dual_bound)
    nodes = result.solve_stats.node_count
    root_bound = bound if nodes <= 1 else _root_bound(result, progress)
    return MilpResult(
        termination=termination(optimal, found),
        raw_status=reason.name + (f" ({ended.limit.name})" if ended.limit else ""),
        values=_values(result.variable_values(), milp.n_columns) if found else None,
        objective=result.objective_value() if found else None,
        bound=bound,
        root_bound=root_bound if milp.integer.any() else None,
        figures={"nodes": float(nodes)},
    )


def _root_bound(result: mathopt.SolveResult, progress: Progress) -> float | None:
    """What SCIP says, or where it restarted, so has forgotten, what it told."""
    said = result.gscip_specific_output.stats.root_node_bound
    return finite(said if said > -NO_BOUND else progress.root_bound)


def _parameters(options: SolveOptions) -> mathopt.SolveParameters:
    limit = options.time_limit_s
    parameters = mathopt.SolveParameters(
        time_limit=datetime.timedelta(seconds=limit) if math.isfinite(limit) else None,
        threads=options.threads,
        relative_gap_tolerance=RELATIVE_GAP,
        absolute_gap_tolerance=0.0,
    )
    parameters.gscip.real_params["numerics/feastol"] = FEASIBILITY
    # a start names the integer columns, few of all; SCIP ignores one that leaves over 85 % open
    parameters.gscip.real_params["heuristics/completesol/maxunknownrate"] = 1.0
    return parameters


def _model_parameters(model: mathopt.Model, start: Start | None) -> mathopt.ModelSolveParameters:
    parameters = mathopt.ModelSolveParameters()
    if start is not None:
        columns = zip(start.columns.tolist(), start.values.tolist(), strict=True)
        values = {model.get_variable(column): value for column, value in columns}
        parameters.solution_hints.append(mathopt.SolutionHint(variable_values=values))
    return parameters


def _events() -> mathopt.CallbackRegistration:
    """Incumbents with their values, nodes without theirs."""
    return mathopt.CallbackRegistration(
        events={mathopt.Event.MIP_SOLUTION, mathopt.Event.MIP_NODE},
        mip_node_filter=mathopt.VariableFilter(filtered_items=()),
    )


def _callback(milp: MilpModel, progress: Progress) -> Any:
    def tell(data: mathopt.CallbackData) -> mathopt.CallbackResult:
        with progress.callback():
            bound, nodes = data.mip_stats.dual_bound, data.mip_stats.explored_nodes
            if data.event == mathopt.Event.MIP_SOLUTION:
                values = _values(data.solution, milp.n_columns)
                progress.found(values, float(milp.objective @ values), bound, nodes)
            progress.proved(bound, nodes)
        return mathopt.CallbackResult(terminate=progress.failed)

    return tell


def _values(of_variables: Any, n_columns: int) -> FloatArray:
    values = np.zeros(n_columns)
    for variable, value in of_variables.items():
        values[variable.id] = value
    return values


def _model(milp: MilpModel) -> mathopt.Model:
    rows = milp.rows
    proto = model_pb2.ModelProto()
    proto.variables.ids.extend(range(milp.n_columns))
    proto.variables.lower_bounds.extend(np.zeros(milp.n_columns))
    proto.variables.upper_bounds.extend(np.ones(milp.n_columns))
    proto.variables.integers.extend(milp.integer.tolist())
    proto.objective.maximize = True
    priced = np.flatnonzero(milp.objective)
    proto.objective.linear_coefficients.ids.extend(priced.tolist())
    proto.objective.linear_coefficients.values.extend(milp.objective[priced].tolist())
    proto.linear_constraints.ids.extend(range(rows.shape[0]))
    proto.linear_constraints.lower_bounds.extend(np.full(rows.shape[0], -math.inf))
    proto.linear_constraints.upper_bounds.extend(milp.row_upper.tolist())
    coordinates = rows.tocsr(copy=True)
    coordinates.sort_indices()
    entries = coordinates.tocoo()
    proto.linear_constraint_matrix.row_ids.extend(entries.row.tolist())
    proto.linear_constraint_matrix.column_ids.extend(entries.col.tolist())
    proto.linear_constraint_matrix.coefficients.extend(entries.data.tolist())
    return mathopt.Model.from_model_proto(proto)
