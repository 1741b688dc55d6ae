"""The search that joins bounds and placements: what it takes, when it calls an optimum proven."""

import math
from functools import partial

import numpy as np
import pytest
from oracles import brute_force, plain_saving
from samples import random_instance, with_fields

from slimbench.formulations.heuristics.neighbourhoods import neighbours
from slimbench.formulations.heuristics.pairs import PairMoves
from slimbench.formulations.heuristics.primal_dual import PrimalDualSearch, rounded
from slimbench.formulations.single_server.solve import best_cache
from slimbench.instances import DISPATCHES, Placement


def search_of(instance, *, expired=lambda: False, report=lambda placement, bound: None):
    return PrimalDualSearch(instance, exact_experts=16, expired=expired, report=report)


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_the_optimum_is_between_its_two_ends(dispatch):
    for seed in range(5):
        instance = random_instance(seed, dispatch=dispatch, top_k=2, groups=4, on_device=0.3)
        optimum, _ = brute_force(instance)
        search = search_of(instance)
        search.fill()
        search.run_subgradient(300, first_rounding=50)
        assert plain_saving(instance, search.placement) == pytest.approx(search.saving_s, rel=1e-12)
        assert search.saving_s <= optimum * (1 + 1e-12) <= search.bound_s * (1 + 2e-12)


def test_what_does_not_fit_or_saves_less_is_not_taken():
    instance = random_instance(1, dispatch="single", top_k=2)
    told = []
    search = search_of(instance, report=lambda placement, bound: told.append((placement, bound)))
    search.update_incumbent(Placement(np.ones((instance.n_servers, instance.n_experts), np.bool_)))
    assert (search.saving_s, told) == (0.0, [])
    _, best = brute_force(instance)
    search.update_incumbent(best)
    search.update_incumbent(Placement.empty(instance))
    assert search.placement == best
    search.update_bound(2.0)
    search.update_bound(3.0)
    assert told == [(best, None), (None, 2.0)]


def test_nothing_is_proven_before_the_bound_comes_down():
    instance = random_instance(1, dispatch="single", top_k=2)
    optimum, best = brute_force(instance)
    search = search_of(instance)
    assert not search.proven
    search.update_incumbent(best)
    search.update_bound(optimum * 1.001)
    assert not search.proven
    search.prove_optimal()
    assert search.proven
    assert search.bound_s == pytest.approx(optimum, rel=1e-6)


def test_nobody_looks_around_a_proven_optimum():
    instance = random_instance(1, dispatch="single", top_k=2)
    optimum, best = brute_force(instance)
    search = search_of(instance)
    assert search.run_neighbourhoods(search.neighbours(np.random.default_rng(0)), patience=3) >= 3
    search.update_incumbent(best)
    search.update_bound(optimum)
    assert search.run_neighbourhoods(search.neighbours(np.random.default_rng(0)), patience=3) == 0


def test_while_nothing_is_saved_any_saving_is_wanted():
    instance = random_instance(1, dispatch="single", top_k=2)
    optimum, _ = brute_force(instance)
    search = search_of(instance)
    assert 0 < search.cutoff_s() < optimum
    silent = search_of(with_fields(instance, rates=np.zeros(instance.n_activations)))
    assert silent.cutoff_s() == math.inf


def test_out_of_time_the_first_prices_bound_the_optimum():
    instance = random_instance(1, dispatch="single", top_k=2)
    search = search_of(instance, expired=lambda: True)
    search.fill()
    search.run_subgradient(10, first_rounding=5)
    assert brute_force(instance)[0] <= search.bound_s < math.inf
    assert search.placement.violation(instance) is None


def test_shares_are_rounded_by_bytes_and_fit():
    instance = random_instance(4, dispatch="single", models=2, equal_sizes=False, experts=3, servers=2)
    shares = np.random.default_rng(0).random((2, instance.n_experts))
    placement = rounded(instance, shares)
    assert placement.violation(instance) is None
    for n in range(2):
        left = instance.capacities_bytes[n] - instance.expert_bytes[placement.holds[n]].sum()
        assert np.all(instance.expert_bytes[~placement.holds[n]] > left)
    assert not rounded(instance, np.zeros_like(shares)).holds.any()


@pytest.mark.parametrize(("experts", "groups", "layers"), [(4, 6, 8), (17, 30, 4)], ids=["pairs", "servers"])
def test_neighbourhoods_are_feasible_repeat_themselves_and_get_out_of_local_optima(experts, groups, layers):
    instance = random_instance(
        6, dispatch="parallel", servers=4, users=10, layers=layers, experts=experts, groups=groups,
        capacity=0.2,
    )  # fmt: skip
    moves = PairMoves(instance)
    assert bool(moves.pairs) == (experts == 4)
    fill = partial(best_cache, max_exact_experts=16)
    start = Placement.empty(instance)

    def walk():
        near = neighbours(moves, start, fill, np.random.default_rng(5), lambda: False)
        return [next(near) for _ in range(40 if experts == 4 else 12)]

    first = walk()
    assert walk() == first
    assert all(placement.violation(instance) is None for placement in first)
    savings = [plain_saving(instance, placement) for placement in first]
    assert max(savings) > savings[0]
