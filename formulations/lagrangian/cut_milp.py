"""The form ``cover`` from its blocks, sharpened by what prices have proven."""

from __future__ import annotations

import numpy as np

from slimbench.formulations.lagrangian.relaxation import Block
from slimbench.formulations.lagrangian.subgradient import PricedCoupling
from slimbench.formulations.milp.model import Milp, MilpBuilder
from slimbench.formulations.single_server.priced_terms import priced_weights
from slimbench.formulations.status import FREE
from slimbench.instances import Instance
from slimbench.instances.problem.arrays import FloatArray, IntArray
from slimbench.instances.problem.evaluation import latencies_without_cache


def priced_milp(
    instance: Instance, priced: PricedCoupling, prices: FloatArray, fixed: IntArray, *, cuts: bool
) -> Milp:
    """The exact model with experts fixed and, for every block, the row that its subproblem proves.

    Under prices no set within the capacity of block b saves more than V_b, so for every placement

        sum over the terms of b of weight * term <= V_b.

    With these rows the linear relaxation is at most L(prices).

    Parameters
    ----------
    prices : (R,) float64
    fixed : (N, X) int64, of ``fixed_by_prices``
    cuts : bool
        Whether to add these rows.
    """
    rows, builder = priced.rows, MilpBuilder()
    x = fixed.copy()
    x[fixed == FREE] = builder.columns(np.zeros(int((fixed == FREE).sum())))
    capacities = np.minimum(instance.capacities_bytes, instance.expert_bytes.sum())
    builder.rows(
        np.full(len(x), instance.n_experts), x.ravel(), np.tile(instance.expert_bytes, len(x)), capacities
    )
    columns = [
        _term_columns(builder, block, x[n, block.terms.members])
        for n, block in enumerate(rows.blocks[: len(x)])
    ]
    of_row = np.concatenate([block.rows for block in rows.blocks[: len(x)]])
    inputs = np.concatenate([c[block.row_terms] for c, block in zip(columns, rows.blocks, strict=False)])
    by_row = np.argsort(of_row, kind="stable")
    served = builder.any_of(np.bincount(of_row, minlength=len(rows.rewards)), inputs[by_row])
    builder.reward(served, rows.rewards)
    for block in rows.blocks[len(x) :]:
        held = np.empty(instance.n_experts, np.int64)
        held[block.terms.members[block.terms.offsets[:-1][block.row_terms]]] = served[block.rows]
        columns.append(_term_columns(builder, block, held[block.terms.members]))
    for b, (block, of_terms) in enumerate(zip(rows.blocks, columns, strict=True)):
        builder.reward(of_terms, block.terms.weights)
        if cuts and len(of_terms):
            weights, most = priced_weights(priced.blocks[b].terms, prices), priced.block_value(b, prices)
            builder.rows(np.array([len(weights)]), of_terms, weights, most)
    return builder.build(x, float(np.dot(instance.rates, latencies_without_cache(instance))))


def _term_columns(builder: MilpBuilder, block: Block, members: IntArray) -> IntArray:
    """Columns that are 1 where all of a term's experts are in the block."""
    return builder.all_of(np.diff(block.terms.offsets), members)
