"""One subproblem under many weights: the same answers as once, and what forcing an expert costs."""

import itertools

import numpy as np
import pytest
from oracles import random_instance

from slimbench.formulations import SolverError
from slimbench.formulations.coupling import coupling
from slimbench.formulations.milp import ALWAYS, NEVER
from slimbench.formulations.repeated import repeated_subproblem
from slimbench.formulations.subproblem import best_cache


def random_weights(rng, terms):
    return np.where(rng.random(len(terms.weights)) < 0.3, 0.0, rng.random(len(terms.weights)))


@pytest.mark.parametrize("exact_experts", [16, 1], ids=["enumerated", "split"])
@pytest.mark.parametrize("models", [1, 2])
def test_it_is_the_subproblem(models, exact_experts):
    instance = random_instance(
        3, dispatch="single", models=models, equal_sizes=models == 1, layers=2, top_k=3, groups=4
    )
    terms = coupling(instance).blocks[0].terms
    subproblem = repeated_subproblem(instance, terms, exact_experts)
    rng = np.random.default_rng(0)
    for _ in range(20):
        weights = random_weights(rng, terms)
        capacity = int(rng.integers(0, instance.expert_bytes.sum() + 1))
        given = type(terms)(weights, terms.offsets, terms.members, terms.layer_offsets)
        cache, exact = subproblem.best(weights, capacity), best_cache(instance, given, capacity, 20)
        assert instance.expert_bytes[cache.cached].sum() <= capacity
        assert cache.saving_s == pytest.approx(given.value(cache.cached), rel=1e-12, abs=1e-15)
        assert cache.saving_s <= exact.saving_s * (1 + 1e-12)
        assert cache.bound_s >= exact.saving_s * (1 - 1e-12)
        if exact_experts == 16:
            assert cache.saving_s == pytest.approx(exact.saving_s, rel=1e-12, abs=1e-15)


def caches_within(instance, capacity):
    for chosen in itertools.product([False, True], repeat=instance.n_experts):
        cached = np.array(chosen)
        if instance.expert_bytes[cached].sum() <= capacity:
            yield cached


def priced(instance, rng):
    """A union block's terms: groups of fixed weight, and prices on single experts."""
    terms = coupling(instance).blocks[-1].terms
    single = np.diff(terms.offsets) == 1
    return terms, np.where(single, -0.3 * rng.random(len(single)) * terms.weights.max(), terms.weights)


@pytest.mark.parametrize("exact_experts", [16, 1], ids=["enumerated", "split"])
def test_experts_may_cost_something(exact_experts):
    instance = random_instance(5, dispatch="parallel", servers=2, experts=7, top_k=3, groups=5)
    rng = np.random.default_rng(0)
    for _ in range(8):
        terms, weights = priced(instance, rng)
        subproblem = repeated_subproblem(instance, terms, exact_experts, singles_vary=True)
        given = type(terms)(weights, terms.offsets, terms.members, terms.layer_offsets)
        for capacity in range(instance.n_experts + 1):
            cache = subproblem.best(weights, capacity)
            best = max(given.value(cached) for cached in caches_within(instance, capacity))
            assert cache.saving_s == pytest.approx(given.value(cache.cached), rel=1e-9, abs=1e-12)
            assert cache.saving_s <= best + 1e-12 <= cache.bound_s + 2e-12
            if exact_experts == 16:
                assert cache.saving_s == pytest.approx(best, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("top_k", [2, 1], ids=["pairs", "single-experts"])
def test_forced_values_are_those_of_trying_every_cache(top_k):
    instance = random_instance(4, dispatch="single", servers=2, layers=2, experts=4, top_k=top_k, groups=4)
    terms = coupling(instance).blocks[0].terms
    subproblem = repeated_subproblem(instance, terms, 16)
    named = np.unique(terms.members)
    rng = np.random.default_rng(0)
    for trial in range(10):
        weights = random_weights(rng, terms)
        given = type(terms)(weights, terms.offsets, terms.members, terms.layer_offsets)
        status = np.where(rng.random(instance.n_experts) < 0.2 * (trial > 3), ALWAYS, 0)
        status[rng.random(instance.n_experts) < 0.2 * (trial > 3)] = NEVER
        status[np.setdiff1d(np.arange(instance.n_experts), named)] = 0
        capacity = int(rng.integers((status == ALWAYS).sum(), instance.n_experts + 1))
        allowed = [
            (given.value(cached), cached)
            for cached in caches_within(instance, capacity)
            if cached[status == ALWAYS].all() and not cached[status == NEVER].any()
        ]
        assert subproblem.best(weights, capacity, status).saving_s == pytest.approx(
            max(value for value, _ in allowed), rel=1e-12, abs=1e-15
        )
        inside, outside = subproblem.forced(weights, capacity, status)
        for e in named:
            for forced, wanted in ((inside, True), (outside, False)):
                best = max((value for value, cached in allowed if cached[e] == wanted), default=-np.inf)
                assert forced[e] == pytest.approx(best, rel=1e-12, abs=1e-15)


def test_no_cache_where_more_is_forced_in_than_fits():
    instance = random_instance(4, dispatch="single", top_k=2)
    terms = coupling(instance).blocks[0].terms
    status = np.full(instance.n_experts, ALWAYS)
    assert repeated_subproblem(instance, terms, 16).best(terms.weights, 1, status) is None


def test_split_layers_cannot_be_forced_and_say_so():
    instance = random_instance(4, dispatch="single", top_k=2)
    terms = coupling(instance).blocks[0].terms
    subproblem = repeated_subproblem(instance, terms, 1)
    assert not subproblem.can_force
    assert subproblem.forced(terms.weights, 3, np.zeros(instance.n_experts, np.int64)) is None
    with pytest.raises(SolverError, match="layers are split"):
        subproblem.best(terms.weights, 3, np.zeros(instance.n_experts, np.int64))
