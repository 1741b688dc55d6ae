"""Completing a start, for libraries that take whole solutions only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from slimbench.formulations.backends.start import Start
from slimbench.formulations.milp.model import Milp
from slimbench.instances.problem.arrays import FloatArray


def completed(milp: Milp, start: Start, solve: Callable[[Milp], FloatArray | None]) -> FloatArray | None:
    """Column values (V,) of a start, or None if ``solve`` finds none for the columns it leaves open.

    ``solve`` is given what is left of the model once the integer columns are fixed; it stands for no
    placement.
    """
    values = np.zeros(milp.n_columns)
    values[start.columns] = start.values
    free = np.flatnonzero(~milp.integer)
    rows = milp.rows[:, free]
    kept = np.flatnonzero(np.diff(rows.indptr))
    rest = replace(
        milp,
        objective=milp.objective[free],
        rows=rows[kept],
        row_upper=(milp.row_upper - milp.rows @ values)[kept],
        integer=milp.integer[free],
        implied_integer=milp.implied_integer[free],
    )
    found = solve(rest) if free.size else np.empty(0)
    if found is None:
        return None
    values[free] = found
    return values
