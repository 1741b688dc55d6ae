"""Moves that pay: against every placement, and within budgets."""

import itertools
from functools import partial

import numpy as np
import pytest
from samples import build
from sequences import feasible_placements, one_server, random_sequence

from slimbench.formulations.heuristics.decomposition import sweep_servers
from slimbench.formulations.heuristics.reconfiguration import best_moves, moves_within, with_room_filled
from slimbench.formulations.single_server.solve import best_cache
from slimbench.instances import DISPATCHES, Model, Placement, evaluate
from slimbench.instances.sequences.sequence import fetch_prices_s, still_held

TOKENS = 50.0


def never():
    return False


def situation(seed, dispatch):
    """A period, what is held when it begins, what may be a target, and the prices."""
    sequence = random_sequence(seed, dispatch, 2)
    instance = sequence.periods[1]
    places = feasible_placements(instance)
    rng = np.random.default_rng(seed)
    held = still_held(instance.capacities_bytes, places[rng.integers(len(places))].holds)
    prices = fetch_prices_s(
        held, instance.expert_bytes, sequence.cloud_s_per_byte, sequence.neighbour_s_per_byte
    )
    target = max(places, key=lambda p: evaluate(instance, p).saving_s)
    return instance, places, held, target, prices


def net_s(instance, placement, prices):
    return TOKENS * evaluate(instance, placement).saving_s - float((prices * placement.holds).sum())


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("seed", range(6))
def test_no_single_server_can_do_better_than_where_a_sweep_ends(dispatch, seed):
    instance, places, _, target, prices = situation(seed, dispatch)
    fill = partial(best_cache, max_exact_experts=16)
    end = sweep_servers(instance, target, fill, lambda _: None, never, prices=prices / TOKENS)
    assert net_s(instance, end, prices) >= net_s(instance, target, prices) - 1e-12
    for other in places:
        if (other.holds == end.holds).all(axis=1).any():  # one server differs at most
            assert net_s(instance, other, prices) <= net_s(instance, end, prices) + 1e-12


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("seed", range(6))
def test_moves_are_feasible_and_no_worse_than_staying_or_replanning(dispatch, seed):
    instance, places, held, target, prices = situation(seed, dispatch)
    moved = best_moves(instance, held, [target], prices, TOKENS, never)
    assert moved.violation(instance) is None
    stays = Placement(with_room_filled(instance, np.zeros_like(held), held))
    for other in (stays, target):
        assert net_s(instance, moved, prices) >= net_s(instance, other, prices) - 1e-12
    assert net_s(instance, moved, prices) <= max(net_s(instance, p, prices) for p in places) + 1e-12


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("budget", [0, 1, 2, 4])
def test_no_more_than_the_budget_moves(dispatch, budget):
    for seed in range(4):
        instance, _, held, target, prices = situation(seed, dispatch)
        moved = moves_within(instance, held, [target], prices, TOKENS, budget, never)
        assert moved.violation(instance) is None
        assert int(((moved.holds & ~held) @ instance.expert_bytes).sum()) <= budget
        stays = Placement(with_room_filled(instance, np.zeros_like(held), held))
        assert net_s(instance, moved, prices) >= net_s(instance, stays, prices) - 1e-12


def test_a_large_budget_binds_nobody():
    instance, _, held, target, prices = situation(2, "single")
    assert moves_within(instance, held, [target], prices, TOKENS, 1e9, never) == best_moves(
        instance, held, [target], prices, TOKENS, never
    )


@pytest.mark.parametrize(("price", "moves"), [(1.9, True), (2.1, False)])
def test_a_move_is_made_where_it_pays(price, moves):
    """100 tokens save 0.04 s each call of rate 0.6 instead of 0.4: 100 * (0.06 - 0.04) = 2 s."""
    instance, held = one_server((0.4, 0.6)), np.array([[True, False]])
    prices = fetch_prices_s(held, instance.expert_bytes, price, price)
    moved = best_moves(instance, held, [], prices, 100.0, never)
    assert moved.holds.tolist() == [[not moves, moves]]


def test_what_is_held_and_has_room_stays():
    instance, held = one_server((0.0, 1.0), capacity=2), np.array([[True, False]])
    prices = fetch_prices_s(held, instance.expert_bytes, 1.0, 1.0)
    assert best_moves(instance, held, [], prices, 100.0, never).holds.all()


def test_a_server_that_has_shrunk_keeps_what_fits():
    instance, held = one_server((0.5, 0.5), capacity=1), np.array([[True, True]])
    assert with_room_filled(instance, np.zeros_like(held), held).tolist() == [[True, False]]


def four_identical_servers(seed):
    """Room for one of four experts each, which 100 users call in other orders with the same rates."""
    rng = np.random.default_rng(seed)
    rates = rng.random(100)
    calls = [(u, 0, 0, (e,), rate) for e in range(4) for u, rate in enumerate(rng.permutation(rates))]
    return build(
        dispatch="single",
        capacities=(1, 1, 1, 1),
        models=[Model("toy", layers=1, experts_per_layer=4, top_k=1, expert_bytes=1)],
        edge=np.full((100, 4, 1), 0.01),
        cloud=np.full((100, 1), 0.1),
        activations=calls,
    )


class EndlessError(Exception):
    pass


@pytest.mark.parametrize("seed", range(20))
def test_a_budget_of_nothing_ends_though_prices_cancel_what_moves_save(seed):
    """The price of a byte is bisected to where what a server holds is worth as much as it costs."""
    instance, asked = four_identical_servers(seed), itertools.count()

    def expired():
        if next(asked) > 2000:
            raise EndlessError
        return False

    held = np.zeros((4, 4), np.bool_)
    prices = fetch_prices_s(held, instance.expert_bytes, 1e-3, 1e-3)
    assert not moves_within(instance, held, [], prices, TOKENS, 0.0, expired).holds.any()
