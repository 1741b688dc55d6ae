"""OR-Tools: SCIP through MathOpt, and CP-SAT on an integer-scaled copy of the model."""

from __future__ import annotations

import datetime
import math
from typing import Final

import numpy as np
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt
from ortools.sat.python import cp_model

from slimbench.formulations.backends.result import RELATIVE_GAP, MilpResult, OnIncumbent
from slimbench.formulations.errors import SolverError
from slimbench.formulations.milp import Milp
from slimbench.instances.arrays import FloatArray, IntArray

# CP-SAT counts in integers below 2^62. Objective and fractional columns are rounded up to these grids, so its
# bound stays a bound; an optimum is one only where the rounding adds less than ROUNDING of it.
OBJECTIVE_TOTAL: Final = 2.0**58
FRACTION_STEPS: Final = 2**23
ROUNDING: Final = 5e-7


def solve_scip(milp: Milp, time_limit_s: float, threads: int, on_incumbent: OnIncumbent | None) -> MilpResult:
    """Solve with SCIP through MathOpt."""
    del on_incumbent  # MathOpt's SCIP has no callback for incumbents
    parameters = mathopt.SolveParameters(
        time_limit=datetime.timedelta(seconds=time_limit_s) if math.isfinite(time_limit_s) else None,
        threads=threads,
        relative_gap_tolerance=RELATIVE_GAP,
        absolute_gap_tolerance=0.0,
    )
    parameters.gscip.real_params["numerics/feastol"] = 1e-9
    result = mathopt.solve(_mathopt_model(milp), mathopt.SolverType.GSCIP, params=parameters)
    termination = result.termination
    reason = termination.reason
    if reason in {mathopt.TerminationReason.INFEASIBLE, mathopt.TerminationReason.NUMERICAL_ERROR}:
        raise SolverError(f"SCIP ended with {reason.name}, although caching nothing is feasible")
    found = result.has_primal_feasible_solution()
    values = None
    if found:
        values = np.zeros(milp.n_columns)
        for variable, value in result.variable_values().items():
            values[variable.id] = value
    bound = termination.objective_bounds.dual_bound
    optimal = reason == mathopt.TerminationReason.OPTIMAL
    return MilpResult(
        termination="optimal" if optimal else "feasible" if found else "none",
        raw_status=reason.name + (f" ({termination.limit.name})" if termination.limit else ""),
        values=values,
        objective=result.objective_value() if found else None,
        bound=bound if math.isfinite(bound) else None,
        figures={"nodes": float(result.solve_stats.node_count)},
    )


def _mathopt_model(milp: Milp) -> mathopt.Model:
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


def solve_cp_sat(
    milp: Milp, time_limit_s: float, threads: int, on_incumbent: OnIncumbent | None
) -> MilpResult:
    """Solve with CP-SAT.

    Columns that are 0 or 1 in some optimum become Booleans, the others integers in 0..FRACTION_STEPS.
    """
    steps = np.where(milp.implied_integer, 1, FRACTION_STEPS).astype(np.int64)
    per_unit = OBJECTIVE_TOTAL / (float(np.abs(milp.objective).sum()) or 1.0)
    objective = np.ceil(milp.objective / steps * per_unit).astype(np.int64)
    model = cp_model.CpModel()
    columns = [model.new_int_var(0, int(s), "") for s in steps]
    _add_rows(model, columns, milp, steps)
    model.maximize(cp_model.LinearExpr.weighted_sum(columns, objective.tolist()))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = threads
    solver.parameters.relative_gap_limit = 0.0
    solver.parameters.random_seed = 0
    solver.parameters.linearization_level = 2
    if math.isfinite(time_limit_s):
        solver.parameters.max_time_in_seconds = time_limit_s
    callback = _Incumbents(columns, steps, per_unit, on_incumbent) if on_incumbent else None
    status = solver.solve(model, callback)
    if status in {cp_model.INFEASIBLE, cp_model.MODEL_INVALID}:
        raise SolverError(
            f"CP-SAT ended with {solver.status_name(status)}, although caching nothing is feasible"
        )
    found = status in {cp_model.OPTIMAL, cp_model.FEASIBLE}
    values, value = None, None
    bound = solver.best_objective_bound / per_unit
    optimal = status == cp_model.OPTIMAL
    if found:
        values = _within_rows(milp, np.array([solver.value(c) for c in columns]) / steps)
        value = float(milp.objective @ values)
        optimal = optimal and bound - value <= ROUNDING * abs(bound)
    return MilpResult(
        termination="optimal" if optimal else "feasible" if found else "none",
        raw_status=solver.status_name(status),
        values=values,
        objective=value,
        bound=bound if found or bound > 0 else None,  # stopped before its first bound, CP-SAT says 0
        figures={"nodes": float(solver.num_branches)},
    )


def _within_rows(milp: Milp, values: FloatArray) -> FloatArray:
    """Lower fractional columns by what the rounding of their rows let them have too much."""
    excess = np.maximum(milp.rows @ values - milp.row_upper, 0.0)
    entries = milp.rows.tocoo()
    fractional = ~milp.implied_integer[entries.col] & (entries.data > 0)
    cut = np.zeros_like(values)
    column, row = entries.col[fractional], entries.row[fractional]
    np.maximum.at(cut, column, excess[row] / entries.data[fractional])
    return np.asarray(values - cut)


def _add_rows(model: cp_model.CpModel, columns: list[cp_model.IntVar], milp: Milp, steps: IntArray) -> None:
    """Rows in integers: those with a fractional column in its steps, rounded so as to relax the row."""
    rows = milp.rows
    for r in range(rows.shape[0]):
        entries = slice(rows.indptr[r], rows.indptr[r + 1])
        members = rows.indices[entries]
        scale = int(steps[members].max(initial=1))
        coefficients = np.floor(rows.data[entries] * (scale / steps[members]) + 1e-9).astype(np.int64)
        upper = math.floor(milp.row_upper[r] * scale + 1e-9)
        terms = cp_model.LinearExpr.weighted_sum([columns[c] for c in members], coefficients.tolist())
        model.add(terms <= upper)


class _Incumbents(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]  # no stubs
    """Hands each improving solution on."""

    def __init__(
        self, columns: list[cp_model.IntVar], steps: IntArray, per_unit: float, report: OnIncumbent
    ) -> None:
        super().__init__()
        self._columns, self._steps, self._per_unit, self._report = columns, steps, per_unit, report

    def on_solution_callback(self) -> None:
        """Called by CP-SAT."""
        values = np.array([self.value(c) for c in self._columns]) / self._steps
        self._report(values, self.best_objective_bound / self._per_unit)
