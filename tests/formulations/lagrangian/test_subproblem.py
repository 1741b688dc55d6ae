"""A subproblem under many multipliers: the same answers as solved once, and what forcing an expert costs."""

import itertools

import numpy as np
import pytest
from samples import random_instance

from slimbench.formulations.lagrangian.relaxation import Subproblem, relaxation
from slimbench.formulations.lagrangian.subproblem import SubproblemSolver
from slimbench.formulations.single_server.solve import best_cache
from slimbench.formulations.status import ALWAYS, NEVER


class Rowed:
    """A subproblem in which every term has a row of its own, so that multipliers are changes of weights."""

    def __init__(self, instance, terms, exact_experts=16, **options):
        self.instance, self.terms, self.exact_experts, self.options = instance, terms, exact_experts, options

    def solver(self, capacity, sign=1):
        rows = np.arange(len(self.terms.weights))
        subproblem = Subproblem(capacity, self.terms, rows, rows, float(sign))
        return SubproblemSolver(self.instance, subproblem, self.exact_experts, **self.options)

    def best(self, weights, capacity, status=None, sign=1):
        """Return the bound, the cache and the subgradient under these weights of the terms."""
        subgradient, cached = np.zeros(len(weights)), np.zeros(self.instance.n_experts, bool)
        status = np.zeros(len(cached), np.int64) if status is None else status
        multipliers = sign * (weights - self.terms.weights)
        return self.solver(capacity, sign).best(multipliers, status, subgradient, cached), cached, subgradient

    def forced(self, weights, capacity, status):
        return self.solver(capacity).forced(weights - self.terms.weights, status)


def weighted(terms, weights):
    return type(terms)(weights, terms.offsets, terms.members, terms.layer_offsets)


def random_weights(rng, terms):
    return np.where(rng.random(len(terms.weights)) < 0.3, 0.0, rng.random(len(terms.weights)))


@pytest.mark.parametrize("exact_experts", [16, 1], ids=["enumerated", "split"])
@pytest.mark.parametrize("models", [1, 2])
def test_it_is_the_subproblem(models, exact_experts):
    instance = random_instance(
        3, dispatch="single", models=models, equal_sizes=models == 1, layers=2, top_k=3, groups=4
    )
    terms = relaxation(instance).subproblems[0].terms
    rowed = Rowed(instance, terms, exact_experts)
    rng = np.random.default_rng(0)
    for sign in [1, -1] * 10:
        weights = random_weights(rng, terms)
        capacity = int(rng.integers(0, instance.expert_bytes.sum() + 1))
        bound, cached, subgradient = rowed.best(weights, capacity, sign=sign)
        given = weighted(terms, weights)
        exact = best_cache(instance, given, capacity, 20).saving_s
        assert instance.expert_bytes[cached].sum() <= capacity
        assert given.value(cached) <= exact * (1 + 1e-12)
        assert bound >= exact * (1 - 1e-12)
        assert np.all((sign * subgradient >= 0) & (sign * subgradient <= 1))
        if exact_experts == 16:
            assert (bound, given.value(cached)) == pytest.approx((exact, exact), rel=1e-12, abs=1e-15)
            complete = [cached[terms.members[a:b]].all() for a, b in itertools.pairwise(terms.offsets)]
            assert subgradient.tolist() == [sign * c for c in complete]


def caches_within(instance, capacity):
    for chosen in itertools.product([False, True], repeat=instance.n_experts):
        cached = np.array(chosen)
        if instance.expert_bytes[cached].sum() <= capacity:
            yield cached


def union_terms(instance, rng):
    """A union's terms: groups of fixed weight, and multipliers on single experts."""
    terms = relaxation(instance).subproblems[-1].terms
    single = np.diff(terms.offsets) == 1
    return terms, np.where(single, -0.3 * rng.random(len(single)) * terms.weights.max(), terms.weights)


