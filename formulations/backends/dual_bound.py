"""The bound that multipliers of the rows prove, by linear programming duality alone."""

from __future__ import annotations

import numpy as np

from slimbench.formulations.milp.model import MilpModel
from slimbench.formulations.tolerances import raised
from slimbench.instances.problem.arrays import FloatArray


def dual_bound(milp: MilpModel, multipliers: FloatArray) -> float:
    """An upper bound on the objective of every solution, whatever the multipliers y.

    For y >= 0, rows A v <= u and columns 0 <= v <= 1,

        c v  <=  c v + y (u - A v)  =  y u + (c - A'y) v  <=  y u + sum over j of max(c_j - (A'y)_j, 0),

    so nothing depends on how well a solver has solved the model: not on its tolerances, and not on its
    primal objective, which lies *below* the optimum of the relaxation where it stops early and is no bound.
    Negative multipliers count as 0.

    In floating point the value is raised by what it may be off: every summand c_j, a_rj y_r and u_r y_r takes
    part in one product, at most as many additions as its column has entries (a sparse product adds them one
    after another), and the two sums over rows and columns (``tolerances.raised``). The value is in objective
    units; the two roundings of a conversion to seconds are included.

    Parameters
    ----------
    multipliers : (R,) float64

    References
    ----------
    Neumaier, Shcherbina, Safe bounds in linear and mixed-integer linear programming, Mathematical
    Programming 99, 2004.
    """
    y = np.maximum(multipliers, 0.0)
    transposed = milp.rows.T.tocsr()
    reduced = milp.objective - transposed @ y
    value = float(y @ milp.row_upper) + float(np.maximum(reduced, 0.0).sum())
    magnitude = float(y @ np.abs(milp.row_upper)) + float(
        (np.abs(milp.objective) + abs(transposed) @ y).sum()
    )
    longest = int(np.diff(transposed.indptr).max(initial=0))
    return float(raised(value, magnitude, longest + milp.rows.shape[0] + milp.n_columns + 4))
