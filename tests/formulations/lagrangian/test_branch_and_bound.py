"""Branch and bound: it ends, and what it leaves is the optimum."""

import numpy as np
import pytest
from oracles import brute_force, plain_saving
from samples import random_instance

from slimbench.formulations.lagrangian.branch_and_bound import branch_and_bound
from slimbench.formulations.lagrangian.relaxation import relaxation
from slimbench.formulations.lagrangian.subgradient import LagrangianDual, run_subgradient
from slimbench.instances import Placement

GAP = 5e-7


def solved(instance, iterations):
    """The best placement that the tree offers, and the bound after each of its nodes."""
    dual = LagrangianDual(instance, relaxation(instance), 16)
    savings, placements = [0.0], [Placement.empty(instance)]

    def cutoff():
        return savings[-1] * (1 + GAP)

    steps = run_subgradient(dual, lambda: savings[-1])
    root = [next(steps) for _ in range(iterations)][-1]
    bounds = [root.bound_s]
    for progress in branch_and_bound(dual, root, cutoff):
        for placement in progress.placements:
            saving = plain_saving(instance, placement)
            if saving > savings[-1] and placement.violation(instance) is None:
                savings.append(saving)
                placements.append(placement)
        bounds.append(max(progress.bound_s, cutoff()))
    return savings[-1], placements[-1], bounds


@pytest.mark.parametrize("dispatch", ["single", "parallel", "serial"])
def test_it_finds_the_optimum_without_any_help(dispatch):
    for seed in range(6):
        instance = random_instance(seed, dispatch=dispatch, servers=2, layers=2, experts=3, top_k=2, groups=4)
        optimum, _ = brute_force(instance)
        saving, placement, bounds = solved(instance, 3)
        assert saving == pytest.approx(optimum, rel=2 * GAP)
        assert placement.violation(instance) is None
        assert all(bound >= optimum * (1 - 1e-12) for bound in bounds)
        assert bounds[-1] <= optimum * (1 + 2 * GAP)


def test_one_server_and_single_experts():
    for top_k in (1, 2):
        instance = random_instance(3, dispatch="single", servers=1, layers=2, experts=5, top_k=top_k)
        optimum, _ = brute_force(instance)
        assert solved(instance, 1)[0] == pytest.approx(optimum, rel=2 * GAP)


def test_with_the_optimum_known_nothing_is_left_to_find():
    instance = random_instance(4, dispatch="single", servers=3, experts=5, top_k=2, groups=4)
    optimum, _ = brute_force(instance)
    dual = LagrangianDual(instance, relaxation(instance), 16)
    *_, root = run_subgradient(dual, lambda: optimum)
    cutoff = optimum * (1 + GAP)
    states = list(branch_and_bound(dual, root, lambda: cutoff))
    offered = [p for state in states for p in state.placements if p.violation(instance) is None]
    assert all(plain_saving(instance, p) <= cutoff for p in offered)
    assert not states or states[-1].bound_s <= cutoff
    assert not np.isnan([state.bound_s for state in states]).any()
