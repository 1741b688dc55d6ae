"""What backends have in common besides their optima: starts, progress, bounds, logs, and what they refuse."""

import functools
import re
import sys

import numpy as np
import pytest
from isolated import PATIENCE_S, process_of, solve_and_listen, solve_with_a_bad_listener
from oracles import plain_saving
from samples import random_instance, two_cells, with_fields
from scipy import sparse

from slimbench.formulations import SolverError, backends, libraries
from slimbench.formulations.backends import BACKENDS, MilpResult, SolveOptions, Start, load_backend
from slimbench.formulations.milp.build import build_milp
from slimbench.formulations.milp.model import MilpModel
from slimbench.formulations.tolerances import RELATIVE_GAP
from slimbench.instances import DISPATCHES, Placement, evaluate

LISTENED = ["highs", "scip", "cp-sat", "gurobi"]  # CBC tells at its end only
WITH_A_ROOT = [b for b in BACKENDS if b != "cp-sat"]
MODELS = {"single": "cover", "parallel": "assignment"}
# What each says of a start it takes, and of itself
ACCEPTED = {
    "highs": "MIP start solution is feasible",
    "cbc": "MIPStart provided solution with cost -",
    "scip": "feasible solution found by completesol heuristic",
    "cp-sat": "The solution hint is complete and is feasible",
    "gurobi": "User MIP start produced solution with objective",
}
OWN_WORDS = {
    "highs": "Dual bound",
    "cbc": "Welcome to the CBC MILP Solver",
    "scip": "SCIP Status",
    "cp-sat": "Starting CP-SAT solver",
    "gurobi": "Gurobi Optimizer version",
}


@functools.cache
def model(dispatch="single"):
    """A model that takes some search; some columns of that of ``parallel`` are no integers in its optima."""
    users, groups = (8, 6) if dispatch == "single" else (4, 4)
    instance = random_instance(
        1, dispatch=dispatch, users=users, layers=2, experts=8, groups=groups, capacity=0.3
    )
    return instance, build_milp(instance, MODELS[dispatch])


def first_experts(instance):
    """A placement no solver comes across by itself: every server caches the first experts that fit."""
    holds = np.zeros((instance.n_servers, instance.n_experts), bool)
    for n, capacity in enumerate(instance.capacities_bytes):
        holds[n] = np.cumsum(instance.expert_bytes) <= capacity
    return Placement(holds)


def listened(milp, backend, options=SolveOptions(), environment=None):  # noqa: B008  # frozen
    job = process_of(BACKENDS[backend][0]).submit(solve_and_listen, milp, backend, options, environment)
    return job.result(PATIENCE_S)


@functools.cache
def plain(backend, dispatch="single"):
    """A solve without a start."""
    return listened(model(dispatch)[1], backend)


