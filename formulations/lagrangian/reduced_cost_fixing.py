"""What every placement better than the incumbent has in common, by the prices that prove a bound."""

from __future__ import annotations

import numpy as np

from slimbench.formulations.lagrangian.subgradient import PricedCoupling
from slimbench.formulations.rounding import raised
from slimbench.formulations.status import ALWAYS, FREE, NEVER
from slimbench.instances.problem.arrays import FloatArray, IntArray


def fixed_by_prices(
    priced: PricedCoupling, prices: FloatArray, wanted_s: float, status: IntArray | None = None
) -> IntArray:
    """(N, X) int64: ``ALWAYS`` or ``NEVER`` where all placements worth finding agree, else ``FREE``.

    Let V_n be what server n's block can save under the prices, and V_n[e] what it can with expert e forced
    in. A placement with e on n saves at most L - V_n + V_n[e]; if that is less than ``wanted_s``, every
    placement that saves as much leaves e out. Likewise with e forced out (Lagrangian reduced-cost fixing,
    Geoffrion 1974). In floating point, L and V_n[e] are bounds from above and V_n is one from below; what is
    left is the rounding of this sum.

    Parameters
    ----------
    prices : (R,) float64
    wanted_s : float
        Seconds per token that a placement must save to be worth finding.
    status : (N, X) int64, optional
        What is fixed already.
    """
    bound, _, holds = priced.dual_value(prices, status)
    fixed = np.full(holds.shape, FREE) if status is None else status.copy()
    for n in range(len(holds)):
        forced = priced.blocks[n].forced(prices, fixed[n])
        if forced is None:
            continue
        least, inside, outside = forced
        needed = -raised(bound - wanted_s - least, bound + wanted_s + abs(least), 2)
        free = fixed[n] == FREE
        fixed[n, free & (inside < needed)] = NEVER
        fixed[n, free & (outside < needed)] = ALWAYS
    return fixed