@pytest.mark.parametrize("exact_experts", [16, 1], ids=["enumerated", "split"])
def test_experts_may_cost_something(exact_experts):
    instance = random_instance(5, dispatch="parallel", servers=2, experts=7, top_k=3, groups=5)
    rng = np.random.default_rng(0)
    for _ in range(8):
        terms, weights = union_terms(instance, rng)
        rowed = Rowed(instance, terms, exact_experts, groups_vary=False)
        given = weighted(terms, weights)
        for capacity in range(instance.n_experts + 1):
            bound, cached, _ = rowed.best(weights, capacity)
            best = max(given.value(cached) for cached in caches_within(instance, capacity))
            assert given.value(cached) <= best + 1e-12 <= bound + 2e-12
            if exact_experts == 16:
                assert (bound, given.value(cached)) == pytest.approx((best, best), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("top_k", [2, 1], ids=["pairs", "single-experts"])
def test_forced_values_are_those_of_trying_every_cache(top_k):
    instance = random_instance(4, dispatch="single", servers=2, layers=2, experts=4, top_k=top_k, groups=4)
    terms = relaxation(instance).subproblems[0].terms
    rowed = Rowed(instance, terms)
    named = np.unique(terms.members)
    rng = np.random.default_rng(0)
    for trial in range(10):
        weights = random_weights(rng, terms)
        given = weighted(terms, weights)
        status = np.where(rng.random(instance.n_experts) < 0.2 * (trial > 3), ALWAYS, 0)
        status[rng.random(instance.n_experts) < 0.2 * (trial > 3)] = NEVER
        status[np.setdiff1d(np.arange(instance.n_experts), named)] = 0
        capacity = int(rng.integers((status == ALWAYS).sum(), instance.n_experts + 1))
        allowed = [
            (given.value(cached), cached)
            for cached in caches_within(instance, capacity)
            if cached[status == ALWAYS].all() and not cached[status == NEVER].any()
        ]
        assert rowed.best(weights, capacity, status)[0] == pytest.approx(
            max(value for value, _ in allowed), rel=1e-12, abs=1e-15
        )
        least, inside, outside = rowed.forced(weights, capacity, status)
        assert least == pytest.approx(max(value for value, _ in allowed), rel=1e-12, abs=1e-15)
        for e in named:
            for forced, wanted in ((inside, True), (outside, False)):
                best = max((value for value, cached in allowed if cached[e] == wanted), default=-np.inf)
                assert forced[e] == pytest.approx(best, rel=1e-12, abs=1e-15)


def test_no_cache_where_more_is_forced_in_than_fits():
    instance = random_instance(4, dispatch="single", top_k=2)
    terms = relaxation(instance).subproblems[0].terms
    status = np.full(instance.n_experts, ALWAYS)
    bound, cached, subgradient = Rowed(instance, terms).best(terms.weights, 1, status)
    assert bound == -np.inf
    assert not cached.any()
    assert not subgradient.any()


def test_split_layers_bound_what_is_forced_in_but_not_each_expert():
    instance = random_instance(4, dispatch="single", servers=2, layers=2, experts=4, top_k=2, groups=4)
    terms = relaxation(instance).subproblems[0].terms
    rowed = Rowed(instance, terms, 1)
    status = np.zeros(instance.n_experts, np.int64)
    status[terms.members[0]], status[terms.members[-1]] = ALWAYS, NEVER
    bound, cached, _ = rowed.best(terms.weights, 3, status)
    assert cached[terms.members[0]]
    assert not cached[terms.members[-1]]
    given = [c for c in caches_within(instance, 3) if c[terms.members[0]] and not c[terms.members[-1]]]
    assert bound >= max(terms.value(c) for c in given) * (1 - 1e-12)
    assert not rowed.solver(3).can_force
    assert rowed.forced(terms.weights, 3, status) is None


def test_wide_and_narrow_layers_are_bounded_together():
    instance = random_instance(7, dispatch="single", servers=2, layers=3, experts=5, top_k=2, groups=4)
    terms = relaxation(instance).subproblems[0].terms
    widths = [len(np.unique(terms.of_layer(b).members)) for b in range(3)]
    assert min(widths) < max(widths)
    rng = np.random.default_rng(0)
    for capacity in range(1, 8):
        weights = random_weights(rng, terms)
        bound, cached, _ = Rowed(instance, terms, min(widths)).best(weights, capacity)
        exact, _, _ = Rowed(instance, terms).best(weights, capacity)
        assert cached.sum() <= capacity
        assert weighted(terms, weights).value(cached) <= exact + 1e-12 <= bound + 2e-12


def test_a_split_goes_on_from_the_last_multipliers_and_gets_tighter():
    instance = random_instance(7, dispatch="single", servers=2, layers=1, experts=8, top_k=3, groups=12)
    terms = relaxation(instance).subproblems[0].terms
    solver, rng = Rowed(instance, terms, 1).solver(4), np.random.default_rng(0)
    status, cached = np.zeros(8, np.int64), np.zeros(8, bool)

    def bound(multipliers):
        return solver.best(multipliers, status, np.zeros(len(multipliers)), cached)

    for _ in range(20):
        multipliers = -0.5 * rng.random(len(terms.weights)) * terms.weights
        warm = [bound(multipliers) for _ in range(40)]
        cold, _, _ = Rowed(instance, terms, 1).best(terms.weights + multipliers, 4)
        assert warm[-1] <= warm[0] * (1 + 1e-9)
        assert warm[-1] == pytest.approx(cold, rel=1e-3)
