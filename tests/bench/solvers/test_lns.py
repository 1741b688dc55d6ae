"""``lns`` and ``lp-rounding``: no worse than where they start, and what the relaxation proves."""

import numpy as np
import pytest
from adversarial import ADVERSARIAL, SOLVERS, run, run_expired
from oracles import brute_force, plain_fits, plain_saving
from samples import random_instance, with_fields

from slimbench.bench import SolveContext
from slimbench.formulations.heuristics import primal_dual as bracket_search
from slimbench.instances import DISPATCHES

QUICK = {"lns": {"patience": 5}, "lp-rounding": {"samples": 3}}


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_it_is_feasible_repeats_itself_and_saves_at_most_the_optimum(kind, dispatch, name):
    instance = ADVERSARIAL[kind](dispatch)
    placement, _ = run(name, instance, **QUICK[name])
    assert plain_fits(instance, placement)
    assert run(name, instance, **QUICK[name])[0] == placement
    assert plain_saving(instance, placement) <= brute_force(instance)[0] * (1 + 1e-12)


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_it_is_near_the_optimum_of_small_instances(dispatch, name):
    ratios = []
    for seed in range(8):
        instance = random_instance(seed, dispatch=dispatch, servers=2, layers=2, experts=4, groups=5)
        ratios.append(plain_saving(instance, run(name, instance)[0]) / brute_force(instance)[0])
    assert min(ratios) > 0.97
    assert np.mean(ratios) > 0.99


@pytest.mark.parametrize("name", QUICK)
def test_it_is_no_worse_than_the_decomposition(name):
    for seed in range(4):
        instance = random_instance(
            seed, dispatch="parallel", servers=4, users=8, layers=4, experts=6, groups=8
        )
        start = plain_saving(instance, run("slim-maxconv", instance)[0])
        assert plain_saving(instance, run(name, instance, **QUICK[name])[0]) >= start * (1 - 1e-12)


@pytest.mark.parametrize("name", QUICK)
def test_wide_layers_are_filled_server_by_server(name):
    instance = random_instance(
        2, dispatch="single", servers=3, users=6, layers=2, experts=20, top_k=3, groups=40, capacity=0.2
    )
    start = plain_saving(instance, run("slim-sweep", instance)[0])
    placement, _ = run(name, instance, **QUICK[name])
    assert plain_fits(instance, placement)
    assert plain_saving(instance, placement) >= start * (1 - 1e-12)


@pytest.mark.parametrize("name", QUICK)
def test_a_passed_deadline_still_gives_a_placement(name):
    instance = random_instance(1, dispatch="single", top_k=2)
    assert plain_fits(instance, run_expired(name, instance))


def test_more_patience_tries_more():
    instance = random_instance(4, dispatch="parallel", servers=4, users=8, layers=4, experts=6, groups=8)
    few, many = (run("lns", instance, patience=p)[1].figures["iterations"] for p in (2, 20))
    assert 2 <= few < many


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_the_relaxation_bounds_the_optimum(dispatch):
    for seed in range(6):
        instance = random_instance(seed, dispatch=dispatch, top_k=2, groups=4)
        told = []
        context = SolveContext(np.random.default_rng(0), on_report=lambda _, bound: told.append(bound))  # noqa: B023
        placement = SOLVERS["lp-rounding"](instance, context)
        bound, optimum = min(b for b in told if b is not None), brute_force(instance)[0]
        assert bound >= optimum * (1 - 1e-6)
        assert not context.proven_optimal or plain_saving(instance, placement) == pytest.approx(
            optimum, rel=1e-6
        )


def test_random_roundings_follow_the_shares():
    instance = random_instance(0, dispatch="single", servers=1, users=2, layers=1, experts=4)
    instance = with_fields(instance, capacities_bytes=instance.expert_bytes[:1])
    shares, rng = np.array([[0.6, 0.3, 0.1, 0.0]]), np.random.default_rng(0)
    drawn = np.mean([bracket_search.rounded(instance, shares, rng).holds[0] for _ in range(4000)], axis=0)
    assert drawn == pytest.approx(shares[0], abs=0.03)
