"""How many experts of each model a server holds: a knapsack over models, whose experts differ in size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from slimbench.formulations.tolerances import raised
from slimbench.instances.problem.arrays import FloatArray, IntArray

MAX_PAIRS: Final = 2**22  # (bytes, saving) of which the undominated are kept, all exactly: 200 MB
EPSILON: Final = 0.01  # of the optimum: what keeping fewer may cost where there are more


class ModelCounts(NamedTuple):
    """A solution of the knapsack over models.

    Attributes
    ----------
    counts : experts of each model
    saving_s : float
        What they save, seconds per token.
    bound_s : float
        No other counts save more: ``saving_s`` itself where no pair was left out, and never more than
        ``EPSILON`` of the optimum above it.
    """

    counts: list[int]
    saving_s: float
    bound_s: float


def model_knapsack(curves: Sequence[FloatArray], sizes: Sequence[int], capacity: int) -> ModelCounts:
    """The best numbers of experts, by never-falling curves of what they save, under a capacity.

    Maximise the sum over m of curve_m[k_m] subject to the sum over m of size_m k_m <= capacity. Model after
    model, every undominated pair (bytes, saving) is kept, so no size is rounded: O(P C log) a model for P
    pairs and C counts. Where a model would make more than ``MAX_PAIRS`` of them, pairs and counts whose
    savings lie less than a step apart count as one, the smaller, as in the usual approximation scheme, with
    the step such that all of them cost at most ``EPSILON`` of the best model's own saving.

    Parameters
    ----------
    curves : one (k_m + 1,) float64 a model, saving by number of experts
    sizes : bytes of one expert of each model
    capacity : bytes

    References
    ----------
    Ibarra, Kim, Fast approximation algorithms for the knapsack and sum of subset problems, Journal of the ACM
    22, 1975.
    """
    reach = [min(len(curve) - 1, capacity // size) for curve, size in zip(curves, sizes, strict=True)]
    # The last model takes what room is left, without pairs of its own: let it be the one of most counts.
    *first, last = sorted(range(len(curves)), key=reach.__getitem__)
    best_alone = max(float(curve[count]) for curve, count in zip(curves, reach, strict=True))
    step = EPSILON * max(best_alone, 0.0) / max(2 * len(first), 1)
    used, value = np.zeros(1, np.int64), np.zeros(1)
    slack = 0.0
    joins: list[tuple[IntArray, IntArray]] = []
    for m in first:
        parents, counts = np.arange(len(used)), np.arange(reach[m] + 1)
        if len(parents) * len(counts) > MAX_PAIRS:
            parents, counts = _steps_apart(value, step), _steps_apart(curves[m][: reach[m] + 1], step)
            slack += 2 * step
        all_used = (used[parents, None] + counts * sizes[m]).ravel()
        all_value = (value[parents, None] + curves[m][counts]).ravel()
        order = np.lexsort((-all_value, all_used))
        order = order[all_used[order] <= capacity]
        best_before = np.concatenate([[-np.inf], np.maximum.accumulate(all_value[order])[:-1]])
        kept = order[all_value[order] > best_before]
        joins.append((parents[kept // len(counts)], counts[kept % len(counts)]))
        used, value = all_used[kept], all_value[kept]
    left = np.minimum((capacity - used) // sizes[last], reach[last])
    state = int(np.argmax(value + curves[last][left]))
    saving = float(value[state] + curves[last][left[state]])
    chosen = {last: int(left[state])}
    for model, (parents, counts) in zip(reversed(first), reversed(joins), strict=True):
        chosen[model] = int(counts[state])
        state = int(parents[state])
    bound = raised(saving + slack, saving + slack, 4 * len(curves)) if slack else saving
    return ModelCounts([chosen[model] for model in range(len(curves))], saving, bound)


def _steps_apart(rising: FloatArray, step: float) -> IntArray:
    """Some of the entries, such that none is more than a step above the last of them at or before it."""
    kept = [0]
    while (after := int(np.searchsorted(rising, rising[kept[-1]] + step, side="right"))) < len(rising):
        kept.append(after)
    return np.array(kept)
