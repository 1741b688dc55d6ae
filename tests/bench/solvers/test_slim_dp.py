"""``slim-dp``: every subproblem exact, at least one half of the optimum where that is declared."""

import numpy as np
import pytest
from adversarial import ADVERSARIAL, SOLVERS, guaranteed_ratio, run, run_expired
from oracles import brute_force, plain_fits, plain_saving
from random_terms import best_in_bytes
from samples import random_instance

from slimbench.bench.plugins.context import SolveContext
from slimbench.formulations import SolverError
from slimbench.formulations.terms.and_terms import and_terms
from slimbench.instances import DISPATCHES


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_dp_is_feasible_deterministic_and_keeps_its_guarantee(kind, dispatch):
    instance = ADVERSARIAL[kind](dispatch)
    placement, context = run("slim-dp", instance)
    assert plain_fits(instance, placement)
    assert run("slim-dp", instance, seed=1)[0] == placement
    assert plain_fits(instance, run_expired("slim-dp", instance))
    ratio = guaranteed_ratio("slim-dp", instance, context)
    assert ratio == (None if dispatch == "parallel" and instance.max_group_size > 1 else 0.5)
    if ratio is not None:
        assert plain_saving(instance, placement) >= ratio * brute_force(instance)[0] - 1e-12


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("seed", range(5))
def test_each_server_gets_the_best_of_all_caches_given_the_ones_before(dispatch, seed):
    instance = random_instance(
        seed, dispatch=dispatch, models=2, experts=5, top_k=2, equal_sizes=False, capacity=0.3, on_device=0.2
    )
    placement, _ = run("slim-dp", instance)
    before = np.zeros_like(placement.holds)
    for n, capacity in enumerate(instance.capacities_bytes.tolist()):
        terms = and_terms(instance, before, n)
        best = best_in_bytes(terms, instance.expert_bytes, capacity)
        assert terms.value(placement.holds[n]) == pytest.approx(best, rel=1e-12)
        before[n] = placement.holds[n]


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_one_server_is_solved_to_optimality(dispatch):
    for seed in range(5):
        instance = random_instance(seed, dispatch=dispatch, servers=1, experts=7, top_k=3, capacity=0.6)
        saving = plain_saving(instance, run("slim-dp", instance)[0])
        assert saving == pytest.approx(brute_force(instance)[0], rel=1e-12)


@pytest.mark.parametrize("dispatch", ["single", "parallel"])
def test_more_than_twenty_experts_in_groups_are_refused_by_name(dispatch):
    instance = random_instance(0, dispatch=dispatch, users=8, experts=21, groups=20, skew=0.0)
    with pytest.raises(
        SolverError, match="layer 0 of model m0 has 21 experts in groups, slim-dp enumerates at most 20"
    ):
        run("slim-dp", instance)
    with pytest.raises(SolverError, match="use slim-maxconv"):
        run("slim-sweep", instance, start="slim-dp")


def test_twenty_experts_are_accepted():
    instance = random_instance(0, users=8, experts=20, groups=20, skew=0.0)
    assert plain_saving(instance, run("slim-dp", instance)[0]) > 0


@pytest.mark.parametrize(("dispatch", "top_k"), [("serial", 4), ("single", 1), ("parallel", 1)])
def test_layers_of_any_size_are_accepted_where_every_term_is_a_singleton(dispatch, top_k):
    instance = random_instance(0, dispatch=dispatch, experts=64, top_k=top_k, groups=40)
    placement, _ = run("slim-dp", instance)
    assert plain_fits(instance, placement)
    assert plain_saving(instance, placement) > 0


def test_a_run_that_its_deadline_cut_short_promises_nothing():
    instance = random_instance(0)
    context = SolveContext(np.random.default_rng(0), deadline=0.0)
    SOLVERS["slim-dp"](instance, context)
    assert guaranteed_ratio("slim-dp", instance, context) == 0