@pytest.mark.parametrize("dispatch", MODELS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_start_is_taken_with_its_whole_saving_and_the_optimum_stays(backend, dispatch, tmp_path):
    instance, milp = model(dispatch)
    placement = first_experts(instance)
    units = evaluate(instance, placement).saving_s / milp.seconds_per_unit
    log = tmp_path / "log"
    told = listened(milp, backend, SolveOptions(start=Start.of(milp, placement), log_file=log))
    unstarted = plain(backend, dispatch)
    assert ACCEPTED[backend] in log.read_text()
    assert told["result"].termination == "optimal"
    assert told["result"].objective == pytest.approx(unstarted["result"].objective, rel=1e-6)
    assert units < told["result"].objective * 0.9
    if backend in LISTENED:
        assert any(value == pytest.approx(units, rel=1e-6) for value, _ in told["incumbents"])
        assert not any(value == pytest.approx(units, rel=1e-6) for value, _ in unstarted["incumbents"])
    else:
        printed = re.search(r"MIPStart provided solution with cost (\S+)", log.read_text())
        assert float(printed[1]) == pytest.approx(-units, rel=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_start_that_does_not_fit_is_ignored(backend):
    instance, milp = model()
    everything = Placement(np.ones((instance.n_servers, instance.n_experts), bool))
    options = SolveOptions(start=Start.of(milp, everything))
    result = listened(milp, backend, options)["result"]
    assert result.termination == "optimal"
    assert result.objective == pytest.approx(plain(backend)["result"].objective, rel=1e-6)


def column_values(milp, start):
    values = np.zeros(milp.n_columns)
    values[start.columns] = start.values
    return values


def forbidden(milp, values):
    """Whether a row of integer columns alone is broken."""
    alone = abs(milp.rows) @ ~milp.integer == 0
    return bool(((milp.rows @ values - milp.row_upper)[alone] > 0).any())


def test_a_start_has_identical_servers_in_the_order_of_the_model():
    """Rows that tell identical servers apart would forbid the start otherwise."""
    instance = random_instance(0, servers=4)
    edge = instance.edge_latency_s.copy()
    edge[:, [1, 2]] = edge[:, [0]]
    capacities = np.full(4, 2 * instance.expert_bytes[0])
    instance = with_fields(instance, edge_latency_s=edge, capacities_bytes=capacities)
    milp = build_milp(instance, reductions=frozenset({"symmetry"}))
    holds = np.zeros((4, instance.n_experts), bool)
    holds[[1, 2, 2, 3], [0, 1, 2, 3]] = True
    start = Start.of(milp, Placement(holds))
    ordered = milp.placement(column_values(milp, start))
    assert ordered.holds.sum(axis=1).tolist() == [2, 1, 0, 1]
    assert not forbidden(milp, column_values(milp, start))
    assert plain_saving(instance, ordered) == pytest.approx(plain_saving(instance, Placement(holds)))


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_placements_that_reductions_forbid_start_as_one_that_is_allowed_and_saves_no_less(dispatch):
    swapped = 0
    for seed in range(20):
        instance = random_instance(seed, dispatch=dispatch, servers=1, users=3, experts=8, capacity=0.3)
        milp, placement = build_milp(instance), first_experts(instance)
        start = Start.of(milp, placement)
        values = column_values(milp, start)
        modelled = milp.placement_columns >= 0
        unchanged = np.zeros(milp.n_columns)
        unchanged[milp.placement_columns[modelled]] = placement.holds[modelled]
        swapped += forbidden(milp, unchanged)
        assert not forbidden(milp, values)
        saving = plain_saving(instance, placement)
        assert plain_saving(instance, milp.placement(values)) >= saving * (1 - 1e-9)
    assert swapped > 3


@pytest.mark.parametrize("backend", LISTENED)
def test_incumbents_rise_and_bounds_fall_towards_the_optimum(backend):
    told = plain(backend)
    optimum = told["result"].objective
    savings = [saving for saving, _ in told["incumbents"]]
    bounds = told["bounds"]
    assert savings
    assert bounds
    assert np.all(np.diff(savings) > 0)
    assert np.all(np.diff(bounds) < 0)
    assert savings[-1] == pytest.approx(optimum, rel=1e-6)
    assert min(bounds + [bound for _, bound in told["incumbents"]]) >= optimum * (1 - 1e-6)


@pytest.mark.parametrize("backend", WITH_A_ROOT)
def test_the_bound_of_the_root_lies_between_the_last_bound_and_no_bound(backend):
    instance = random_instance(2, users=8, layers=2, experts=9, groups=8, capacity=0.3)
    result = listened(build_milp(instance), backend)["result"]
    assert result.figures["nodes"] > 5
    assert result.bound * (1 + 1e-6) < result.root_bound < 1000  # units of the latency without a cache


@pytest.mark.parametrize("backend", WITH_A_ROOT)
def test_a_model_solved_without_a_search_has_its_optimum_as_bound_of_the_root(backend):
    nothing_binds = MilpModel(
        objective=np.array([1.0, 2.0]),
        rows=sparse.csr_array((0, 2)),
        row_upper=np.empty(0),
        integer=np.array([True, False]),
        implied_integer=np.array([True, True]),
        placement_columns=np.array([[0]]),
        seconds_per_unit=1.0,
    )
    result = listened(nothing_binds, backend)["result"]
    assert result.objective == 3.0
    assert 3.0 <= result.bound == result.root_bound <= 3.0 * (1 + RELATIVE_GAP)  # CBC stops at this gap


def test_a_root_bound_printed_below_the_last_bound_is_not_believed(monkeypatch):
    printed = MilpResult("feasible", "stopped", None, None, bound=7.0, root_bound=6.5)
    monkeypatch.setattr(backends, "load_backend", lambda _: lambda milp, options: printed)
    assert backends.solve_milp(model()[1]).root_bound == 7.0


def test_cp_sat_has_no_root():
    assert plain("cp-sat")["result"].root_bound is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_relaxation_has_no_root_either(backend):
    _, milp = model()
    result = listened(milp.relaxed(), backend)["result"]
    assert result.root_bound is None
    assert result.termination in {"optimal", "feasible"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_log_is_the_librarys_own(backend, tmp_path):
    log = tmp_path / "log"
    log.write_text("before\n")
    listened(model()[1], backend, SolveOptions(log_file=log))
    assert OWN_WORDS[backend] in log.read_text()
    assert log.read_text().startswith("before\n") == (backend != "cbc")


@pytest.mark.parametrize("listener", ["on_incumbent", "on_bound"])
@pytest.mark.parametrize("backend", LISTENED)
def test_what_a_listener_raises_comes_out_of_every_backend_as_it_is(backend, listener):
    job = process_of(BACKENDS[backend][0]).submit(solve_with_a_bad_listener, model()[1], backend, listener)
    assert job.result(PATIENCE_S) == 1


# Gurobi


@pytest.mark.slow
def test_a_model_too_large_for_gurobis_own_licence_is_one_line_with_the_limit():
    large = build_milp(random_instance(0, servers=4, users=30, layers=3, experts=16, top_k=3, groups=20))
    assert large.n_columns > 2000
    expected = f"the model has {large.n_columns} columns and .* takes 2000 of each: set GRB_LICENSE_FILE"
    with pytest.raises(SolverError, match=expected) as error:
        listened(large, "gurobi")
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_gurobi_without_a_licence_is_one_line(tmp_path):
    missing = {"GRB_LICENSE_FILE": str(tmp_path / "missing.lic")}
    with pytest.raises(SolverError, match="Gurobi has no licence: set GRB_LICENSE_FILE to one") as error:
        listened(build_milp(two_cells()), "gurobi", environment=missing)
    assert "\n" not in str(error.value)


def test_a_backend_that_is_not_installed_says_what_to_install(monkeypatch):
    monkeypatch.setattr(libraries, "_in_use", [])
    monkeypatch.setitem(sys.modules, "gurobipy", None)
    with pytest.raises(SolverError, match=r"^backend gurobi needs gurobipy: pip install gurobipy$"):
        load_backend("gurobi")
    assert libraries._in_use == []


def test_a_process_that_forks_workers_loads_no_library(monkeypatch):
    monkeypatch.setattr(libraries, "_in_use", [])
    with libraries.no_library(), pytest.raises(SolverError, match="none, as it forks workers"):
        load_backend("highs")
    assert libraries._in_use == []
