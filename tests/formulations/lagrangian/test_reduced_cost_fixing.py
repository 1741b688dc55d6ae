"""What multipliers fix, every placement worth finding has."""

import itertools

import numpy as np
import pytest
from oracles import brute_force, plain_saving
from samples import random_instance

from slimbench.formulations.brute_force import maximal_caches
from slimbench.formulations.lagrangian.reduced_cost_fixing import reduced_cost_fixing
from slimbench.formulations.lagrangian.relaxation import relaxation
from slimbench.formulations.lagrangian.subgradient import LagrangianDual, run_subgradient
from slimbench.formulations.status import ALWAYS, FREE, NEVER
from slimbench.instances import Placement


@pytest.mark.parametrize("dispatch", ["single", "parallel", "serial"])
def test_no_placement_that_saves_as_much_is_lost(dispatch):
    fixed_pairs = 0
    for seed in range(6):
        instance = random_instance(
            seed, dispatch=dispatch, servers=2, experts=5, top_k=2, groups=4, capacity=0.4
        )
        optimum, _ = brute_force(instance)
        dual = LagrangianDual(instance, relaxation(instance), 16)
        *_, last = run_subgradient(dual, lambda: optimum)  # noqa: B023
        for cutoff in (optimum * (1 + 1e-9), optimum * 0.98):
            status = reduced_cost_fixing(dual, last.multipliers, cutoff)
            fixed_pairs += int((status != FREE).sum())
            caches = [maximal_caches(instance, n, 10_000) for n in range(instance.n_servers)]
            worth = [
                placement
                for rows in itertools.product(*caches)
                if plain_saving(instance, placement := Placement(np.stack(rows))) >= cutoff
            ]
            named = np.zeros(instance.n_experts, np.bool_)
            named[instance.group_experts] = True
            for placement in worth:
                useful = _without_useless(instance, placement, dual)
                assert useful[status == ALWAYS].all()
                assert not useful[status == NEVER].any()
    assert fixed_pairs > 20


def _without_useless(instance, placement, dual):
    """The placement without experts that no term of their server names: they save nothing."""
    holds = placement.holds.copy()
    for n in range(instance.n_servers):
        named = np.zeros(instance.n_experts, np.bool_)
        named[dual.relaxation.subproblems[n].terms.members] = True
        holds[n] &= named
    return holds


def test_what_is_fixed_already_stays():
    instance = random_instance(1, dispatch="single", servers=2, top_k=2)
    optimum, best = brute_force(instance)
    dual = LagrangianDual(instance, relaxation(instance), 16)
    status = np.full((2, instance.n_experts), FREE)
    status[0] = np.where(best.holds[0], ALWAYS, NEVER)
    fixed = reduced_cost_fixing(dual, dual.relaxation.first_multipliers, 0.5 * optimum, status)
    assert np.array_equal(fixed[0], status[0])


def test_nothing_is_fixed_where_layers_are_split():
    instance = random_instance(1, dispatch="single", servers=2, top_k=2)
    dual = LagrangianDual(instance, relaxation(instance), 1)
    assert not reduced_cost_fixing(dual, dual.relaxation.first_multipliers, 1e9).any()
