"""The offline optimum of a sequence: one model of all periods, joined by what it costs to move experts."""

from __future__ import annotations

from typing import Final

import numpy as np

from slimbench.formulations.milp.build import ALL_REDUCTIONS, build_milp
from slimbench.formulations.milp.model import MilpBuilder, MilpModel
from slimbench.formulations.status import NEVER
from slimbench.instances import Placement
from slimbench.instances.problem.arrays import IntArray
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
    builder, placement_columns = MilpBuilder(), []
    for tokens, instance in zip(sequence.tokens.tolist(), sequence.periods, strict=True):
        model = build_milp(instance, formulation, reductions)
        first = builder.add(model, tokens * model.seconds_per_unit)
        x = model.placement_columns
        placement_columns.append(np.where(x >= 0, x + first, x))
    x = np.stack(placement_columns)
    _add_fetches(builder, sequence, x)
    horizon = builder.build(x.reshape(-1, x.shape[2]), max(sequence.cost_none_s, 1e-300))
    horizon.rows.sort_indices()
    return horizon


def _add_fetches(builder: MilpBuilder, sequence: Sequence, x: IntArray) -> None:
    """Columns c and b with their rows; where nothing can have been held before, x itself is charged."""
    sizes = sequence.periods[0].expert_bytes.astype(np.float64)
    cloud_s, neighbour_s = sequence.cloud_s_per_byte * sizes, sequence.neighbour_s_per_byte * sizes
    nowhere = np.full_like(x[0], NEVER)
    for t, instance in enumerate(sequence.periods):
        before = np.where((instance.capacities_bytes > 0)[:, None], x[t - 1], NEVER) if t else nowhere
        server, expert = np.nonzero(x[t] >= 0)
        lone = (before >= 0).sum(axis=0)[expert] == 0
        builder.reward(x[t, server[lone], expert[lone]], -cloud_s[expert[lone]])
        server, expert = server[~lone], expert[~lone]
        from_cloud = builder.columns(-cloud_s[expert])
        from_neighbour = builder.columns(-neighbour_s[expert])
        fetched = np.column_stack([x[t, server, expert], before[server, expert], from_cloud, from_neighbour])
        builder.rows(np.full(len(server), 4), fetched.ravel(), np.tile([1.0, -1, -1, -1], len(server)), 0.0)
        others = np.where(np.arange(len(before)) == server[:, None], NEVER, before[:, expert].T)
        sources = np.column_stack([from_neighbour, others])
        signs = np.tile(np.append(1.0, -np.ones(len(before))), len(server))
        builder.rows(np.full(len(server), 1 + len(before)), sources.ravel(), signs, 0.0)
