"""One server's best cache against every subset and against a MILP of the subproblem."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_terms import best_in_bytes, closure_lp, named, plain_value, server_terms
from samples import random_instance, with_fields

from slimbench.formulations.max_plus import max_plus, max_plus_plain
from slimbench.formulations.profiles import MAX_EXACT_EXPERTS
from slimbench.formulations.subproblem import best_cache, best_counts
from slimbench.instances import DISPATCHES, Model

SHARES = [0.15, 0.4, 0.7]  # of the bytes of all experts


def several_models(seed, dispatch, sizes, layers=1, experts=4, top_k=2, **options):
    """A random instance whose models have the given bytes an expert."""
    instance = random_instance(
        seed, dispatch=dispatch, models=len(sizes), layers=layers, experts=experts, top_k=top_k, **options
    )
    models = [Model(f"m{m}", layers, experts, top_k, size) for m, size in enumerate(sizes)]
    return with_fields(instance, models=models)


CASES = [
    pytest.param(several_models(seed, dispatch, sizes), id=f"{dispatch}-{'-'.join(map(str, sizes))}")
    for seed, (dispatch, sizes) in enumerate(
        itertools.product(DISPATCHES, [(1,), (3, 7), (5, 2), (1_000_003, 999_983), (4, 6, 9)])
    )
]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("instance", CASES)
def test_exact_cache_is_the_best_of_every_subset(instance, share):
    terms = server_terms(instance, seed=1)
    capacity = int(share * instance.expert_bytes.sum())
    expected = best_in_bytes(terms, instance.expert_bytes, capacity)
    for join in (max_plus, max_plus_plain):
        cache = best_cache(instance, terms, capacity, MAX_EXACT_EXPERTS, join)
        assert cache.saving_s == pytest.approx(expected, rel=1e-12)
        assert cache.bound_s == cache.saving_s
        assert_honest(instance, terms, capacity, cache)


def assert_honest(instance, terms, capacity, cache):
    """It fits in integer bytes, saves what it says, and holds only experts that a term names."""
    assert int(instance.expert_bytes[cache.cached].sum()) <= capacity
    chosen = set(np.flatnonzero(cache.cached).tolist())
    assert plain_value(terms, chosen) >= cache.saving_s * (1 - 1e-12)
    assert chosen <= set(named(terms))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dispatch", ["single", "parallel"])
@pytest.mark.parametrize("sizes", [(5, 3), (7, 4, 10)])
def test_exact_cache_is_the_optimum_of_the_subproblems_milp(dispatch, sizes, seed):
    instance = several_models(
        seed, dispatch, sizes, layers=2, experts=9, top_k=3, groups=8, skew=0.5, on_device=0.2
    )
    terms = server_terms(instance, seed)
    capacity = int(0.35 * instance.expert_bytes.sum())
    cache = best_cache(instance, terms, capacity, MAX_EXACT_EXPERTS)
    optimum = closure_lp(terms, instance.expert_bytes, capacity, integer=True)
    assert cache.saving_s == pytest.approx(optimum, rel=1e-7)
    assert_honest(instance, terms, capacity, cache)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dispatch", ["single", "parallel"])
@pytest.mark.parametrize("share", SHARES)
def test_split_cache_brackets_the_optimum(dispatch, share, seed):
    instance = several_models(seed, dispatch, (5, 3), layers=2, experts=8, top_k=3, groups=6)
    terms = server_terms(instance, seed)
    capacity = int(share * instance.expert_bytes.sum())
    optimum = best_cache(instance, terms, capacity, MAX_EXACT_EXPERTS).saving_s
    cache = best_cache(instance, terms, capacity, max_exact_experts=0)
    assert 0 < cache.saving_s <= optimum * (1 + 1e-12)
    assert cache.bound_s >= optimum * (1 - 1e-12)
    assert_honest(instance, terms, capacity, cache)


@pytest.mark.parametrize("max_exact_experts", [0, MAX_EXACT_EXPERTS])
@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_without_room_nothing_is_cached_and_with_room_for_all_everything_useful_is(
    dispatch, max_exact_experts
):
    instance = several_models(3, dispatch, (2, 5), layers=2, experts=5, top_k=3)
    terms = server_terms(instance, seed=3)
    nothing = best_cache(instance, terms, 0, max_exact_experts)
    assert not nothing.cached.any()
    assert nothing.saving_s == nothing.bound_s == 0
    room = int(instance.expert_bytes.sum())
    for capacity in (room, 10**15):
        everything = best_cache(instance, terms, capacity, max_exact_experts)
        assert everything.saving_s == pytest.approx(terms.weights.sum(), rel=1e-12)
        assert everything.bound_s == pytest.approx(everything.saving_s, rel=1e-12)
        assert np.flatnonzero(everything.cached).tolist() == named(terms)


def test_a_server_without_terms_caches_nothing():
    instance = random_instance(0)
    far = with_fields(instance, edge_latency_s=np.full(instance.edge_latency_s.shape, np.inf))
    cache = best_cache(far, server_terms(far, 0), 100, MAX_EXACT_EXPERTS)
    assert not cache.cached.any()
    assert cache.bound_s == 0


curves = st.lists(
    st.lists(st.integers(0, 9), max_size=5).map(lambda steps: np.cumsum([0, *steps]).astype(np.float64)),
    min_size=1,
    max_size=3,
)


@given(curves=curves, sizes=st.lists(st.integers(1, 7), min_size=3, max_size=3), capacity=st.integers(0, 40))
def test_counts_of_models_are_the_best_of_all_counts(curves, sizes, capacity):
    sizes = sizes[: len(curves)]
    counts = best_counts(curves, sizes, capacity)
    assert np.dot(counts, sizes) <= capacity
    value = sum(curve[count] for curve, count in zip(curves, counts, strict=True))
    every = itertools.product(*(range(len(curve)) for curve in curves))
    assert value == max(
        sum(curve[count] for curve, count in zip(curves, tried, strict=True))
        for tried in every
        if np.dot(tried, sizes) <= capacity
    )


def test_counts_use_the_last_byte():
    """Sizes that share no divisor: 3 * 1_000_003 + 2 * 999_983 fits exactly, one byte less does not."""
    curves, sizes = [np.arange(6.0), np.arange(6.0) * 1.1], [1_000_003, 999_983]
    exact = 3 * sizes[0] + 2 * sizes[1]
    steep = [np.array([0.0, 1, 2, 30]), np.array([0.0, 1, 20])]
    assert best_counts(steep, sizes, exact) == [3, 2]
    assert best_counts(steep, sizes, exact - 1) != [3, 2]
    assert best_counts(curves, sizes, 5 * sizes[1]) == [0, 5]
