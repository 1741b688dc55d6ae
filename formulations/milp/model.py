"""A mixed-integer linear program as plain arrays, and the builder that formulations fill."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy  # which loads its parts when they are used

from slimbench.formulations.status import ALWAYS, NEVER
from slimbench.instances import Placement
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray, offsets_of

OBJECTIVE_UNITS: Final = (
    1000.0  # latency(none) - base in objective units: solvers' absolute gaps bite below 1
)


@dataclass(frozen=True)
class MilpModel:
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
        Column of x[n, e]; NEVER (-1) where the pair is not cached, ALWAYS (-2) where it is.
    seconds_per_unit : float
        Saving in seconds per token of one objective unit.
    """

    objective: FloatArray
    rows: scipy.sparse.csr_array[Any, Any]
    row_upper: FloatArray
    integer: BoolArray
    implied_integer: BoolArray
    placement_columns: IntArray
    seconds_per_unit: float

    @property
    def n_columns(self) -> int:
        """V."""
        return len(self.objective)

    def relaxed(self) -> MilpModel:
        """The linear relaxation."""
        return replace(self, integer=np.zeros_like(self.integer))

    def placement(self, values: FloatArray) -> Placement:
        """The placement that column values (V,) stand for, x rounded."""
        return Placement(self.shares(values) > 0.5)

    def shares(self, values: FloatArray) -> FloatArray:
        """(N, X) how much of each expert every server caches, by column values (V,)."""
        return np.asarray(np.append(values, [1.0, 0.0])[self.placement_columns])  # ALWAYS and NEVER


class MilpBuilder:
    """Collects columns and rows block by block, without a loop over either.

    Wherever columns are taken, NEVER and ALWAYS may stand among them.
    """

    def __init__(self) -> None:
        self._objective: list[FloatArray] = []
        self._implied: list[BoolArray] = []
        self._n_columns = 0
        self._rewards: list[tuple[IntArray, FloatArray]] = []
        self._entries: list[tuple[IntArray, IntArray, FloatArray]] = []
        self._row_upper: list[FloatArray] = []

    def columns(self, objective: npt.ArrayLike, *, implied_integer: bool = True) -> IntArray:
        """Add a column in [0, 1] for each objective coefficient; returns their numbers."""
        values = np.asarray(objective, np.float64)
        numbers = np.arange(self._n_columns, self._n_columns + len(values))
        self._objective.append(values)
        self._implied.append(np.full(len(values), implied_integer))
        self._n_columns += len(values)
        return numbers

    def add(self, model: MilpModel, seconds: float) -> int:
        """Add a model whose objective unit is worth ``seconds``; returns the number of its first column."""
        first = self._n_columns
        self._objective.append(seconds * model.objective)
        self._implied.append(model.implied_integer)
        self._n_columns += model.n_columns
        columns = model.rows.indices.astype(np.int64) + first
        self._entries.append((np.diff(model.rows.indptr), columns, model.rows.data))
        self._row_upper.append(model.row_upper)
        return first

    def reward(self, columns: IntArray, objective: FloatArray) -> None:
        """Add to the objective of existing columns, repeated ones too."""
        if (columns < 0).any():
            always = float(objective[columns == ALWAYS].sum())
            if always > 0:
                self.columns([always])  # in no row, so 1 in every optimum
            columns, objective = columns[columns >= 0], objective[columns >= 0]
        self._rewards.append((columns, objective))

    def rows(
        self, counts: IntArray, columns: IntArray, coefficient: npt.ArrayLike, upper: npt.ArrayLike
    ) -> None:
        """Add rows ``sum of coefficient * v[column] <= upper``, one after another, of ``counts`` entries."""
        values = np.broadcast_to(np.asarray(coefficient, np.float64), columns.shape)
        uppers = np.broadcast_to(np.asarray(upper, np.float64), counts.shape)
        if (columns < 0).any():
            row = np.repeat(np.arange(len(counts)), counts)
            always, free = columns == ALWAYS, columns >= 0
            uppers = uppers - np.bincount(row[always], values[always], minlength=len(counts))
            row, columns, values = row[free], columns[free], values[free]
            most = np.bincount(row, np.maximum(values, 0.0), minlength=len(counts))
            binding = most > uppers
            kept = binding[row]
            columns, values, uppers = columns[kept], values[kept], uppers[binding]
            counts = np.bincount(row[kept], minlength=len(binding))[binding]
        self._entries.append((counts, columns, values))
        self._row_upper.append(uppers)

    def implies(self, lower: IntArray, upper: IntArray) -> None:
        """Add rows ``v[lower[i]] <= v[upper[i]]``."""
        two = np.full(len(lower), 2)
        self.rows(two, np.column_stack([lower, upper]).ravel(), np.tile([1.0, -1.0], len(lower)), 0.0)

    def all_of(self, counts: IntArray, columns: IntArray) -> IntArray:
        """Columns v <= v[c] for each of the next ``counts`` columns c: 1 where all of them can be.

        A single column is its own conjunction, so are constants; nothing is added for them.
        """
        result, new, counts, columns = self._decided(counts, columns, dominant=NEVER, neutral=ALWAYS)
        self.implies(np.repeat(result[new], counts), columns)
        return result

    def any_of(self, counts: IntArray, columns: IntArray) -> IntArray:
        """Columns v <= the sum of the next ``counts`` columns: 1 where any of them is; else as ``all_of``."""
        result, new, counts, columns = self._decided(counts, columns, dominant=ALWAYS, neutral=NEVER)
        first = offsets_of(counts + 1)[:-1]
        own = np.zeros(len(counts) + len(columns), np.bool_)
        own[first] = True
        members = np.empty(len(own), np.int64)
        members[own], members[~own] = result[new], columns
        self.rows(counts + 1, members, np.where(own, 1.0, -1.0), 0.0)
        return result

    def _decided(
        self, counts: IntArray, columns: IntArray, dominant: int, neutral: int
    ) -> tuple[IntArray, BoolArray, IntArray, IntArray]:
        """Columns of gates: known ones where constants or a single input decide, else new ones.

        Returns
        -------
        result : (.,) int64
        new : (.,) bool, where a column was added
        counts, columns : inputs of the new ones, without constants
        """
        if not len(counts):
            return columns, np.empty(0, np.bool_), counts, columns
        row = np.repeat(np.arange(len(counts)), counts)
        free = columns >= 0
        left = np.bincount(row[free], minlength=len(counts))
        result = np.full(len(counts), neutral)
        result[row[free]] = columns[free]
        result[row[columns == dominant]] = dominant
        new = (left > 1) & (result != dominant)
        result[new] = self.columns(np.zeros(int(new.sum())))
        return result, new, left[new], columns[free & new[row]]

    def build(self, placement_columns: IntArray, seconds: float) -> MilpModel:
        """The finished model; objectives were given in seconds, of which ``seconds`` make 1000 units."""
        objective = np.concatenate([np.empty(0), *self._objective])
        for columns, reward in self._rewards:
            objective += np.bincount(columns, reward, minlength=len(objective))
        unit = seconds / OBJECTIVE_UNITS if seconds > 0 else 1.0
        integer = np.zeros(self._n_columns, np.bool_)
        integer[placement_columns[placement_columns >= 0]] = True
        counts, columns, values = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        matrix = scipy.sparse.csr_array(
            (values, columns.astype(np.int32), offsets_of(counts)), shape=(len(counts), self._n_columns)
        )
        return MilpModel(
            objective / unit,
            matrix,
            np.concatenate(self._row_upper),
            integer,
            np.concatenate([np.empty(0, np.bool_), *self._implied]),
            placement_columns,
            unit,
        )
