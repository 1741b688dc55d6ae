"""The facts of docs/MODEL.md, sections 3 to 6, held against the plain evaluator (fact 3: test_and_terms)."""

from __future__ import annotations

import itertools
import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import brute_force, plain_saving
from random_terms import best_in_bytes, plain_value, server_terms
from samples import build, random_instance, with_fields
from strategies import instances

from slimbench.formulations.heuristics.decomposition import fill_servers, sweep_servers
from slimbench.formulations.single_server.solve import best_cache
from slimbench.instances import DISPATCHES, Instance, Model, Placement

NOISE_S = 1e-12
exact = partial(best_cache, max_exact_experts=20)
submodular_instances = instances(dispatches=["serial"]) | instances(max_top_k=1)
one_model = [Model("m", layers=1, experts_per_layer=3, top_k=2, expert_bytes=1)]


def bits(data: st.DataObject, instance: Instance) -> np.ndarray:
    count = instance.n_servers * instance.n_experts
    return np.reshape(
        data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), (instance.n_servers, -1)
    )


def f(instance: Instance, holds: np.ndarray) -> float:
    return plain_saving(instance, Placement(holds))


def added(holds: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    more = holds.copy()
    more[pair] = True
    return more


# Fact 1


@given(instance=instances(), data=st.data())
def test_saving_is_monotone_under_every_dispatch(instance, data):
    small = bits(data, instance)
    large = small | bits(data, instance)
    assert -NOISE_S <= f(instance, small) <= f(instance, large) + NOISE_S


@given(instance=submodular_instances, data=st.data())
def test_fact_1_an_expert_gains_no_more_in_a_larger_placement(instance, data):
    small = bits(data, instance)
    large = small | bits(data, instance)
    for pair in np.ndindex(small.shape):
        gain_small = f(instance, added(small, pair)) - f(instance, small)
        gain_large = f(instance, added(large, pair)) - f(instance, large)
        assert gain_large <= gain_small + NOISE_S


@given(instance=instances(max_top_k=1), data=st.data())
def test_the_three_dispatches_are_one_problem_for_groups_of_one(instance, data):
    holds = bits(data, instance)
    values = {f(with_fields(instance, dispatch=dispatch), holds) for dispatch in DISPATCHES}
    assert max(values) == min(values)


# Fact 2


@pytest.mark.parametrize("dispatch", ["single", "parallel"])
def test_fact_2_two_experts_gain_together_what_neither_gains_alone(dispatch):
    instance = build(
        dispatch=dispatch,
        capacities=[2],
        models=one_model,
        edge=[[[0.01]]],
        cloud=[[0.1]],
        activations=[(0, 0, 0, (0, 1), 1.0)],
    )
    first, second, both = (np.array([[a, b, False]]) for a, b in [(True, False), (False, True), (True, True)])
    assert f(instance, first) == f(instance, second) == 0
    assert f(instance, both) == pytest.approx(0.09)  # submodular functions allow f(first) + f(second) = 0


@pytest.mark.parametrize("dispatch", ["single", "parallel"])
def test_fact_2_saving_is_not_supermodular_either(dispatch):
    instance = build(
        dispatch=dispatch,
        capacities=[2, 2],
        models=one_model,
        edge=[[[0.01], [0.02]]],
        cloud=[[0.1]],
        activations=[(0, 0, 0, (0, 1), 1.0)],
    )
    pair, none = [True, True, False], [False] * 3
    near, far, both = (f(instance, np.array(rows)) for rows in ([pair, none], [none, pair], [pair, pair]))
    assert both == near
    assert both < near + far


@pytest.mark.parametrize("dispatch", ["single", "parallel"])
@given(data=st.data())
def test_fact_2_no_single_expert_saves_where_every_group_has_two(dispatch, data):
    seed, top_k = data.draw(st.integers(0, 99)), data.draw(st.integers(2, 3))
    instance = random_instance(seed, dispatch=dispatch, top_k=top_k, layers=2)
    nothing = np.zeros((instance.n_servers, instance.n_experts), np.bool_)
    assert all(f(instance, added(nothing, pair)) == 0 for pair in np.ndindex(nothing.shape))
    assert f(instance, ~nothing) > 0


# Fact 4


@given(
    instance=instances(dispatches=["single", "serial"], max_models=1, max_servers=2) | instances(max_top_k=1),
    data=st.data(),
)
def test_fact_4_a_servers_block_gains_no_more_when_others_hold_more(instance, data):
    """Submodularity over blocks: server n adds its block S to placements X within Y of the others."""
    small = bits(data, instance)
    large = small | bits(data, instance)
    block = bits(data, instance)
    for n in range(instance.n_servers):
        gains = []
        for others in (small, large):
            without, with_block = others.copy(), others.copy()
            without[n] = False
            with_block[n] = block[n]
            gains.append(f(instance, with_block) - f(instance, without))
        assert gains[1] <= gains[0] + NOISE_S


def nearly_half(epsilon: float, dispatch: str = "single") -> Instance:
    """Two servers with room for one pair; the first, near to both users' groups, takes the wrong one.

    User 0 calls {0, 1} and both servers serve it; user 1 calls {2, 3} and only server 0 serves it. Server 0
    prefers user 0 by epsilon, and then server 1, which cannot help user 1, has nothing left to do.
    """
    return build(
        dispatch=dispatch,
        capacities=[2, 2],
        models=[Model("m", layers=1, experts_per_layer=4, top_k=2, expert_bytes=1)],
        edge=[[[0.01], [0.01]], [[0.01], [math.inf]]],
        cloud=[[0.11], [0.11]],
        activations=[(0, 0, 0, (0, 1), 1.0 + epsilon), (1, 0, 0, (2, 3), 1.0)],
    )


@pytest.mark.parametrize("dispatch", ["single", "serial"])
@pytest.mark.parametrize("epsilon", [0.1, 0.001])
def test_fact_4_decomposition_comes_as_near_to_one_half_as_one_likes(epsilon, dispatch):
    instance = nearly_half(epsilon, dispatch)
    optimum, _ = brute_force(instance)
    ratio = plain_saving(instance, fill_servers(instance, exact).placement) / optimum
    assert ratio == pytest.approx((1 + epsilon) / (2 + epsilon))
    assert ratio > 0.5


FAMILIES = [("single", 2), ("single", 3), ("serial", 2), ("parallel", 1)]


@pytest.mark.parametrize(("dispatch", "top_k"), FAMILIES)
@pytest.mark.parametrize("max_exact_experts", [20, 0])
def test_fact_4_decomposition_is_never_below_alpha_over_one_plus_alpha(dispatch, top_k, max_exact_experts):
    ratios = []
    for seed in range(12):
        instance = random_instance(
            seed, dispatch=dispatch, top_k=top_k, capacity=0.5, unreachable=0.3, experts=6
        )
        optimum, _ = brute_force(instance)
        result = fill_servers(instance, partial(best_cache, max_exact_experts=max_exact_experts))
        saving = plain_saving(instance, result.placement)
        assert saving >= result.alpha / (1 + result.alpha) * optimum - NOISE_S
        if optimum > 0:
            ratios.append(saving / optimum)
    assert min(ratios) < 0.99  # the family is not one where filling in turn is always optimal


def test_fact_4_holds_in_every_order_of_the_servers():
    for seed, order in itertools.product(range(5), itertools.permutations(range(3))):
        instance = random_instance(seed, capacity=0.4, unreachable=0.5, users=3)
        turned = with_fields(
            instance,
            edge_latency_s=instance.edge_latency_s[:, list(order)],
            capacities_bytes=instance.capacities_bytes[list(order)],
        )
        saving = plain_saving(turned, fill_servers(turned, exact).placement)
        assert saving >= brute_force(instance)[0] / 2 - NOISE_S


# Fact 5


def split_pair(rate: float, dispatch: str = "parallel") -> Instance:
    """Two servers with room for one expert each, the pair {0, 1} at rate 1 and {2} at a small rate."""
    return build(
        dispatch=dispatch,
        capacities=[1, 1],
        models=one_model,
        edge=[[[0.010], [0.010]]],
        cloud=[[0.100]],
        activations=[(0, 0, 0, (0, 1), 1.0), (0, 0, 0, (2,), rate)],
    )


@pytest.mark.parametrize("rate", [0.1, 0.01, 1e-6])
def test_fact_5_parallel_decomposition_has_no_constant(rate):
    instance = split_pair(rate)
    optimum, best = brute_force(instance)
    assert optimum == pytest.approx(0.090)
    assert sorted(map(tuple, best.holds.tolist())) == [(False, True, False), (True, False, False)]
    filled = fill_servers(instance, exact).placement
    assert plain_saving(instance, filled) == pytest.approx(rate * 0.090)


@pytest.mark.parametrize("second", [[], [(0, 0, 2)]], ids=["empty", "the third expert"])
def test_fact_5_no_server_of_the_counter_example_gains_by_changing_alone(second):
    instance = split_pair(0.01)
    stuck = Placement.of(instance, {0: [(0, 0, 2)], 1: second})
    swept = sweep_servers(instance, stuck, exact, lambda _: None, lambda: False)
    assert swept == stuck
    assert plain_saving(instance, swept) / brute_force(instance)[0] == pytest.approx(0.01)


def test_fact_5_two_blocks_gain_together_what_neither_gains_alone():
    instance = split_pair(0.01)
    first, second = (
        np.array([[True, False, False], [False] * 3]),
        np.array([[False] * 3, [False, True, False]]),
    )
    assert f(instance, first) == f(instance, second) == 0
    assert f(instance, first | second) == pytest.approx(0.090)


# Fact 6


def modular_part(instance: Instance, terms, capacity: int) -> tuple[float, float, float]:
    """Curvature kappa, phi of the modular part's best cache, phi of the optimum: all by enumeration."""
    experts = sorted(set(terms.members.tolist()))
    whole = plain_value(terms, set(experts))
    alone = {e: plain_value(terms, {e}) for e in experts}
    last = {e: whole - plain_value(terms, set(experts) - {e}) for e in experts}
    kappa = 1 - min(alone[e] / last[e] for e in experts if last[e] > 0)
    sizes = instance.expert_bytes
    caches = [
        set(chosen)
        for k in range(len(experts) + 1)
        for chosen in itertools.combinations(experts, k)
        if sum(int(sizes[e]) for e in chosen) <= capacity
    ]
    modular = max(caches, key=lambda cache: sum(alone[e] for e in cache))
    return kappa, plain_value(terms, modular), best_in_bytes(terms, sizes, capacity)


@pytest.mark.parametrize("dispatch", ["single", "parallel"])
def test_fact_6_the_modular_part_is_within_one_minus_curvature(dispatch):
    shares, bounds = [], []
    for seed in range(30):
        instance = random_instance(
            seed, dispatch=dispatch, models=2, experts=5, on_device=0.7, groups=8, equal_sizes=False
        )
        terms = server_terms(instance, seed)
        kappa, modular, optimum = modular_part(instance, terms, int(0.3 * instance.expert_bytes.sum()))
        assert -NOISE_S <= kappa <= 1
        assert modular >= (1 - kappa) * optimum - NOISE_S
        shares.append(modular / optimum)
        bounds.append(1 - kappa)
    assert min(shares) < 1  # the modular part is not always the optimum
    assert max(bounds) > 0.1  # nor is the bound always empty


def test_fact_6_curvature_is_one_where_no_group_is_a_singleton_and_zero_where_all_are():
    pairs, singles = random_instance(0, top_k=2), random_instance(0, top_k=1)
    assert modular_part(pairs, server_terms(pairs, 0), 2)[0] == 1
    kappa, modular, optimum = modular_part(singles, server_terms(singles, 0), 2)
    assert kappa == pytest.approx(0)
    assert modular == pytest.approx(optimum)
