"""``lagrangian``: a placement, and a bound that proves how good it is."""

import numpy as np
import pytest
from adversarial import ADVERSARIAL
from oracles import brute_force, random_instance

from slimbench.bench import SolveContext
from slimbench.bench.registry import find_solvers
from slimbench.instances import DISPATCHES, evaluate


def run(instance, **parameters):
    """The placement, the least bound reported, and whether it was proven optimal."""
    told = []
    context = SolveContext(np.random.default_rng(0), on_report=lambda _, bound: told.append(bound))
    placement = find_solvers()["lagrangian"](instance, context, **parameters)
    return placement, min((b for b in told if b is not None), default=None), context.proven_optimal


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_it_is_feasible_repeats_itself_and_bounds_the_optimum(kind, dispatch):
    instance = ADVERSARIAL[kind](dispatch)
    placement, bound, proven = run(instance, iterations=100)
    assert placement.violation(instance) is None
    assert run(instance, iterations=100) == (placement, bound, proven)
    optimum, _ = brute_force(instance)
    assert (bound is None) == (dispatch == "parallel" and instance.max_group_size > 1)
    assert bound is None or bound >= optimum * (1 - 1e-12)
    assert not proven or evaluate(instance, placement).saving_s >= optimum * (1 - 1e-9)


@pytest.mark.parametrize("dispatch", ["single", "serial"])
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
        assert not proven or saving == pytest.approx(optimum, rel=1e-9)
        gaps.append(1 - saving / bound if bound else 0.0)
    assert np.mean(gaps) < 0.03


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


def test_parallel_groups_get_a_placement_and_no_bound():
    placement, bound, proven = run(random_instance(1, dispatch="parallel", top_k=2))
    assert placement.holds.any()
    assert bound is None
    assert not proven
