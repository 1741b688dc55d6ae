"""CBC through PuLP: the textbook path most users know."""

from __future__ import annotations

import math
import re
import tempfile
from pathlib import Path

import numpy as np
import pulp

from slimbench.formulations.backends.result import RELATIVE_GAP, MilpResult, OnIncumbent, Termination
from slimbench.formulations.errors import SolverError
from slimbench.formulations.milp import Milp

LOG_PRECISION = 1e-2  # CBC prints bounds with few digits; a printed bound is widened by this many units


def solve(milp: Milp, time_limit_s: float, threads: int, on_incumbent: OnIncumbent | None) -> MilpResult:
    """Solve with CBC.

    PuLP calls a time-limited solve optimal (PuLP issues 649, 711), so the ending and the bound are read
    from CBC's own log.
    """
    del on_incumbent  # CBC runs as a program of its own and tells only at the end
    problem, columns = _pulp_problem(milp)
    text = _run(problem, time_limit_s, threads, [])
    if "Pre-processing says infeasible" in text:  # a fault of CBC 2.10: caching nothing is feasible
        text = _run(problem, time_limit_s, threads, ["preprocess off"])
    ending = _last(r"^Result - (.*)$", text) or "no result line"
    if "infeasible" in ending.lower():
        raise SolverError(f"CBC ended with {ending!r}, although caching nothing is feasible")
    optimal = ending == "Optimal solution found" or (not milp.integer.any() and problem.status == 1)
    found = optimal or problem.sol_status in {
        pulp.LpSolutionOptimal,
        pulp.LpSolutionIntegerFeasible,
    }
    values = np.array([column.varValue or 0.0 for column in columns]) if found else None
    objective = float(milp.objective @ values) if values is not None else None
    termination: Termination = "optimal" if optimal else "feasible" if found else "none"
    # CBC minimises the negated objective, so its lower bound is our upper one
    printed = _last(r"^Lower bound:\s+(\S+)$", text) or _last(r"^Continuous objective value is (\S+)", text)
    bound = objective if optimal else None if printed is None else abs(float(printed)) + LOG_PRECISION
    nodes = _last(r"^Enumerated nodes:\s+(\d+)$", text)
    return MilpResult(termination, ending, values, objective, bound, {"nodes": float(nodes)} if nodes else {})


def _run(problem: pulp.LpProblem, time_limit_s: float, threads: int, options: list[str]) -> str:
    """Run CBC; returns its log."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "cbc.log")
        problem.solve(
            pulp.PULP_CBC_CMD(
                msg=False,
                timeLimit=time_limit_s if math.isfinite(time_limit_s) else None,
                threads=threads if threads > 1 else None,
                gapRel=RELATIVE_GAP,
                gapAbs=0.0,
                options=["primalT 1e-9", "integerT 1e-9", *options],
                logPath=str(log),
            )
        )
        return log.read_text(errors="replace")


def _pulp_problem(milp: Milp) -> tuple[pulp.LpProblem, list[pulp.LpVariable]]:
    problem = pulp.LpProblem("placement", pulp.LpMaximize)
    columns = [
        pulp.LpVariable(f"v{i}", 0, 1, pulp.LpInteger if integer else pulp.LpContinuous)
        for i, integer in enumerate(milp.integer)
    ]
    problem.setObjective(pulp.LpAffineExpression(zip(columns, milp.objective.tolist(), strict=True)))
    rows = milp.rows
    for r, upper in enumerate(milp.row_upper.tolist()):
        entries = slice(rows.indptr[r], rows.indptr[r + 1])
        terms = zip([columns[c] for c in rows.indices[entries]], rows.data[entries].tolist(), strict=True)
        problem.addConstraint(
            pulp.LpConstraint(pulp.LpAffineExpression(terms), pulp.LpConstraintLE, None, upper)
        )
    return problem, columns


def _last(pattern: str, text: str) -> str | None:
    found = re.findall(pattern, text, re.MULTILINE)
    return found[-1] if found else None
