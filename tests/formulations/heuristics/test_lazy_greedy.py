"""The lazy greedy of facility location against trying every element at every step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import plain_saving
from samples import random_instance
from strategies import instances

from slimbench.formulations.heuristics import lazy_greedy
from slimbench.formulations.heuristics.lazy_greedy import LazyGreedy
from slimbench.formulations.terms.facility_location import (
    FacilityLocation,
    consecutive_runs,
    facility_location,
    first_bounds,
    marginal_saving,
)
from slimbench.instances import Placement


def never():
    return False


def naive(calls, sizes, rooms, room_of, prices, seed=()):
    """Recompute all savings after every pick; the first of the best, in order of (server, expert)."""
    n_servers, n_experts = calls.edge_s.shape[1], len(calls.models)
    holds = np.zeros((n_servers, n_experts), np.bool_)
    rooms, now_s = rooms.copy(), calls.cloud_s.copy()

    def edge_s(n, e):
        return calls.edge_s[calls.models[e], n, calls.users[calls.offsets[e] : calls.offsets[e + 1]]]

    def hold(n, e):
        holds[n, e] = True
        rooms[room_of[n]] -= sizes[e]
        mine = slice(calls.offsets[e], calls.offsets[e + 1])
        now_s[mine] = np.minimum(now_s[mine], edge_s(n, e))

    for n, e in seed:
        hold(n, e)
    while True:
        best, best_key = None, 0.0
        for n, e in np.ndindex(holds.shape):
            mine = slice(calls.offsets[e], calls.offsets[e + 1])
            faster_s = np.maximum(now_s[mine] - edge_s(n, e), 0)
            saving = np.cumsum(calls.rates[mine] * faster_s)[-1:].sum()  # one after another, as cumsum does
            key = float(saving) / prices[e]
            if not holds[n, e] and sizes[e] <= rooms[room_of[n]] and key > best_key:
                best, best_key = (n, e), key
        if best is None:
            return holds
        hold(*best)


def drawn_calls(rng, servers, users, experts, values):
    """Whole-numbered savings of few values, so that sums are exact and ties many; some experts uncalled."""
    calls = rng.random((experts, users)) < 0.6
    calls[rng.random(experts) < 0.2] = False
    expert, user = np.nonzero(calls)
    edge_s = rng.integers(0, values + 3, (1, servers, users)).astype(float)
    edge_s[edge_s == values + 2] = np.inf
    offsets, users = np.searchsorted(expert, np.arange(experts + 1)), user.astype(np.int32)
    return FacilityLocation(
        offsets=offsets,
        users=users,
        rates=rng.integers(0, 3, len(user)).astype(float),
        cloud_s=np.full(len(user), float(values)),
        edge_s=edge_s,
        models=np.zeros(experts, np.int32),
        consecutive=consecutive_runs(offsets, users),
    )


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("values", [1, 2, 50])
@pytest.mark.parametrize(
    ("servers", "users", "experts"), [(1, 1, 1), (2, 5, 6), (5, 8, 3), (9, 20, 1), (3, 70, 12)]
)
def test_lazy_greedy_is_naive_greedy_to_the_last_tie(servers, users, experts, values, shared):
    for number in range(8):
        rng = np.random.default_rng(number)
        calls = drawn_calls(rng, servers, users, experts, values)
        sizes = 2 ** rng.integers(0, 3, experts)
        room_of = np.zeros(servers, np.int64) if shared else np.arange(servers)
        rooms = rng.integers(0, sizes.sum() + 1, room_of.max() + 1)
        greedy = LazyGreedy(calls, sizes, rooms, room_of)
        for prices in (np.ones(experts), sizes.astype(float)):
            expected = naive(calls, sizes, rooms, room_of, prices)
            assert np.array_equal(greedy.run(prices, (), never), expected)


def test_a_seed_is_held_and_the_rest_is_naive_greedy_from_there():
    for number in range(20):
        rng = np.random.default_rng(number)
        calls = drawn_calls(rng, 3, 9, 5, 4)
        sizes, rooms, room_of = np.ones(5, np.int64), np.full(3, 3), np.arange(3)
        seed = ((int(rng.integers(3)), 0), (int(rng.integers(3)), 1))
        holds = LazyGreedy(calls, sizes, rooms, room_of).run(np.ones(5), seed, never)
        assert all(holds[n, e] for n, e in seed)
        assert np.array_equal(holds, naive(calls, sizes, rooms, room_of, np.ones(5), seed))


def test_a_seed_that_does_not_fit_holds_nothing():
    calls = drawn_calls(np.random.default_rng(0), 2, 6, 4, 4)
    greedy = LazyGreedy(calls, np.full(4, 2), np.array([3, 3]), np.arange(2))
    assert not greedy.run(np.ones(4), ((0, 0), (0, 1)), never).any()


def test_what_saves_nothing_is_never_picked():
    calls = drawn_calls(np.random.default_rng(1), 4, 10, 5, 4)
    useless = calls._replace(cloud_s=np.zeros(len(calls.users)))
    greedy = LazyGreedy(useless, np.ones(5, np.int64), np.full(4, 5), np.arange(4))
    assert not greedy.run(np.ones(5), (), never).any()


def test_stopping_between_steps_changes_nothing(monkeypatch):
    calls = drawn_calls(np.random.default_rng(2), 5, 30, 6, 20)
    greedy = LazyGreedy(calls, np.ones(6, np.int64), np.full(5, 3), np.arange(5))
    whole = greedy.run(np.ones(6), (), never)
    monkeypatch.setattr(lazy_greedy, "STEP_CALLS", 1)
    assert np.array_equal(greedy.run(np.ones(6), (), never), whole)


def test_an_expired_run_holds_what_it_has_picked(monkeypatch):
    calls = drawn_calls(np.random.default_rng(3), 5, 30, 6, 20)
    greedy = LazyGreedy(calls, np.ones(6, np.int64), np.full(5, 3), np.arange(5))
    assert not greedy.run(np.ones(6), (), lambda: True).any()
    monkeypatch.setattr(lazy_greedy, "STEP_CALLS", 1)
    glances = iter([False, False, False, True])
    some = greedy.run(np.ones(6), (), lambda: next(glances))
    assert 0 < some.sum() <= 3
    assert np.all(greedy.run(np.ones(6), (), never)[some])


@given(st.data())
def test_first_savings_are_those_of_the_evaluation_and_bounded_from_above(data):
    """For ``serial``, whatever the sizes of groups."""
    instance = data.draw(instances(dispatches=["serial"]))
    calls = facility_location(instance)
    bounds = first_bounds(calls)
    for n, e in np.ndindex(bounds.shape):
        holds = np.zeros(bounds.shape, np.bool_)
        holds[n, e] = True
        saving = marginal_saving(calls, calls.cloud_s, n, e)
        assert saving == pytest.approx(plain_saving(instance, Placement(holds)), rel=1e-9, abs=1e-12)
        assert saving <= bounds[n, e] <= saving * (1 + 1e-12)


@pytest.mark.parametrize("consecutive", [False, True])
def test_bounds_hold_for_sums_of_any_length(consecutive):
    rng = np.random.default_rng(0)
    for length in [1, 2, 3, 7, 8, 31, 100, 1001, 30_000]:
        users = np.arange(length, dtype=np.int32) if consecutive else rng.permutation(length).astype(np.int32)
        calls = FacilityLocation(
            offsets=np.array([0, length]),
            users=users,
            rates=10.0 ** rng.uniform(-12, 0, length),
            cloud_s=np.full(length, 0.5),
            edge_s=rng.random((1, 3, length)),
            models=np.zeros(1, np.int32),
            consecutive=np.array([consecutive]),
        )
        for n, bound in enumerate(first_bounds(calls)[:, 0]):
            saving = marginal_saving(calls, calls.cloud_s, n, 0)
            assert saving <= bound <= saving * (1 + 1e-10)


def test_ties_of_sums_that_round_are_decided_as_by_sums_in_one_order():
    """Rates in thirds and latencies in tenths: elements that save alike, but for the order of the terms."""
    for number in range(30):
        rng = np.random.default_rng(number)
        calls = drawn_calls(rng, 4, 40, 6, 3)
        calls = calls._replace(rates=calls.rates / 3, cloud_s=calls.cloud_s / 10, edge_s=calls.edge_s / 10)
        rooms, room_of, ones = np.full(4, 4), np.arange(4), np.ones(6, np.int64)
        holds = LazyGreedy(calls, ones, rooms, room_of).run(np.ones(6), (), never)
        assert np.array_equal(holds, naive(calls, ones, rooms, room_of, np.ones(6)))


def test_the_calls_of_an_expert_are_in_the_order_of_the_activations():
    instance = random_instance(0, dispatch="serial", models=2, layers=2, users=5)
    calls = facility_location(instance)
    activation = np.repeat(np.arange(instance.n_activations), instance.group_sizes)
    order = np.argsort(instance.group_experts, kind="stable")
    assert np.array_equal(calls.users, instance.activation_users[activation][order])
    assert np.array_equal(calls.rates, instance.rates[activation][order])
    assert np.array_equal(
        np.diff(calls.offsets), np.bincount(instance.group_experts, minlength=instance.n_experts)
    )


def test_runs_of_users_are_consecutive_only_one_by_one_upwards():
    runs = [[], [3], [2, 3, 4], [4, 3], [1, 3], [0, 0], [0, 1, 1]]
    offsets, users = np.cumsum([0, *map(len, runs)]), np.concatenate(runs).astype(np.int32)
    assert consecutive_runs(offsets, users).tolist() == [False, True, True, False, False, False, False]
