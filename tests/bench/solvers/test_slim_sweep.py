"""``slim-sweep``: never below its start, and at the end no server gains by changing alone."""

import numpy as np
import pytest
from adversarial import ADVERSARIAL, SOLVERS, guaranteed_ratio, run, run_expired
from oracles import brute_force, plain_fits, plain_saving
from samples import random_instance

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.solvers.slim_dp import exact_cache
from slimbench.formulations.terms.and_terms import and_terms
from slimbench.instances import DISPATCHES

STARTS = ["slim-dp", "slim-maxconv"]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_sweep_is_feasible_deterministic_and_no_worse_than_its_start(kind, dispatch, start):
    instance = ADVERSARIAL[kind](dispatch)
    placement, context = run("slim-sweep", instance, start=start)
    assert plain_fits(instance, placement)
    assert run("slim-sweep", instance, seed=1, start=start)[0] == placement
    saving = plain_saving(instance, placement)
    assert saving >= plain_saving(instance, run(start, instance)[0]) - 1e-12
    ratio = guaranteed_ratio("slim-sweep", instance, context, start=start)
    assert (ratio is None) == (dispatch == "parallel" and instance.max_group_size > 1)
    if ratio is not None:
        assert saving >= ratio * brute_force(instance)[0] - 1e-12


@pytest.mark.parametrize("start", STARTS)
def test_a_deadline_that_passes_after_filling_leaves_the_start(start):
    instance = random_instance(0, layers=2, experts=8, groups=6, capacity=0.3)
    context = SolveContext(np.random.default_rng(0))
    context.on_report = lambda placement, bound: setattr(context, "deadline", 0.0)
    assert SOLVERS["slim-sweep"](instance, context, start=start) == run(start, instance)[0]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_sweep_outlives_a_deadline_that_has_passed(kind, start):
    instance = ADVERSARIAL[kind]("single")
    assert plain_fits(instance, run_expired("slim-sweep", instance, start=start))


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_after_sweeping_no_server_gains_by_changing_alone(dispatch):
    for seed in range(5):
        instance = random_instance(seed, dispatch=dispatch, experts=8, groups=6, capacity=0.3)
        holds = run("slim-sweep", instance, start="slim-dp")[0].holds
        for n, capacity in enumerate(instance.capacities_bytes.tolist()):
            terms = and_terms(instance, holds, n)
            assert exact_cache(instance, terms, capacity).saving_s <= terms.value(holds[n]) * (1 + 1e-11)


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_sweep_saves_more_than_its_start_on_some_instances(dispatch):
    gains = []
    for seed in range(10):
        instance = random_instance(seed, dispatch=dispatch, experts=8, groups=6, capacity=0.3)
        start = plain_saving(instance, run("slim-dp", instance)[0])
        gains.append(plain_saving(instance, run("slim-sweep", instance, start="slim-dp")[0]) / start)
    assert max(gains) > 1.01


def test_sweep_reports_its_start_first_and_its_result_last():
    instance = random_instance(1, experts=8, groups=6, capacity=0.3)
    seen = []
    context = SolveContext(
        np.random.default_rng(0), on_report=lambda placement, bound: seen.append(placement)
    )
    end = SOLVERS["slim-sweep"](instance, context)
    assert seen[0] == run("slim-maxconv", instance)[0]
    assert seen[-1] == end
