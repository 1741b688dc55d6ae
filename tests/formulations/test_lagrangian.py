"""Prices on the coupling of servers: a bound at every step, and a stronger one than the relaxation's."""

from itertools import islice, pairwise

import numpy as np
import pytest
from isolated import solve
from oracles import brute_force, random_instance

from slimbench.formulations import SolverError
from slimbench.formulations.formulation import build_milp
from slimbench.formulations.lagrangian import coupling, priced_bounds
from slimbench.formulations.repeated import repeated_subproblem
from slimbench.formulations.subproblem import best_cache

FAMILY = [
    pytest.param({"dispatch": "single", "top_k": 2}, id="single-k2"),
    pytest.param(
        {"dispatch": "single", "top_k": 3, "models": 2, "equal_sizes": False, "experts": 4}, id="two-sizes"
    ),
    pytest.param({"dispatch": "single", "top_k": 2, "on_device": 0.5, "unreachable": 0.4}, id="far-servers"),
    pytest.param({"dispatch": "parallel", "top_k": 1}, id="parallel-k1"),
    pytest.param({"dispatch": "serial", "top_k": 3}, id="serial-k3"),
    pytest.param({"dispatch": "single", "top_k": 2, "capacity": 0.0}, id="no-room"),
    pytest.param({"dispatch": "single", "top_k": 2, "groups": 0}, id="no-activation"),
]


def bounds(instance, target, count, exact_experts=16):
    rows = coupling(instance)
    subproblem = repeated_subproblem(instance, rows.structure, exact_experts)
    steps = priced_bounds(instance, subproblem, rows, lambda: target)
    return list(islice(steps, count))


@pytest.mark.parametrize("exact_experts", [16, 1], ids=["enumerated", "split"])
@pytest.mark.parametrize("sizes", FAMILY)
def test_every_step_bounds_the_optimum_and_offers_a_feasible_placement(sizes, exact_experts):
    for seed in range(4):
        instance = random_instance(seed, **sizes)
        optimum, _ = brute_force(instance)
        steps = bounds(instance, 0.9 * optimum, 60, exact_experts)
        assert steps
        assert all(step.bound_s >= optimum * (1 - 1e-12) for step in steps)
        assert all(step.placement.violation(instance) is None for step in steps)
        assert all(a.bound_s >= b.bound_s for a, b in pairwise(steps))


def test_the_bound_is_tighter_than_the_linear_relaxation_where_groups_are_large():
    instance = random_instance(1, dispatch="single", servers=2, users=3, experts=8, top_k=4, groups=8)
    relaxation = build_milp(instance).relaxed()
    relaxed = solve(relaxation).bound * relaxation.seconds_per_unit
    optimum, _ = brute_force(instance)
    priced = bounds(instance, optimum, 600)[-1].bound_s
    assert optimum * (1 - 1e-12) <= priced < optimum + 0.5 * (relaxed - optimum)


def test_prices_are_refused_where_servers_share_a_group():
    with pytest.raises(SolverError, match="not parallel with groups"):
        coupling(random_instance(0, dispatch="parallel", top_k=2))


@pytest.mark.parametrize("exact_experts", [16, 1], ids=["enumerated", "split"])
@pytest.mark.parametrize("models", [1, 2])
def test_a_repeated_subproblem_is_the_subproblem(models, exact_experts):
    instance = random_instance(
        3, dispatch="single", models=models, equal_sizes=models == 1, layers=2, top_k=3, groups=4
    )
    terms = coupling(instance).structure
    subproblem = repeated_subproblem(instance, terms, exact_experts)
    rng = np.random.default_rng(0)
    for _ in range(20):
        weights = np.where(rng.random(len(terms.weights)) < 0.3, 0.0, rng.random(len(terms.weights)))
        capacity = int(rng.integers(0, instance.expert_bytes.sum() + 1))
        given = type(terms)(weights, terms.offsets, terms.members, terms.layer_offsets)
        cache, exact = subproblem(weights, capacity), best_cache(instance, given, capacity, 20)
        assert instance.expert_bytes[cache.cached].sum() <= capacity
        assert cache.saving_s == pytest.approx(given.value(cache.cached), rel=1e-12, abs=1e-15)
        assert cache.saving_s <= exact.saving_s * (1 + 1e-12)
        assert cache.bound_s >= exact.saving_s * (1 - 1e-12)
        if exact_experts == 16:
            assert cache.saving_s == pytest.approx(exact.saving_s, rel=1e-12, abs=1e-15)
