"""The offline optimum of a sequence: one model of all periods, joined by what it costs to move experts."""

from __future__ import annotations

from typing import Final

import numpy as np
import scipy

from slimbench.formulations.milp.build import ALL_REDUCTIONS, build_milp
from slimbench.formulations.milp.model import OBJECTIVE_UNITS, MilpModel
from slimbench.instances import Placement
from slimbench.instances.problem.arrays import FloatArray, IntArray
from slimbench.instances.sequences.sequence import Sequence

SINGLE_PERIOD: Final = frozenset(
    {"roomy-servers", "unnamed-experts", "useless-pairs", "dominated-experts", "symmetry"}
)
"""Reductions that keep the optimum of one period alone: what is worthless in it may be kept for the next."""


def stacked(placements: list[Placement]) -> Placement:
    """Placements (T,) as one of T x N rows."""
    return Placement(np.concatenate([placement.holds for placement in placements]))


def unstacked(placement: Placement, n_periods: int) -> list[Placement]:
    """The other way round.

    Raises
    ------
    ValueError
        If the rows do not divide by the number of periods.
    """
    return [Placement(rows) for rows in np.split(placement.holds, n_periods)]


def build_horizon(sequence: Sequence, formulation: str = "cover") -> MilpModel:
    """Build the exact model of a sequence, whose placement rows are those of ``stacked`` placements.

    Maximise  sum over t of tokens_t saving_t(x_t) - sum over t, n, e of bytes_e (cloud c + neighbour b),
    the cost of never caching anything less that of the placements, with each saving_t in one of the exact
    formulations of its own period, and for each t, n, e

        x[t, n, e] - x[t-1, n, e] <= c[t, n, e] + b[t, n, e]
        b[t, n, e] <= sum over servers m other than n that are up in t of x[t-1, m, e]

    where x[t-1, n, e] is 0 for a server that is down in t, and x[-1] = 0. Once x is fixed, the best c and b
    are 0 or 1, so they need no integrality.

    Raises
    ------
    SolverError
        If the formulation is unknown, or does not model the dispatch.
    """
    reductions = ALL_REDUCTIONS - SINGLE_PERIOD
    models = [build_milp(instance, formulation, reductions) for instance in sequence.periods]
    starts = np.cumsum([0, *(model.n_columns for model in models)])
    x = np.stack(
        [
            np.where(model.placement_columns >= 0, model.placement_columns + start, model.placement_columns)
            for model, start in zip(models, starts, strict=False)
        ]
    )
    gains_s = [
        tokens * model.seconds_per_unit * model.objective
        for tokens, model in zip(sequence.tokens, models, strict=True)
    ]
    moves = _Moves(sequence, x, int(starts[-1]))
    rows = scipy.sparse.block_diag([model.rows for model in models], format="csr")
    rows.resize((rows.shape[0], moves.n_columns))
    unit = max(sequence.cost_none_s, 1e-300) / OBJECTIVE_UNITS
    continuous = np.zeros(moves.n_columns - int(starts[-1]), np.bool_)
    objective = np.concatenate([*gains_s, -moves.prices_s])
    objective[: starts[-1]] -= moves.first_prices_s
    return MilpModel(
        objective=objective / unit,
        rows=scipy.sparse.csr_array(scipy.sparse.vstack([rows, moves.rows()], format="csr")),
        row_upper=np.concatenate([*(model.row_upper for model in models), np.zeros(moves.n_rows)]),
        integer=np.concatenate([*(model.integer for model in models), continuous]),
        implied_integer=np.concatenate([*(model.implied_integer for model in models), ~continuous]),
        placement_columns=x.reshape(-1, x.shape[2]),
        seconds_per_unit=unit,
    )


class _Moves:
    """Columns and rows of what is fetched, after the first ``n_columns`` of the periods.

    Attributes
    ----------
    first_prices_s : (first columns,) float64
        Charged on placement columns themselves: where nothing can have been held before.
    prices_s : float64, one for each further column
    """

    def __init__(self, sequence: Sequence, x: IntArray, first: int) -> None:
        self.n_columns, self.n_rows = first, 0
        self.first_prices_s = np.zeros(first)
        self._prices: list[FloatArray] = []
        self._entries: list[tuple[IntArray, IntArray, FloatArray]] = []
        sizes = sequence.periods[0].expert_bytes.astype(np.float64)
        cloud_s, neighbour_s = sequence.cloud_s_per_byte * sizes, sequence.neighbour_s_per_byte * sizes
        for t, instance in enumerate(sequence.periods):
            up = instance.capacities_bytes > 0
            before = np.where(up[:, None], x[t - 1], -1) if t else np.full_like(x[0], -1)
            sources = (before >= 0).sum(axis=0)
            server, expert = np.nonzero(x[t] >= 0)
            lone = sources[expert] == 0
            self.first_prices_s[x[t, server[lone], expert[lone]]] = cloud_s[expert[lone]]
            self._fetches(x[t], before, server[~lone], expert[~lone], cloud_s, neighbour_s)

    @property
    def prices_s(self) -> FloatArray:
        return np.concatenate([np.empty(0), *self._prices])

    def rows(self) -> scipy.sparse.csr_array:
        if not self._entries:
            return scipy.sparse.csr_array((0, self.n_columns))
        row, column, value = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        return scipy.sparse.csr_array((value, (row, column)), shape=(self.n_rows, self.n_columns))

    def _fetches(
        self,
        now: IntArray,
        before: IntArray,
        server: IntArray,
        expert: IntArray,
        cloud_s: FloatArray,
        neighbour_s: FloatArray,
    ) -> None:
        from_cloud = self._columns(cloud_s[expert])
        from_neighbour = self._columns(neighbour_s[expert])
        row = self._new_rows(len(server))
        self._add(row, now[server, expert], 1.0)
        self._add(row, before[server, expert], -1.0)
        self._add(row, from_cloud, -1.0)
        self._add(row, from_neighbour, -1.0)
        row = self._new_rows(len(server))
        self._add(row, from_neighbour, 1.0)
        for other in range(len(before)):
            self._add(row, np.where(server == other, -1, before[other, expert]), -1.0)

    def _columns(self, prices_s: FloatArray) -> IntArray:
        self._prices.append(prices_s)
        self.n_columns += len(prices_s)
        return np.arange(self.n_columns - len(prices_s), self.n_columns)

    def _new_rows(self, count: int) -> IntArray:
        self.n_rows += count
        return np.arange(self.n_rows - count, self.n_rows)

    def _add(self, row: IntArray, column: IntArray, value: float) -> None:
        """An entry in each row whose column is one."""
        some = column >= 0
        self._entries.append((row[some], column[some], np.full(int(some.sum()), value)))
