"""The model made of blocks: the same optimum, and a root bound no worse than the multipliers'."""

import numpy as np
import pytest
from isolated import solve
from oracles import brute_force, plain_saving
from samples import random_instance

from slimbench.formulations.lagrangian.cut_milp import cut_milp
from slimbench.formulations.lagrangian.reduced_cost_fixing import reduced_cost_fixing
from slimbench.formulations.lagrangian.relaxation import relaxation
from slimbench.formulations.lagrangian.subgradient import LagrangianDual, run_subgradient
from slimbench.formulations.status import FREE

FAMILY = [
    pytest.param({"dispatch": "single", "top_k": 3}, id="single"),
    pytest.param({"dispatch": "parallel", "top_k": 3, "on_device": 0.3}, id="parallel"),
    pytest.param({"dispatch": "serial", "top_k": 2}, id="serial"),
    pytest.param(
        {"dispatch": "parallel", "models": 2, "equal_sizes": False, "experts": 3, "servers": 2},
        id="parallel-two-sizes",
    ),
]


@pytest.mark.parametrize("sizes", FAMILY)
def test_it_has_the_optimum_with_and_without_cuts_and_fixing(sizes):
    for seed in range(3):
        instance = random_instance(seed, **{"capacity": 0.4, **sizes})
        optimum, _ = brute_force(instance)
        dual = LagrangianDual(instance, relaxation(instance), 16)
        *_, last = run_subgradient(dual, lambda: optimum)  # noqa: B023
        free = np.full((instance.n_servers, instance.n_experts), FREE)
        for fixed in (free, reduced_cost_fixing(dual, last.multipliers, optimum * (1 - 1e-6))):
            for cuts in (False, True):
                model = cut_milp(instance, dual, last.multipliers, fixed, cuts=cuts)
                result = solve(model)
                assert result.bound * model.seconds_per_unit == pytest.approx(optimum, rel=1e-6, abs=1e-15)
                placement = model.placement(result.values)
                assert placement.violation(instance) is None
                assert plain_saving(instance, placement) == pytest.approx(optimum, rel=1e-6, abs=1e-15)


@pytest.mark.parametrize("dispatch", ["single", "parallel"])
def test_with_cuts_the_relaxation_is_no_worse_than_the_multipliers(dispatch):
    instance = random_instance(1, dispatch=dispatch, servers=2, users=3, experts=8, top_k=4, groups=8)
    dual = LagrangianDual(instance, relaxation(instance), 16)
    *_, last = run_subgradient(dual, lambda: 0.0)
    fixed = np.full((2, instance.n_experts), FREE)
    plain, sharp = (
        solve((model := cut_milp(instance, dual, last.multipliers, fixed, cuts=cuts)).relaxed()).bound
        * model.seconds_per_unit
        for cuts in (False, True)
    )
    assert sharp <= last.bound_s * (1 + 1e-7)
    assert sharp < plain * (1 - 1e-3)
