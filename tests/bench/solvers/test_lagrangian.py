"""``lagrangian`` and ``bounds``: a placement, and a bound that proves how good it is."""

import numpy as np
import pytest
from adversarial import ADVERSARIAL
from oracles import brute_force
from samples import random_instance

from slimbench.bench import SolveContext
from slimbench.bench.plugins.registry import find_solvers
from slimbench.instances import DISPATCHES, evaluate


def run(instance, name="lagrangian", **parameters):
    """The placement, the least bound reported, and whether it was proven optimal."""
    told = []
    context = SolveContext(np.random.default_rng(0), on_report=lambda _, bound: told.append(bound))
    placement = find_solvers()[name](instance, context, **parameters)
    return placement, min(b for b in told if b is not None), context.proven_optimal


@pytest.mark.parametrize("name", ["lagrangian", "bounds"])
@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_it_is_feasible_repeats_itself_and_bounds_the_optimum(kind, dispatch, name):
    instance = ADVERSARIAL[kind](dispatch)
    placement, bound, proven = run(instance, name, iterations=100)
    assert placement.violation(instance) is None
    assert run(instance, name, iterations=100) == (placement, bound, proven)
    optimum, _ = brute_force(instance)
    assert bound >= optimum * (1 - 1e-12)
    assert not proven or evaluate(instance, placement).saving_s >= optimum * (1 - 1e-6)


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_the_optimum_lies_between_placement_and_bound(dispatch):
    gaps = []
    for seed in range(12):
        instance = random_instance(seed, dispatch=dispatch, top_k=2, groups=4)
        optimum, _ = brute_force(instance)
        placement, bound, proven = run(instance)
        saving = evaluate(instance, placement).saving_s
        assert placement.violation(instance) is None
        assert saving <= optimum * (1 + 1e-12)
        assert optimum <= bound * (1 + 1e-12)
        assert not proven or saving == pytest.approx(optimum, rel=1e-6)
        gaps.append(1 - saving / bound if bound else 0.0)
    assert np.mean(gaps) < 0.03


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("exact_experts", [16, 3], ids=["enumerated", "split"])
def test_bounds_is_never_below_the_optimum(dispatch, exact_experts):
    for seed in range(10):
        instance = random_instance(seed, dispatch=dispatch, top_k=3, on_device=0.3, groups=4)
        optimum, _ = brute_force(instance)
        for iterations in (1, 50):
            _, bound, _ = run(instance, "bounds", iterations=iterations, exact_experts=exact_experts)
            assert bound >= optimum * (1 - 1e-12)


def test_bounds_stops_at_the_gap_asked_for():
    instance = random_instance(3, dispatch="single", layers=2, experts=6, top_k=2, groups=8)
    gaps, steps = [], []
    for gap in (0.1, 0.0):
        told = []
        context = SolveContext(np.random.default_rng(0), on_report=lambda _, bound: told.append(bound))  # noqa: B023
        placement = find_solvers()["bounds"](instance, context, gap=gap)
        bound = min(b for b in told if b is not None)
        gaps.append(bound / evaluate(instance, placement).saving_s - 1)
        steps.append(context.figures["iterations"])
    assert gaps[0] <= 0.1
    assert gaps[1] < gaps[0]
    assert steps[0] < steps[1]


def test_it_is_no_worse_than_the_sweeps_it_starts_from():
    for seed in range(6):
        instance = random_instance(seed, dispatch="single", servers=3, layers=2, experts=6, top_k=2, groups=8)
        sweep = find_solvers()["slim-sweep"](instance, SolveContext(np.random.default_rng(0)))
        placement, _, _ = run(instance)
        assert evaluate(instance, placement).saving_s >= evaluate(instance, sweep).saving_s


def test_a_bound_below_the_iteration_limit_is_still_a_bound():
    instance = random_instance(2, dispatch="single", top_k=2, groups=4)
    _, early, _ = run(instance, iterations=1)
    _, late, _ = run(instance, iterations=500)
    assert early >= late >= brute_force(instance)[0] * (1 - 1e-12)
