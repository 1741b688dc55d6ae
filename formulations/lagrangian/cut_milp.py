"""The form ``cover`` with experts fixed and a cut for each Lagrangian subproblem."""

from __future__ import annotations

from typing import Final

import numpy as np

from slimbench.formulations.lagrangian.group_patterns import GroupPatterns, best_patterns
from slimbench.formulations.lagrangian.subgradient import LagrangianDual
from slimbench.formulations.milp.model import MilpBuilder, MilpModel
from slimbench.formulations.status import FREE
from slimbench.instances import Instance
from slimbench.instances.problem.arrays import FloatArray, IntArray
from slimbench.instances.problem.evaluation import latencies_without_cache

NEARLY_ZERO: Final = 1e-12  # of the largest weight; smaller coefficients are left out and paid for


def cut_milp(
    instance: Instance, dual: LagrangianDual, multipliers: FloatArray, fixed: IntArray, *, cuts: bool
) -> MilpModel:
    """The exact model with experts fixed and, for every subproblem, the row that its optimum proves.

    Under the multipliers no set within the capacity of subproblem b saves more than V_b, so for every
    placement

        sum over the terms of b of weight * term <= V_b,

    and no group saves more than its part of the dual beyond the multipliers of the servers that hold it.
    With these rows the linear relaxation is at most L(multipliers).

    Parameters
    ----------
    multipliers : (R,) float64
    fixed : (N, X) int64, of ``reduced_cost_fixing``
    cuts : bool
        Whether to add these rows.
    """
    rewards, subproblems, builder = dual.relaxation.rewards, dual.relaxation.subproblems, MilpBuilder()
    servers, unions = subproblems[: instance.n_servers], subproblems[instance.n_servers :]
    x = fixed.copy()
    x[fixed == FREE] = builder.columns(np.zeros(int((fixed == FREE).sum())))
    capacities = np.minimum(instance.capacities_bytes, instance.expert_bytes.sum())
    builder.rows(
        np.full(len(x), instance.n_experts), x.ravel(), np.tile(instance.expert_bytes, len(x)), capacities
    )
    columns = [  # 1 where all of a term's experts are in the subproblem
        builder.all_of(np.diff(server.terms.offsets), x[n, server.terms.members])
        for n, server in enumerate(servers)
    ]
    of_row = np.concatenate([server.rows for server in servers])
    inputs = np.concatenate([c[server.row_terms] for c, server in zip(columns, servers, strict=True)])
    by_row = np.argsort(of_row, kind="stable")
    served = builder.any_of(np.bincount(of_row, minlength=len(rewards)), inputs[by_row])
    builder.reward(served, rewards)
    if (patterns := dual.relaxation.patterns) is not None:
        met = builder.any_of(np.diff(patterns.pair_offsets), served[patterns.pair_rows])
        builder.reward(met, dual.relaxation.pattern_weights)
        if cuts:
            _cut_groups(builder, patterns, dual.relaxation.pattern_weights, multipliers, met, served)
    for _, terms, rows, row_terms, _ in unions:
        held = np.empty(instance.n_experts, np.int64)
        held[terms.members[terms.offsets[:-1][row_terms]]] = served[rows]
        columns.append(builder.all_of(np.diff(terms.offsets), held[terms.members]))
    for b, of_terms in enumerate(columns):
        builder.reward(of_terms, subproblems[b].terms.weights)
        if cuts and len(of_terms):
            most = dual.subproblem_value(b, multipliers)
            builder.rows(np.array([len(of_terms)]), of_terms, dual.solvers[b].weights(multipliers), most)
    return builder.build(x, float(np.dot(instance.rates, latencies_without_cache(instance))))


def _cut_groups(
    builder: MilpBuilder,
    patterns: GroupPatterns,
    weights: FloatArray,
    multipliers: FloatArray,
    met: IntArray,
    served: IntArray,
) -> None:
    """A row for every group: what its sets save, less the multipliers of the servers that hold it.

    Parameters
    ----------
    met : (Q',) int64, columns of the pairs of ``patterns``
    served : (R,) int64, columns of the rows
    """
    n_rows = np.diff(patterns.row_offsets)
    group = np.concatenate([patterns.pair_groups, np.repeat(np.arange(len(n_rows)), n_rows)])
    column = np.concatenate([met, served[: patterns.n_rows]])
    # A set of which one server is left has that server's column: the two coefficients are one, maybe near 0.
    (group, column), which = np.unique([group, column], axis=1, return_inverse=True)
    values = np.bincount(which, np.concatenate([weights, -multipliers[: patterns.n_rows]]))
    most = best_patterns(patterns, multipliers, np.zeros_like(multipliers))
    large = np.abs(values) > NEARLY_ZERO * weights.max(initial=0.0)
    most += np.bincount(group, np.where(large, 0.0, np.abs(values)), minlength=len(most))
    group, column, values = group[large], column[large], values[large]
    builder.rows(np.bincount(group, minlength=len(most)), column, values, most)
