"""CBC through PuLP: the textbook path most users know."""

from __future__ import annotations

import itertools
import math
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
import pulp

from slimbench.formulations.backends.request import SolveOptions
from slimbench.formulations.backends.result import MilpResult, completed, finite, termination
from slimbench.formulations.errors import SolverError
from slimbench.formulations.milp.model import MilpModel
from slimbench.formulations.tolerances import FEASIBILITY, RELATIVE_GAP

LOG_PRECISION: Final = 1e-2  # CBC prints bounds with few digits; a printed one is widened by this many units


def solve(milp: MilpModel, options: SolveOptions) -> MilpResult:
    """Solve with CBC, which runs as a program of its own and tells incumbent and bound only at its end.

    PuLP calls a time-limited solve optimal (PuLP issues 649, 711), so the ending and the bounds are read
    from CBC's own log. The objective is negated: with ``-max``, CBC 2.10 reads the cost of a start with the
    wrong sign and gives it up for worse ones.
    """
    end = time.monotonic() + options.time_limit_s
    problem, columns = _pulp_problem(milp)
    start = completed(milp, options, solve)  # the whole of it: PuLP says 0 for columns without a value
    if start is not None:
        for column, value in zip(columns, start.clip(0.0, 1.0).tolist(), strict=True):
            column.setInitialValue(value)
    text = _run(problem, options, end, warm_start=start is not None)
    if "Pre-processing says infeasible" in text:  # a fault of CBC 2.10: caching nothing is feasible
        text = _run(problem, options, end, "-preprocess", "off", warm_start=start is not None)
    ending = _last(r"^Result - (.*)$", text) or "no result line"
    if "infeasible" in ending.lower():
        raise SolverError(f"CBC ended with {ending!r}, although caching nothing is feasible")
    mixed = bool(milp.integer.any())
    optimal = ending == "Optimal solution found" or (not mixed and problem.status == 1)
    found = optimal or problem.sol_status in {pulp.LpSolutionOptimal, pulp.LpSolutionIntegerFeasible}
    values = np.array([column.varValue or 0.0 for column in columns]) if found else None
    objective = float(milp.objective @ values) if values is not None else None
    printed = _bound(r"^Lower bound:\s+(\S+)$", text)
    if printed is None:
        printed = _bound(r"^Continuous objective value is (\S+)", text)
    bound = printed if mixed else None
    if mixed and optimal and objective is not None:  # of which it prints no bound, but stops at this gap
        bound = objective + RELATIVE_GAP * abs(objective)
    multipliers = None
    if not mixed and found:  # of the negated objective
        multipliers = -np.array([row.pi or 0.0 for row in problem.constraints.values()])
    nodes = _last(r"^Enumerated nodes:\s+(\d+)$", text)
    root_bound = _bound(r"^Cuts at root node changed objective from \S+ to (\S+)$", text)
    if root_bound is None and mixed:  # done before its first cut
        root_bound = bound
    figures = {"nodes": float(nodes)} if nodes else {}
    ended = termination(optimal, found)
    return MilpResult(ended, ending, values, objective, bound, root_bound, multipliers, figures)


def _run(problem: pulp.LpProblem, options: SolveOptions, end: float, *more: str, warm_start: bool) -> str:
    """Run CBC until ``end`` on the clock of ``time.monotonic``; returns its log.

    It works inside a folder and knows files by their bare names. PuLP would give it whole paths, in a command
    that falls apart where a path has a space.
    """
    cbc = pulp.PULP_CBC_CMD()
    settings = {
        "-timeMode": "elapsed",
        "-ratio": f"{RELATIVE_GAP:g}",
        "-allow": "0",
        "-primalT": f"{FEASIBILITY:g}",
        "-integerT": f"{FEASIBILITY:g}",
    }
    if options.threads > 1:
        settings["-threads"] = str(options.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = problem.writeMPS(str(folder / "model.mps"), rename=1)[:3]
        if warm_start:
            cbc.writesol(str(folder / "start.mst"), problem, *names)
            settings["-mips"] = "start.mst"
        if math.isfinite(end):
            settings["-sec"] = f"{max(0.0, end - time.monotonic()):g}"
        command = [cbc.path, "model.mps", *itertools.chain(*settings.items()), *more]
        command += ["-solve", "-printingOptions", "all", "-solution", "model.sol"]
        log = options.log_file or folder / "cbc.log"
        with log.open("wb") as stream:
            ended = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, check=False
            )
        if ended.returncode or not (folder / "model.sol").exists():
            raise SolverError(f"CBC exited with code {ended.returncode} and without a result")
        solution = str(folder / "model.sol")
        status, values, _, multipliers, _, sol_status = cbc.readsol_MPS(solution, problem, *names)
        problem.assignVarsVals(values)
        problem.assignConsPi(multipliers)
        problem.assignStatus(status, sol_status)
        return log.read_text(errors="replace")


def _pulp_problem(milp: MilpModel) -> tuple[pulp.LpProblem, list[pulp.LpVariable]]:
    problem = pulp.LpProblem("placement", pulp.LpMinimize)
    columns = [
        pulp.LpVariable(f"v{i}", 0, 1, pulp.LpInteger if integer else pulp.LpContinuous)
        for i, integer in enumerate(milp.integer)
    ]
    problem.setObjective(pulp.LpAffineExpression(zip(columns, (-milp.objective).tolist(), strict=True)))
    rows = milp.rows
    for r, upper in enumerate(milp.row_upper.tolist()):
        entries = slice(rows.indptr[r], rows.indptr[r + 1])
        terms = zip([columns[c] for c in rows.indices[entries]], rows.data[entries].tolist(), strict=True)
        problem.addConstraint(
            pulp.LpConstraint(pulp.LpAffineExpression(terms), pulp.LpConstraintLE, None, upper)
        )
    return problem, columns


def _bound(pattern: str, text: str) -> float | None:
    """The last objective that CBC printed, as an upper bound on ours; None if it had none."""
    printed = _last(pattern, text)
    return None if printed is None else finite(LOG_PRECISION - float(printed))


def _last(pattern: str, text: str) -> str | None:
    found = re.findall(pattern, text, re.MULTILINE)
    return found[-1] if found else None
