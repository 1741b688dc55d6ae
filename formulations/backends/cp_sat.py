"""OR-Tools' CP-SAT on an integer-scaled copy of the model."""

from __future__ import annotations

import math
import time
from typing import Final

import numpy as np
from ortools.sat.python import cp_model

from slimbench.formulations.backends.request import SolveOptions
from slimbench.formulations.backends.result import MilpResult, Progress, completed, solver_log, termination
from slimbench.formulations.errors import SolverError
from slimbench.formulations.milp.model import MilpModel
from slimbench.formulations.tolerances import raised
from slimbench.instances.problem.arrays import FloatArray, IntArray

# CP-SAT counts in integers below 2^62. Objective and fractional columns are rounded up to these grids, rows
# down, so its bound stays a bound; an optimum is one only where the rounding adds less than ROUNDING of it.
OBJECTIVE_TOTAL: Final = 2.0**58
FRACTION_STEPS: Final = 2**23
ROUNDING: Final = 5e-7


def solve(milp: MilpModel, options: SolveOptions) -> MilpResult:
    """Solve with CP-SAT.

    Columns that are 0 or 1 in some optimum become Booleans, the others integers in 0..FRACTION_STEPS. It has
    no root node, so no ``root_bound``.
    """
    begun = time.monotonic()
    steps = np.where(milp.implied_integer, 1, FRACTION_STEPS).astype(np.int64)
    per_unit = OBJECTIVE_TOTAL / (float(np.abs(milp.objective).sum()) or 1.0)
    objective = np.ceil(milp.objective / steps * per_unit).astype(np.int64)
    model = cp_model.CpModel()
    columns = [model.new_int_var(0, int(s), "") for s in steps]
    _add_rows(model, columns, milp, steps)
    model.maximize(cp_model.LinearExpr.weighted_sum(columns, objective.tolist()))
    # The whole of the start: a hint at the placement alone is completed in any way (seen: a first incumbent,
    # after 6 s, that saved nothing).
    if (start := completed(milp, options, solve)) is not None:
        for column, value in zip(columns, np.floor(start * steps + 1e-6).astype(int).tolist(), strict=True):
            model.add_hint(column, value)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = options.threads
    solver.parameters.relative_gap_limit = 0.0
    solver.parameters.random_seed = 0
    solver.parameters.linearization_level = 2
    if math.isfinite(options.time_limit_s):
        solver.parameters.max_time_in_seconds = max(0.0, options.time_limit_s - (time.monotonic() - begun))
    with (
        Progress(options, interrupt=solver.stop_search) as progress,
        solver_log(options.log_file) as write,
    ):

        def tell(bound: float) -> None:
            with progress.callback():
                progress.proved(_in_units(bound, per_unit), math.inf)

        if options.on_bound is not None:
            solver.best_bound_callback = tell
        told = _Incumbents(columns, steps, per_unit, progress) if options.on_incumbent is not None else None
        if write is not None:
            solver.parameters.log_search_progress = True
            solver.parameters.log_to_stdout = False
            solver.log_callback = lambda line: write([line])
        status = solver.solve(model, told)
    if status in {cp_model.INFEASIBLE, cp_model.MODEL_INVALID}:
        raise SolverError(
            f"CP-SAT ended with {solver.status_name(status)}, although caching nothing is feasible"
        )
    found = status in {cp_model.OPTIMAL, cp_model.FEASIBLE}
    values, value = None, None
    said = solver.best_objective_bound
    optimal = status == cp_model.OPTIMAL
    if found:
        values = _within_rows(milp, np.array([solver.value(c) for c in columns]) / steps)
        value = float(milp.objective @ values)
        optimal = optimal and said / per_unit - value <= ROUNDING * abs(said / per_unit)
    return MilpResult(
        termination=termination(optimal, found),
        raw_status=solver.status_name(status),
        values=values,
        objective=value,
        bound=_in_units(said, per_unit) if found or said > 0 else None,  # before its first bound it says 0
        figures={"nodes": float(solver.num_branches)},
    )


def _in_units(bound: float, per_unit: float) -> float:
    """A bound of CP-SAT, raised by what scaling the objective, and dividing it again, are rounded by."""
    return float(raised(bound / per_unit, OBJECTIVE_TOTAL / per_unit, 4))


def _within_rows(milp: MilpModel, values: FloatArray) -> FloatArray:
    """Lower fractional columns by what the rounding of their rows let them have too much."""
    excess = np.maximum(milp.rows @ values - milp.row_upper, 0.0)
    entries = milp.rows.tocoo()
    fractional = ~milp.implied_integer[entries.col] & (entries.data > 0)
    cut = np.zeros_like(values)
    column, row = entries.col[fractional], entries.row[fractional]
    np.maximum.at(cut, column, excess[row] / entries.data[fractional])
    return np.asarray(values - cut)


def _add_rows(
    model: cp_model.CpModel, columns: list[cp_model.IntVar], milp: MilpModel, steps: IntArray
) -> None:
    """Rows in integers: those with a fractional column in its steps, a power of two, and rounded down.

    Columns are >= 0, so a lower coefficient relaxes the row, and an integer is at most a right side where it
    is at most its floor.
    """
    rows = milp.rows
    for r in range(rows.shape[0]):
        entries = slice(rows.indptr[r], rows.indptr[r + 1])
        members = rows.indices[entries]
        scale = int(steps[members].max(initial=1))
        coefficients = np.floor(rows.data[entries] * (scale / steps[members])).astype(np.int64)
        upper = math.floor(milp.row_upper[r] * scale)
        terms = cp_model.LinearExpr.weighted_sum([columns[c] for c in members], coefficients.tolist())
        model.add(terms <= upper)


class _Incumbents(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]  # no stubs
    """Hands each improving solution on."""

    def __init__(
        self, columns: list[cp_model.IntVar], steps: IntArray, per_unit: float, progress: Progress
    ) -> None:
        super().__init__()
        self._columns, self._steps, self._per_unit, self._progress = columns, steps, per_unit, progress

    def on_solution_callback(self) -> None:
        """Called by CP-SAT."""
        with self._progress.callback():
            values = np.array([self.value(c) for c in self._columns]) / self._steps
            bound = _in_units(self.best_objective_bound, self._per_unit)
            self._progress.found(values, self.objective_value / self._per_unit, bound, math.inf)
