"""What a backend is asked for: limits, a start, and who is told of the progress of a solve."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from slimbench.formulations.milp.model import MilpModel
from slimbench.instances import Placement
from slimbench.instances.problem.arrays import FloatArray, IntArray

OnIncumbent = Callable[[FloatArray, float], None]  # column values and bound, in objective units
OnBound = Callable[[float], None]  # bound, in objective units
ROUNDS: Final = 100  # of swaps; a start that is not in order then will be ignored


@dataclass(frozen=True)
class Start:
    """A placement to start from; what follows from it is left to the backend.

    Attributes
    ----------
    columns : (C,) int64
        All integer columns.
    values : (C,) float64
        Each 0 or 1.
    """

    columns: IntArray
    values: FloatArray

    @classmethod
    def of(cls, milp: MilpModel, placement: Placement) -> Start:
        """The start that a placement is in a model, in the order that the model's reductions ask for.

        They order identical servers and dominated experts by rows v[a1] + v[a2] + ... <= v[b1] + v[b2] + ...;
        where a placement violates one, swapping each v[a] with its v[b] saves no less.
        """
        values = np.zeros(milp.n_columns)
        modelled = milp.placement_columns >= 0
        values[milp.placement_columns[modelled]] = placement.holds[modelled]
        order = milp.rows[_ordering(milp)]
        for _ in range(ROUNDS):
            violated = np.flatnonzero(order @ values > 0)
            if not len(violated):
                break
            for row in violated:
                entries = slice(order.indptr[row], order.indptr[row + 1])
                columns, signs = order.indices[entries], order.data[entries]
                a, b = np.sort(columns[signs > 0]), np.sort(columns[signs < 0])
                if values[a].sum() > values[b].sum():
                    values[a], values[b] = values[b], values[a]
        integer = np.flatnonzero(milp.integer)
        return cls(integer, values[integer])


def _ordering(milp: MilpModel) -> IntArray:
    """The rows that only compare two sets of integer columns of the same size."""
    rows = milp.rows
    row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    other = (np.abs(rows.data) != 1.0) | ~milp.integer[rows.indices]
    compares = np.bincount(row, other, minlength=rows.shape[0]) == 0
    balance = np.bincount(row, rows.data, minlength=rows.shape[0])
    return np.flatnonzero(compares & (balance == 0) & (milp.row_upper == 0))


@dataclass(frozen=True)
class SolveOptions:
    """Limits of a solve, where it starts, and who is told of its progress.

    Attributes
    ----------
    time_limit_s : float
    threads : int
    start : Start or None
        A start that the model's rows forbid is ignored.
    log_file : Path or None
        Where the library's own log goes, after what the file has; CBC's replaces that.
    on_incumbent, on_bound : callable or None
        Told of every better incumbent, and of bounds that improve by more than 1e-9, relatively.
    """

    time_limit_s: float = math.inf
    threads: int = 1
    start: Start | None = None
    log_file: Path | None = None
    on_incumbent: OnIncumbent | None = None
    on_bound: OnBound | None = None
