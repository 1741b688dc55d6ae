"""The knapsack over models against all counts, exact and with pairs left out."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimbench.formulations.single_server import model_knapsack as model_counts
from slimbench.formulations.single_server.model_knapsack import model_knapsack

curves_of_models = st.lists(
    st.lists(st.integers(0, 9), max_size=5).map(lambda steps: np.cumsum([0, *steps]).astype(np.float64)),
    min_size=1,
    max_size=4,
)
sizes_of_models = st.lists(st.integers(1, 7), min_size=4, max_size=4)


def best_of_all_counts(curves, sizes, capacity):
    every = itertools.product(*(range(len(curve)) for curve in curves))
    return max(
        sum(curve[count] for curve, count in zip(curves, tried, strict=True))
        for tried in every
        if np.dot(tried, sizes) <= capacity
    )


@given(curves=curves_of_models, sizes=sizes_of_models, capacity=st.integers(0, 60))
def test_counts_of_models_are_the_best_of_all_counts(curves, sizes, capacity):
    sizes = sizes[: len(curves)]
    best = model_knapsack(curves, sizes, capacity)
    assert np.dot(best.counts, sizes) <= capacity
    assert best.saving_s == sum(curve[count] for curve, count in zip(curves, best.counts, strict=True))
    assert best.bound_s == best.saving_s == best_of_all_counts(curves, sizes, capacity)


@pytest.mark.parametrize("epsilon", [0.01, 0.5])
@given(curves=curves_of_models, sizes=sizes_of_models, capacity=st.integers(0, 60))
def test_leaving_pairs_out_costs_at_most_epsilon_and_the_bound_holds(epsilon, curves, sizes, capacity):
    sizes = sizes[: len(curves)]
    optimum = best_of_all_counts(curves, sizes, capacity)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_counts, "MAX_PAIRS", 0)
        patch.setattr(model_counts, "EPSILON", epsilon)
        best = model_knapsack(curves, sizes, capacity)
    assert np.dot(best.counts, sizes) <= capacity
    assert best.saving_s == sum(curve[count] for curve, count in zip(curves, best.counts, strict=True))
    assert (1 - epsilon) * optimum - 1e-9 <= best.saving_s <= optimum + 1e-9
    assert optimum - 1e-9 <= best.bound_s <= (1 + epsilon) * optimum + 1e-9


def test_large_models_of_sizes_without_a_common_divisor_keep_few_pairs():
    """Nine million pairs of the first two models alone, from curves as experts' savings make them."""
    rng = np.random.default_rng(0)
    curves = [np.cumsum([0, *np.sort(rng.exponential(size=n) ** 2)[::-1]]) for n in (3000, 4000, 5000)]
    sizes = [1_000_003, 999_983, 700_001]
    capacity = 3_000_000_000
    best = model_knapsack(curves, sizes, capacity)
    assert np.dot(best.counts, sizes) <= capacity
    assert best.saving_s < best.bound_s <= best.saving_s / (1 - model_counts.EPSILON)
    # Concave curves: taking experts by saving per byte comes within one expert of the optimum.
    slopes = np.concatenate([np.diff(curve) for curve in curves])
    bytes_each = np.repeat(sizes, [len(curve) - 1 for curve in curves])
    order = np.argsort(-slopes / bytes_each)
    room = np.cumsum(bytes_each[order]) <= capacity
    relaxed = slopes[order][room].sum() + slopes[order][~room][0]
    assert best.saving_s >= (1 - model_counts.EPSILON) * (relaxed - slopes[order][~room][0])
    assert best.bound_s >= slopes[order][room].sum()


def test_counts_use_the_last_byte():
    """Sizes that share no divisor: 3 * 1_000_003 + 2 * 999_983 fits exactly, one byte less does not."""
    curves, sizes = [np.arange(6.0), np.arange(6.0) * 1.1], [1_000_003, 999_983]
    exact = 3 * sizes[0] + 2 * sizes[1]
    steep = [np.array([0.0, 1, 2, 30]), np.array([0.0, 1, 20])]
    assert model_knapsack(steep, sizes, exact).counts == [3, 2]
    assert model_knapsack(steep, sizes, exact - 1).counts != [3, 2]
    assert model_knapsack(curves, sizes, 5 * sizes[1]).counts == [0, 5]
