"""Subproblems of groups: every pattern of servers counts, and closes what rows of server sets leave open."""

import itertools
import math

import numpy as np
import pytest
from oracles import brute_force
from samples import build, random_instance

from slimbench.formulations.lagrangian import group_patterns as module
from slimbench.formulations.lagrangian.group_patterns import best_patterns, group_patterns
from slimbench.formulations.lagrangian.relaxation import relaxation
from slimbench.formulations.lagrangian.subgradient import LagrangianDual, run_subgradient
from slimbench.formulations.milp.levels import merged_rewards
from slimbench.instances import Model

FAMILY = [
    {"dispatch": "single", "top_k": 2},
    {"dispatch": "serial", "top_k": 3},
    {"dispatch": "parallel", "top_k": 1},
]


def tied(rewards):
    return rewards.levels.set_sizes[rewards.sets] > 1


def least_bound(instance, target_s):
    *_, last = run_subgradient(LagrangianDual(instance, relaxation(instance), 16), lambda: target_s)
    return last.bound_s


def odd_cycle():
    """Users between servers 0-1, 1-2 and 2-0 call expert 0, and one near each server an expert of its own."""
    near = [(0, 1), (1, 2), (2, 0), (0,), (1,), (2,)]
    edge = [[[0.01] if n in servers else [math.inf] for n in range(3)] for servers in near]
    calls = [(u, 0, 0, (max(0, u - 2),), 1.0) for u in range(6)]
    model = Model("m", layers=1, experts_per_layer=4, top_k=1, expert_bytes=1)
    return build(
        dispatch="single",
        capacities=(1, 1, 1),
        models=[model],
        edge=edge,
        cloud=[[0.1]] * 6,
        activations=calls,
    )


@pytest.mark.parametrize("sizes", FAMILY)
def test_values_sum_up_the_sets_that_a_pattern_meets(sizes):
    rewards = merged_rewards(random_instance(2, servers=4, **sizes))
    patterns, rows = group_patterns(rewards, tied(rewards))
    groups = np.flatnonzero((rows >= 0).any(axis=1))
    assert len(groups) == len(patterns.row_offsets) - 1 > 0
    for number, group in enumerate(groups):
        servers = np.flatnonzero(rows[group] >= 0)
        mine = (rewards.groups == group) & tied(rewards)
        for b in range(1 << len(servers)):
            held = [n for i, n in enumerate(servers) if b >> i & 1]
            met = rewards.levels.inside[rewards.sets[mine]][:, held].any(axis=1)
            value = patterns.values[patterns.value_offsets[number] + b]
            assert value == pytest.approx(rewards.weights[mine][met].sum(), rel=1e-12, abs=1e-18)


@pytest.mark.parametrize("sizes", FAMILY)
def test_a_part_is_the_best_of_all_patterns_and_its_subgradient_that_pattern(sizes):
    rewards = merged_rewards(random_instance(5, servers=4, **sizes))
    patterns, _ = group_patterns(rewards, tied(rewards))
    multipliers = np.random.default_rng(0).random(patterns.row_offsets[-1]) * rewards.weights.max()
    subgradient = np.zeros(len(multipliers))
    parts = best_patterns(patterns, multipliers, subgradient)
    for g, (first, last) in enumerate(itertools.pairwise(patterns.row_offsets)):
        values = patterns.values[patterns.value_offsets[g] : patterns.value_offsets[g + 1]]
        bits = np.arange(len(values))[:, None] >> np.arange(last - first) & 1
        sums = values - bits @ multipliers[first:last]
        raised = 1e-14 * (values[-1] + multipliers[first:last].sum())
        assert sums.max() <= parts[g] <= sums.max() + raised
        np.testing.assert_array_equal(-subgradient[first:last], bits[np.argmax(sums)])


def test_sets_in_an_odd_cycle_are_closed_by_patterns_and_not_by_rows(monkeypatch):
    """A half of expert 0 on each server meets every set; no mixture of patterns does so well."""
    instance = odd_cycle()
    optimum, _ = brute_force(instance)
    assert optimum == pytest.approx(4 * 0.09)
    assert least_bound(instance, optimum) == pytest.approx(optimum, rel=1e-6)
    monkeypatch.setattr(module, "MAX_PATTERNS", 0)
    assert least_bound(instance, optimum) == pytest.approx(4.5 * 0.09, rel=1e-3)


@pytest.mark.parametrize("most", [0, 8, 2**20])
def test_groups_with_many_servers_keep_their_rows(monkeypatch, most):
    monkeypatch.setattr(module, "MAX_PATTERNS", most)
    instance = random_instance(4, servers=4, top_k=2)
    optimum, _ = brute_force(instance)
    dual = LagrangianDual(instance, relaxation(instance), 16)
    assert len(dual.relaxation.patterns.values) <= most
    highest = dual.relaxation.multiplier_bounds
    for seed in range(5):
        value, _, _ = dual.value(np.random.default_rng(seed).random(len(highest)) * highest)
        assert value >= optimum
