"""``exact``: the optimum, by prices and what finishes them; run where HiGHS is the only solver library."""

import numpy as np
import pytest
from adversarial import ADVERSARIAL
from isolated import process_of, run_solver
from oracles import brute_force, plain_saving
from samples import random_instance

from slimbench.instances import DISPATCHES


def run(instance, left_s=150.0, **parameters):  # kernels may have to be compiled first
    """What the plugin returned and told, from the process of HiGHS."""
    return process_of("highspy").submit(run_solver, "exact", instance, left_s, parameters).result(250)


def least_bound(outcome):
    return min(bound for _, bound in outcome["reports"] if bound is not None)


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_it_proves_the_optimum(kind, dispatch):
    instance = ADVERSARIAL[kind](dispatch)
    outcome = run(instance)
    optimum, _ = brute_force(instance)
    assert outcome["placement"].violation(instance) is None
    assert plain_saving(instance, outcome["placement"]) == pytest.approx(optimum, rel=1e-6, abs=1e-15)
    assert outcome["optimal"]
    assert optimum * (1 - 1e-12) <= least_bound(outcome) <= optimum * (1 + 1e-6) + 1e-15


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize(
    "sizes",
    [
        {"layers": 2, "experts": 3, "groups": 4},
        {"servers": 2, "experts": 8, "top_k": 4, "groups": 8},
        {"models": 2, "experts": 3, "equal_sizes": False, "servers": 2},
    ],
    ids=["layers", "groups-of-four", "two-sizes"],
)
def test_whichever_way_it_finishes_it_is_the_optimum(dispatch, sizes):
    """With hardly any price steps the tree or the MILP has all of the work to do."""
    for seed in range(3):
        instance = random_instance(seed, dispatch=dispatch, **{"servers": 2, **sizes})
        optimum, _ = brute_force(instance)
        for iterations in (1, 2000):
            outcome = run(instance, iterations=iterations)
            assert outcome["optimal"]
            assert plain_saving(instance, outcome["placement"]) == pytest.approx(optimum, rel=1e-6)
            assert least_bound(outcome) >= optimum * (1 - 1e-12)


def test_groups_go_to_the_tree_and_single_experts_to_a_milp():
    for dispatch in DISPATCHES:
        instance = random_instance(3, dispatch=dispatch, servers=3, layers=2, experts=4, top_k=2, groups=6)
        figures = run(instance, iterations=1)["figures"]
        assert figures.get("raw_status") == ("Optimal" if dispatch == "serial" else None)
        assert (figures.get("nodes", 0) > 1) == (dispatch != "serial")


def test_out_of_time_it_has_a_placement_and_no_false_proof():
    instance = random_instance(
        1, dispatch="parallel", servers=4, users=12, layers=4, experts=8, top_k=3, groups=20
    )
    outcome, longer = run(instance, left_s=-1.0), run(instance, left_s=0.5)
    assert not outcome["optimal"]
    for early, late in ((outcome, longer), (longer, longer)):
        assert early["placement"].violation(instance) is None
        assert plain_saving(instance, early["placement"]) <= plain_saving(instance, late["placement"])
        assert plain_saving(instance, late["placement"]) <= least_bound(early) * (1 + 1e-9)


def test_every_report_on_the_way_holds():
    instance = random_instance(2, dispatch="single", servers=3, layers=2, experts=5, top_k=2, groups=6)
    outcome = run(instance)
    best = plain_saving(instance, outcome["placement"])
    savings = [plain_saving(instance, p) for p, _ in outcome["reports"] if p is not None]
    assert np.all(np.diff(savings) >= -1e-12)
    assert all(bound >= best * (1 - 1e-12) for _, bound in outcome["reports"] if bound is not None)
