"""Multipliers of the relaxed rows: a bound at every step, and a stronger one than the relaxation's."""

from itertools import islice, pairwise

import numpy as np
import pytest
from isolated import solve
from oracles import brute_force
from samples import random_instance

from slimbench.formulations.lagrangian.relaxation import relaxation
from slimbench.formulations.lagrangian.subgradient import LagrangianDual, run_subgradient
from slimbench.formulations.milp.build import build_milp
from slimbench.formulations.status import ALWAYS, NEVER
from slimbench.instances import Placement

FAMILY = [
    pytest.param({"dispatch": "single", "top_k": 2}, id="single-k2"),
    pytest.param(
        {"dispatch": "single", "top_k": 3, "models": 2, "equal_sizes": False, "experts": 4}, id="two-sizes"
    ),
    pytest.param({"dispatch": "single", "top_k": 2, "on_device": 0.5, "unreachable": 0.4}, id="far-servers"),
    pytest.param({"dispatch": "parallel", "top_k": 1}, id="parallel-k1"),
    pytest.param({"dispatch": "parallel", "top_k": 2}, id="parallel-k2"),
    pytest.param({"dispatch": "parallel", "top_k": 3, "on_device": 0.4}, id="parallel-k3"),
    pytest.param(
        {"dispatch": "parallel", "top_k": 2, "models": 2, "equal_sizes": False, "experts": 3, "servers": 2},
        id="parallel-two-sizes",
    ),
    pytest.param({"dispatch": "serial", "top_k": 3}, id="serial-k3"),
    pytest.param({"dispatch": "single", "top_k": 2, "capacity": 0.0}, id="no-room"),
    pytest.param({"dispatch": "single", "top_k": 2, "groups": 0}, id="no-activation"),
    pytest.param({"dispatch": "parallel", "top_k": 2, "groups": 0}, id="parallel-no-activation"),
]


def dual_of(instance, exact_experts=16):
    return LagrangianDual(instance, relaxation(instance), exact_experts)


def bounds(instance, target, count, exact_experts=16):
    return list(islice(run_subgradient(dual_of(instance, exact_experts), lambda: target), count))


@pytest.mark.parametrize("exact_experts", [16, 1], ids=["enumerated", "split"])
@pytest.mark.parametrize("sizes", FAMILY)
def test_every_step_bounds_the_optimum_and_offers_a_feasible_placement(sizes, exact_experts):
    for seed in range(2):
        instance = random_instance(seed, **sizes)
        optimum, _ = brute_force(instance)
        steps = bounds(instance, 0.9 * optimum, 30, exact_experts)
        assert steps
        assert all(step.bound_s >= optimum * (1 - 1e-12) for step in steps)
        assert all(Placement(step.holds).violation(instance) is None for step in steps)
        assert all(a.bound_s >= b.bound_s for a, b in pairwise(steps))
        assert all(np.all((step.shares >= 0) & (step.shares <= 1)) for step in steps)


@pytest.mark.parametrize("exact_experts", [16, 1], ids=["enumerated", "split"])
@pytest.mark.parametrize("sizes", FAMILY)
def test_any_multipliers_bound_the_optimum(sizes, exact_experts):
    instance = random_instance(1, **sizes)
    optimum, _ = brute_force(instance)
    dual = dual_of(instance, exact_experts)
    highest = dual.relaxation.multiplier_bounds
    rng = np.random.default_rng(0)
    for scale in (0.0, 0.3, 1.0, 5.0):
        multipliers = scale * rng.random(len(highest)) * highest
        assert dual.value(multipliers)[0] >= optimum * (1 - 1e-12)


def test_the_subgradient_is_that_of_the_dual_function():
    """The line through (multipliers, L) with this slope lies nowhere above L, which is convex."""
    for dispatch in ("single", "parallel"):
        instance = random_instance(3, dispatch=dispatch, top_k=2, layers=2)
        dual = dual_of(instance)
        highest, rng = dual.relaxation.multiplier_bounds, np.random.default_rng(1)
        points = [rng.random(len(highest)) * highest for _ in range(12)]
        values = [dual.value(p)[0] for p in points]
        for p, value in zip(points, values, strict=True):
            subgradient = dual.value(p)[1]
            for q, other in zip(points, values, strict=True):
                assert other >= value + subgradient @ (q - p) - 1e-12


@pytest.mark.parametrize("dispatch", ["single", "parallel"])
def test_the_bound_is_tighter_than_the_linear_relaxation_where_groups_are_large(dispatch):
    instance = random_instance(1, dispatch=dispatch, servers=2, users=3, experts=8, top_k=4, groups=8)
    relaxed_model = build_milp(instance).relaxed()
    relaxed = solve(relaxed_model).bound * relaxed_model.seconds_per_unit
    optimum, _ = brute_force(instance)
    bound = bounds(instance, optimum, 1000)[-1].bound_s
    assert optimum * (1 - 1e-12) <= bound < optimum + 0.7 * (relaxed - optimum)


@pytest.mark.parametrize("dispatch", ["single", "parallel"])
def test_with_experts_fixed_it_bounds_the_placements_that_agree(dispatch):
    instance = random_instance(2, dispatch=dispatch, servers=2, top_k=2)
    optimum, best = brute_force(instance)
    dual = dual_of(instance)
    status = np.zeros(best.holds.shape, np.int64)
    agreeing = np.where(best.holds, ALWAYS, NEVER)
    for server in range(instance.n_servers):
        status[server] = agreeing[server]
        steps = list(islice(run_subgradient(dual, lambda: 0.5 * optimum, status=status), 200))
        assert steps[-1].bound_s >= optimum * (1 - 1e-12)
        assert np.array_equal(steps[-1].holds[server], best.holds[server])
    assert steps[-1].bound_s == pytest.approx(optimum, rel=1e-3)


def test_more_experts_forced_in_than_fit_leave_nothing():
    instance = random_instance(2, dispatch="single", top_k=2)
    dual = dual_of(instance)
    status = np.full((instance.n_servers, instance.n_experts), ALWAYS)
    assert dual.value(dual.relaxation.first_multipliers, status)[0] == -np.inf
