"""Bring every row of a model to a range that solvers can count in, whoever built it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from slimbench.formulations.backends.small_weights import small_weights
from slimbench.formulations.milp.model import MilpModel
from slimbench.formulations.tolerances import TINY_COEFFICIENT
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray, csr_rows


def in_range(milp: MilpModel, *, integers: bool) -> MilpModel:
    """The same model with coefficients that a solver can tell apart; columns and objective stay.

    ===================  ==========================================  =====================================
    row                  HiGHS, CBC, SCIP, Gurobi                    CP-SAT (``integers``)
    ===================  ==========================================  =====================================
    all of +-1           as it is                                    as it is
    capacity: binary     integers up to 2^20, most often below 100,  the same; where there are none, the
    columns, positive    that admit exactly the same caches          sizes over their greatest divisor
    integers             (``small_weights``)
    other, and capacity  divided by a power of two so that the       the same, and then in its own steps
    rows without such    largest is in [1, 2), all others above
    integers             2^-29 in size or 0
    ===================  ==========================================  =====================================

    Capacity rows are exact. So is dividing by a power of two, but for numbers below 1e-300. A coefficient a
    of less than 2^-29 of the largest is left out: as 0 <= v <= 1, a v >= min(a, 0), which the right side
    gives away; so the row is relaxed, by less than what solvers themselves tolerate, and no solution is
    lost. Where a capacity has no small integers (sums of sizes nearly everywhere dense) its room is set
    half a unit higher, between the last sum that fits and the first that does not; a placement that is over
    all the same is refused where placements are verified.

    Parameters
    ----------
    integers : bool
        For a solver that counts in 64-bit integers.
    """
    matrix = milp.rows
    other = np.flatnonzero(np.abs(matrix.data) != 1.0)
    if not len(other):
        return milp
    which = np.unique(np.searchsorted(matrix.indptr, other, side="right") - 1)
    part, upper = matrix[which], milp.row_upper[which]
    row = np.repeat(np.arange(len(which)), np.diff(part.indptr))
    whole = milp.integer[part.indices] & (part.data > 0) & (part.data == np.rint(part.data))
    capacity = np.bincount(row[~whole], minlength=len(which)) == 0
    done = np.zeros(len(which), np.bool_)
    for r in np.flatnonzero(capacity).tolist():
        own = slice(part.indptr[r], part.indptr[r + 1])
        part.data[own], upper[r], done[r] = _capacity_row(part.data[own], upper[r], integers=integers)
    _scale(part.data, row, upper, ~done)
    rows, row_upper = matrix.copy(), milp.row_upper.copy()
    rows.data[csr_rows(matrix.indptr.astype(np.int64), which)[1]], row_upper[which] = part.data, upper
    rows.eliminate_zeros()
    return replace(milp, rows=rows, row_upper=row_upper)


def _capacity_row(data: FloatArray, upper: float, *, integers: bool) -> tuple[FloatArray, float, bool]:
    """Coefficients and room in integers, and whether nothing more is to be done."""
    sizes, kind, counts = np.unique(data.astype(np.int64), return_inverse=True, return_counts=True)
    room = math.floor(upper)
    if int(sizes @ counts) <= room:
        return np.zeros_like(data), 0.0, True
    found = small_weights(tuple(sizes.tolist()), tuple(counts.tolist()), room)
    if found is not None:
        return np.array(found[0], np.float64)[kind.ravel()], float(found[1]), True
    unit = int(np.gcd.reduce(sizes))
    return data / unit, room // unit + (0.0 if integers else 0.5), integers


def _scale(data: FloatArray, row: IntArray, upper: FloatArray, which: BoolArray) -> None:
    """Divide rows by powers of two, and relax them by what their tiny coefficients could take away."""
    largest = np.zeros(len(upper))
    np.maximum.at(largest, row, np.abs(data))
    exponents = np.where(which & (largest > 0), 1 - np.frexp(largest)[1], 0)
    upper[:] = np.ldexp(upper, exponents)
    data[:] = np.ldexp(data, exponents[row])
    tiny = which[row] & (np.abs(data) < TINY_COEFFICIENT)
    given = np.bincount(row[tiny], np.minimum(data[tiny], 0.0), minlength=len(upper))
    upper[given < 0] = np.nextafter(upper - given, np.inf)[given < 0]
    data[tiny] = 0.0
