"""One server's best cache against every subset and against a MILP of the subproblem."""

import itertools

import numpy as np
import pytest
from random_terms import best_in_bytes, closure_lp, named, plain_value, server_terms
from samples import random_instance, with_fields

from slimbench.formulations.single_server import model_knapsack as model_counts
from slimbench.formulations.single_server.solve import best_cache
from slimbench.formulations.tolerances import MAX_EXACT_EXPERTS
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
    for plain in (False, True):
        cache = best_cache(instance, terms, capacity, MAX_EXACT_EXPERTS, plain)
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


def test_where_pairs_of_models_are_left_out_the_bound_says_so(monkeypatch):
    instance = several_models(5, "single", (1_000_003, 999_983, 700_001), layers=2)
    terms = server_terms(instance, seed=5)
    capacity = int(0.5 * instance.expert_bytes.sum())
    optimum = best_cache(instance, terms, capacity, MAX_EXACT_EXPERTS).saving_s
    monkeypatch.setattr(model_counts, "MAX_PAIRS", 1)
    cache = best_cache(instance, terms, capacity, MAX_EXACT_EXPERTS)
    assert_honest(instance, terms, capacity, cache)
    assert cache.saving_s >= (1 - model_counts.EPSILON) * optimum
    assert optimum < cache.bound_s <= (1 + model_counts.EPSILON) * optimum
