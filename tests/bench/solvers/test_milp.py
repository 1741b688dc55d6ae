"""``milp``: proofs, reports and refusals of the plugin, each library in a process of its own."""

import math
from contextlib import nullcontext

import numpy as np
import pytest
from adversarial import ADVERSARIAL, SOLVERS, run
from isolated import PATIENCE_S, process_of, run_milp_solver
from oracles import brute_force, plain_fits, plain_saving, random_instance, two_cells

from slimbench.bench.plugin import PluginError
from slimbench.bench.solvers import milp as plugin_file
from slimbench.formulations import SolverError
from slimbench.formulations.backends import BACKENDS, MilpResult
from slimbench.instances import DISPATCHES


def outcome(instance, *, deadline_left_s=math.inf, backend="highs", **parameters):
    """Placement, reports, figures and proof of a run in the library's own process."""
    process = process_of(BACKENDS[backend][0])
    job = process.submit(run_milp_solver, instance, deadline_left_s, {"backend": backend, **parameters})
    return job.result(PATIENCE_S)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_milp_proves_the_optimum(kind, dispatch, backend):
    instance = ADVERSARIAL[kind](dispatch)
    result = outcome(instance, backend=backend)
    optimum, _ = brute_force(instance)
    assert result["optimal"]
    assert plain_fits(instance, result["placement"])
    assert plain_saving(instance, result["placement"]) == pytest.approx(optimum, rel=1e-6, abs=1e-12)
    placement, bound = result["reports"][-1]
    assert placement == result["placement"]
    assert bound == pytest.approx(optimum, rel=1e-6, abs=1e-12)


def hard():
    return random_instance(1, servers=4, users=30, layers=3, experts=16, top_k=3, groups=20, capacity=0.3)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("limits", [{"time_limit": 0.3}, {"deadline_left_s": 0.3}, {"deadline_left_s": -1.0}])
def test_a_run_stopped_by_either_limit_proves_nothing_but_its_bound(backend, limits):
    instance = hard()
    result = outcome(instance, backend=backend, **limits)
    assert not result["optimal"]
    known = plain_saving(instance, run("slim-sweep", instance)[0])
    for placement, bound in result["reports"]:
        assert placement is None or plain_fits(instance, placement)
        assert bound is None or bound >= known * (1 - 1e-9)


@pytest.mark.parametrize("backend", ["highs", "cp-sat"])
def test_incumbents_are_reported_as_they_are_found(backend):
    """Backends with a callback tell of every improvement, with bounds that no placement exceeds."""
    instance = random_instance(2, users=12, layers=2, experts=8, groups=8, capacity=0.3)
    result = outcome(instance, backend=backend)
    assert result["optimal"]
    assert len(result["reports"]) > 1
    best = plain_saving(instance, result["placement"])
    for placement, bound in result["reports"]:
        assert plain_saving(instance, placement) <= best * (1 + 1e-6)
        assert bound is None or bound >= best * (1 - 1e-6)


@pytest.mark.parametrize("formulation", ["radius", "assignment"])
@pytest.mark.parametrize("reductions", ["all", "none", "merge+symmetry"])
def test_formulation_and_reductions_are_parameters(formulation, reductions):
    instance = random_instance(0, dispatch="parallel")
    result = outcome(instance, formulation=formulation, reductions=reductions)
    assert plain_saving(instance, result["placement"]) == pytest.approx(brute_force(instance)[0], rel=1e-6)


def test_fewer_reductions_make_a_larger_model():
    instance = random_instance(0, groups=8)
    reduced, whole = (
        outcome(instance, formulation="destination", reductions=r)["figures"] for r in ("all", "none")
    )
    assert reduced["columns"] < whole["columns"]
    assert reduced["raw_status"] == "Optimal"


def test_an_unknown_reduction_is_refused():
    with pytest.raises(
        PluginError, match="parameter reductions: unknown 'merg', expected merge, slow-servers"
    ):
        run("milp", two_cells(), reductions="merg")


def test_a_formulation_of_another_dispatch_is_refused():
    with pytest.raises(SolverError, match="radius does not model dispatch single"):
        run("milp", two_cells("single"), formulation="radius")


@pytest.mark.parametrize(
    ("termination", "claimed_s", "contradicts"),
    [
        pytest.param("optimal", 0.059, False, id="optimal, as evaluated"),
        pytest.param("optimal", 0.0591, True, id="optimal, more than evaluated"),
        pytest.param("optimal", 0.0589, True, id="optimal, less than evaluated"),
        pytest.param("feasible", 0.0591, True, id="incumbent, more than evaluated"),
        pytest.param("feasible", 0.0589, False, id="incumbent with auxiliary columns below their best"),
    ],
)
def test_an_objective_that_the_placement_contradicts_is_an_error(termination, claimed_s, contradicts):
    instance = two_cells()
    placement = brute_force(instance)[1]  # saves 59 ms
    result = MilpResult(termination, "", np.empty(0), objective=claimed_s / 0.001, bound=None)
    expected = f"highs claims a saving of {claimed_s} s, its placement saves 0.059 s"
    with pytest.raises(SolverError, match=expected) if contradicts else nullcontext():
        plugin_file._check_objective(instance, placement, result, 0.001, "highs")


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_library_that_proves_is_named_by_backend(backend):
    assert SOLVERS["milp"].exact
    assert SOLVERS["milp"].library({"backend": backend}) == BACKENDS[backend][0]
