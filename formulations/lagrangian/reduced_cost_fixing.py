"""Lagrangian reduced-cost fixing: what every placement better than the incumbent holds, or leaves out.

References
----------
Geoffrion, Lagrangean relaxation for integer programming, Mathematical Programming Study 2, 1974.
"""

from __future__ import annotations

import numpy as np

from slimbench.formulations.lagrangian.subgradient import LagrangianDual
from slimbench.formulations.status import ALWAYS, FREE, NEVER
from slimbench.formulations.tolerances import raised
from slimbench.instances.problem.arrays import FloatArray, IntArray


def reduced_cost_fixing(
    dual: LagrangianDual, multipliers: FloatArray, cutoff_s: float, status: IntArray | None = None
) -> IntArray:
    """(N, X) int64: ``ALWAYS`` or ``NEVER`` where all that save ``cutoff_s`` agree, else ``FREE``.

    Let V_n be what server n's subproblem can save under the multipliers, and V_n[e] what it can with expert e
    forced in. A placement with e on n saves at most L - V_n + V_n[e]; where that is less than ``cutoff_s``,
    every placement that saves as much leaves e out. Likewise with e forced out. In floating point, L and
    V_n[e] are bounds from above and V_n is one from below; what is left is the rounding of this sum. It costs
    one value of L and one ``forced`` a server.

    Parameters
    ----------
    multipliers : (R,) float64
    cutoff_s : float
        Seconds per token that a placement must save to be worth finding.
    status : (N, X) int64, optional
        What is fixed already.
    """
    bound, _, holds = dual.value(multipliers, status)
    fixed = np.full(holds.shape, FREE) if status is None else status.copy()
    for n, solver in enumerate(dual.solvers[: len(holds)]):
        forced = solver.forced(multipliers, fixed[n])
        if forced is None:
            continue
        least, inside, outside = forced
        needed = -raised(bound - cutoff_s - least, bound + cutoff_s + abs(least), 2)
        free = fixed[n] == FREE
        fixed[n, free & (inside < needed)] = NEVER
        fixed[n, free & (outside < needed)] = ALWAYS
    return fixed
