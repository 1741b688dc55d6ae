"""A mixed-integer linear program as plain arrays, and the builder that formulations fill."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from slimbench.instances import Placement
from slimbench.instances.arrays import BoolArray, FloatArray, IntArray

OBJECTIVE_UNITS: Final = (
    1000.0  # latency(none) - base in objective units: solvers' absolute gaps bite below 1
)


@dataclass(frozen=True)
class Milp:
    """Maximise ``objective @ v`` subject to ``rows @ v <= row_upper`` and ``0 <= v <= 1``.

    Attributes
    ----------
    objective : (V,) float64, in units of which latency(none) - base has 1000
    rows : (R, V) CSR float64
    row_upper : (R,) float64
    integer : (V,) bool
        The placement columns.
    implied_integer : (V,) bool
        Columns that are 0 or 1 in some optimum once the integer ones are.
    placement_columns : (N, X) int64
        Column of x[n, e]; -1 where the pair is not in the model, so not cached.
    seconds_per_unit : float
        Saving in seconds per token of one objective unit.
    """

    objective: FloatArray
    rows: sparse.csr_array[Any, Any]
    row_upper: FloatArray
    integer: BoolArray
    implied_integer: BoolArray
    placement_columns: IntArray
    seconds_per_unit: float

    @property
    def n_columns(self) -> int:
        """V."""
        return len(self.objective)

    def relaxed(self) -> Milp:
        """The linear relaxation."""
        return replace(self, integer=np.zeros_like(self.integer))

    def placement(self, values: FloatArray) -> Placement:
        """The placement that column values (V,) stand for, x rounded."""
        rounded = np.append(values > 0.5, False)  # what column -1 stands for
        return Placement(rounded[self.placement_columns])


class MilpBuilder:
    """Collects columns and rows block by block, without a loop over either."""

    def __init__(self) -> None:
        self._objective: list[FloatArray] = []
        self._implied: list[BoolArray] = []
        self._n_columns = 0
        self._entries: list[tuple[IntArray, IntArray, FloatArray]] = []
        self._row_upper: list[FloatArray] = []
        self._n_rows = 0
        self._extra: list[tuple[IntArray, FloatArray]] = []

    def columns(self, objective: npt.ArrayLike, *, implied_integer: bool = True) -> IntArray:
        """Add a column in [0, 1] for each objective coefficient; returns their numbers."""
        values = np.asarray(objective, np.float64)
        numbers = np.arange(self._n_columns, self._n_columns + len(values))
        self._objective.append(values)
        self._implied.append(np.full(len(values), implied_integer))
        self._n_columns += len(values)
        return numbers

    def reward(self, columns: IntArray, objective: FloatArray) -> None:
        """Add to the objective of existing columns, repeated ones too."""
        self._extra.append((columns, objective))

    def rows(
        self, row: IntArray, column: IntArray, coefficient: npt.ArrayLike, upper: npt.ArrayLike, n_rows: int
    ) -> None:
        """Add ``n_rows`` rows ``sum of coefficient * v[column] <= upper``; ``row`` counts from 0."""
        values = np.broadcast_to(np.asarray(coefficient, np.float64), row.shape)
        self._entries.append((row + self._n_rows, column, values))
        self._row_upper.append(np.broadcast_to(np.asarray(upper, np.float64), (n_rows,)))
        self._n_rows += n_rows

    def implies(self, lower: IntArray, upper: IntArray) -> None:
        """Add rows ``v[lower[i]] <= v[upper[i]]``."""
        row = np.arange(len(lower))
        self.rows(
            np.concatenate([row, row]),
            np.concatenate([lower, upper]),
            np.repeat([1.0, -1.0], len(row)),
            0.0,
            len(row),
        )

    def build(self, placement_columns: IntArray, seconds: float) -> Milp:
        """The finished model; objectives were given in seconds, of which ``seconds`` make 1000 units."""
        objective = np.concatenate(self._objective) if self._objective else np.empty(0)
        for columns, extra in self._extra:
            objective += np.bincount(columns, extra, minlength=len(objective))
        unit = seconds / OBJECTIVE_UNITS if seconds > 0 else 1.0
        integer = np.zeros(self._n_columns, np.bool_)
        integer[placement_columns[placement_columns >= 0]] = True
        row, column, value = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        matrix = sparse.csr_array((value, (row, column)), shape=(self._n_rows, self._n_columns))
        return Milp(
            objective / unit,
            matrix,
            np.concatenate(self._row_upper),
            integer,
            np.concatenate(self._implied) if self._implied else integer,
            placement_columns,
            unit,
        )
