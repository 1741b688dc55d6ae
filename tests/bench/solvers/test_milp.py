"""``milp``: proofs, reports and refusals of the plugin, each library in a process of its own."""

import math
from contextlib import nullcontext

import numpy as np
import pytest
from adversarial import ADVERSARIAL, run
from grids import grid
from isolated import PATIENCE_S, process_of, run_milp_solver
from oracles import brute_force, plain_fits, plain_saving
from samples import random_instance, two_cells

from slimbench.bench.plugins.plugin import PluginError
from slimbench.bench.solvers import milp as plugin_file
from slimbench.formulations import SolverError
from slimbench.formulations.backends import BACKENDS, MilpResult
from slimbench.formulations.milp.build import ALL_REDUCTIONS
from slimbench.instances import DISPATCHES


def outcome(instance, *, deadline_left_s=math.inf, backend="highs", log_file=None, **parameters):
    """Placement, reports, figures and proof of a run in the library's own process."""
    process = process_of(BACKENDS[backend][0])
    parameters = {"backend": backend, **parameters}
    return process.submit(run_milp_solver, instance, deadline_left_s, parameters, log_file).result(PATIENCE_S)


@pytest.mark.parametrize(
    ("kind", "dispatch", "backend"), grid(ADVERSARIAL, DISPATCHES, BACKENDS, slow=["gurobi"])
)
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


def hard(backend="highs"):
    """Its gap is above a tenth when the limits strike; for Gurobi one that its own licence takes."""
    users, layers, groups = (8, 2, 16) if backend == "gurobi" else (30, 3, 20)
    return random_instance(
        1, servers=4, users=users, layers=layers, experts=16, top_k=3, groups=groups, capacity=0.3
    )


def limit_s(backend):
    return 0.02 if backend == "gurobi" else 0.2


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("limit", ["time_limit", "deadline_left_s", "no time at all"])
def test_a_run_stopped_by_either_limit_proves_nothing_but_its_bound(backend, limit):
    instance = hard(backend)
    limits = {"deadline_left_s": -1.0} if limit == "no time at all" else {limit: limit_s(backend)}
    result = outcome(instance, backend=backend, **limits)
    assert not result["optimal"]
    known = plain_saving(instance, run("slim-sweep", instance)[0])
    for placement, bound in result["reports"]:
        assert placement is None or plain_fits(instance, placement)
        assert bound is None or bound >= known * (1 - 1e-9)


@pytest.mark.parametrize("backend", ["highs", "scip", "cp-sat", "gurobi"])
def test_incumbents_and_bounds_are_reported_as_they_are_found(backend):
    """Every backend but CBC tells of every improvement, with bounds that no placement exceeds."""
    instance = random_instance(2, users=12, layers=2, experts=8, groups=8, capacity=0.3)
    result = outcome(instance, backend=backend)
    assert result["optimal"]
    assert len(result["reports"]) > 2
    assert any(placement is None for placement, _ in result["reports"])
    best = plain_saving(instance, result["placement"])
    for placement, bound in result["reports"]:
        assert placement is None or plain_saving(instance, placement) <= best * (1 + 1e-6)
        assert bound is None or bound >= best * (1 - 1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_bound_of_the_root_is_kept_in_seconds(backend):
    instance = random_instance(2, users=12, layers=2, experts=8, groups=8, capacity=0.3)
    result = outcome(instance, backend=backend)
    figures, best = result["figures"], plain_saving(instance, result["placement"])
    assert figures.keys() >= {"raw_status", "columns", "rows", "nodes"}
    if backend == "cp-sat":
        assert "root_bound_s" not in figures
    else:
        assert best * (1 - 1e-6) <= figures["root_bound_s"] <= 2 * best


# Starts


@pytest.mark.parametrize("deadline_left_s", [0.3, -1.0])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_with_a_start_ends_with_the_best_that_it_told(backend, deadline_left_s):
    """However far sweep and backend come: a sweep without any time places nothing."""
    instance = hard(backend)
    result = outcome(instance, backend=backend, start="slim-sweep", deadline_left_s=deadline_left_s)
    assert plain_fits(instance, result["placement"])
    told = [plain_saving(instance, placement) for placement, _ in result["reports"] if placement is not None]
    assert len(told) >= 2
    assert plain_saving(instance, result["placement"]) == told[-1] == max(told)


def test_a_start_is_what_slim_sweep_finds():
    instance = random_instance(2, users=12, layers=2, experts=8, groups=8, capacity=0.3)
    swept, _ = run("slim-sweep", instance)
    told = [placement for placement, _ in outcome(instance, start="slim-sweep")["reports"]]
    assert swept in told


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_a_start_changes_no_optimum(dispatch):
    instance = random_instance(0, dispatch=dispatch)
    result = outcome(instance, start="slim-sweep")
    assert result["optimal"]
    assert plain_saving(instance, result["placement"]) == pytest.approx(brute_force(instance)[0], rel=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_librarys_log_goes_where_the_context_says(backend, tmp_path):
    log = tmp_path / "log"
    outcome(two_cells(), backend=backend, log_file=log)
    assert log.stat().st_size > 0


@pytest.mark.parametrize("formulation", ["radius", "assignment"])
@pytest.mark.parametrize("reductions", ["all", "none", "merge+symmetry", "all-but-merge+symmetry"])
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


def test_reductions_are_left_out_by_name():
    rest = "+".join(sorted(ALL_REDUCTIONS - {"merge", "merge-users"}))
    sizes = [
        [outcome(random_instance(0, groups=8), reductions=r)["figures"][f] for f in ("rows", "columns")]
        for r in ("all-but-merge+merge-users", rest, "all")
    ]
    assert sizes[0] == sizes[1] > sizes[2]


@pytest.mark.parametrize("reductions", ["merg", "all-but-merg", "all-but-"])
def test_an_unknown_reduction_is_refused(reductions):
    name = reductions.removeprefix("all-but-")
    with pytest.raises(PluginError, match=rf"parameter reductions: unknown '{name}', expected .*, merge, "):
        run("milp", two_cells(), reductions=reductions)


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
        plugin_file._checked_saving_s(instance, placement, result, 0.001, "highs")
