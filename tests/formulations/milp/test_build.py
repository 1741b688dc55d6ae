"""Every formulation with every backend finds the optimum that enumeration finds, and proves it."""

from __future__ import annotations

import functools
import math
from functools import partial

import numpy as np
import pytest
from grids import pairwise
from isolated import process_of, solve, submit
from oracles import brute_force, plain_fits, plain_saving
from samples import build, random_instance, two_cells, with_fields

from slimbench.formulations import SolverError
from slimbench.formulations.backends import BACKENDS, solve_milp
from slimbench.formulations.heuristics.decomposition import fill_servers
from slimbench.formulations.milp.build import ALL_REDUCTIONS, FORMULATIONS, applies, build_milp
from slimbench.formulations.single_server.solve import best_cache
from slimbench.instances import DISPATCHES, Model, Placement, evaluate

AGREEMENT = 1e-6  # relative, docs/MODEL.md
MODELS = [  # a formulation with a dispatch that it models whatever the groups
    ("cover", "single"), ("destination", "single"),
    *((formulation, dispatch) for formulation in ("cover", "radius", "assignment")
      for dispatch in ("parallel", "serial")),
]  # fmt: skip


def identical_servers(seed, dispatch, **options):
    instance = random_instance(seed, dispatch=dispatch, **options)
    first = np.repeat(instance.edge_latency_s[:, :1], instance.n_servers, axis=1)
    return with_fields(instance, edge_latency_s=first, capacities_bytes=np.full(instance.n_servers, 2))


def with_ties(seed, dispatch):
    instance = random_instance(seed, dispatch=dispatch, groups=4)
    rng = np.random.default_rng(seed)
    return with_fields(
        instance,
        edge_latency_s=rng.choice([0.02, 0.05, 0.1], instance.edge_latency_s.shape),
        cloud_latency_s=np.full(instance.cloud_latency_s.shape, 0.1),
        rates=rng.choice([0.0, 0.25, 0.5], instance.n_activations),
    )


def in_seconds_of(instance, factor):
    """The same instance with every latency multiplied."""
    return with_fields(
        instance,
        base_latency_s=instance.base_latency_s * factor,
        edge_latency_s=instance.edge_latency_s * factor,
        cloud_latency_s=instance.cloud_latency_s * factor,
    )


def odd_sizes(seed, dispatch, missing_bytes=0):
    """Two models whose sizes share no divisor, and servers with exactly room for some of each."""
    instance = random_instance(seed, dispatch=dispatch, servers=2, models=2, experts=4)
    sizes = (1_000_003, 999_983)
    models = [Model(f"m{m}", 1, 4, 2, size) for m, size in enumerate(sizes)]
    room = [2 * sizes[0] + sizes[1] - missing_bytes, sizes[0] + sizes[1] - missing_bytes]
    return with_fields(instance, models=models, capacities_bytes=np.array(room))


def without_activations(dispatch):
    model = Model("m", layers=1, experts_per_layer=3, top_k=2, expert_bytes=1)
    return build(
        dispatch=dispatch, capacities=[1], models=[model], edge=[[[0.1]]], cloud=[[0.2]], activations=[]
    )


FAMILY = {
    "two cells": two_cells,
    "K = 1": lambda d: random_instance(1, dispatch=d, top_k=1),
    "K = 2": lambda d: random_instance(2, dispatch=d, layers=2, experts=4, servers=2),
    "K = 3": lambda d: random_instance(3, dispatch=d, top_k=3, capacity=0.7),
    "three models": lambda d: random_instance(
        4, dispatch=d, servers=2, models=3, experts=3, equal_sizes=False, capacity=0.4
    ),
    "unreachable servers": lambda d: random_instance(5, dispatch=d, unreachable=0.6),
    "servers slower than the cloud": lambda d: with_fields(
        random_instance(6, dispatch=d), cloud_latency_s=np.full((4, 1), 0.04)
    ),
    "every server slower than the cloud": lambda d: with_fields(
        random_instance(6, dispatch=d), cloud_latency_s=np.full((4, 1), 0.001)
    ),
    "identical servers": lambda d: identical_servers(7, d),
    "ties": lambda d: with_ties(8, d),
    "a server without room": lambda d: with_fields(
        random_instance(9, dispatch=d), capacities_bytes=np.array([0, 2, 3])
    ),
    "no room anywhere": lambda d: with_fields(
        random_instance(9, dispatch=d), capacities_bytes=np.zeros(3, np.int64)
    ),
    "room for all": lambda d: with_fields(
        random_instance(9, dispatch=d), capacities_bytes=np.full(3, 10**15)
    ),
    "experts on devices": lambda d: random_instance(10, dispatch=d, top_k=3, on_device=0.6),
    "no activations": without_activations,
    "no calls": lambda d: with_fields(two_cells(d), rates=np.zeros(3)),
    "microseconds": lambda d: in_seconds_of(random_instance(11, dispatch=d), 1e-6),
    "kiloseconds": lambda d: in_seconds_of(random_instance(11, dispatch=d), 1e3),
    "a base latency that dwarfs the rest": lambda d: random_instance(12, dispatch=d, base=1e3),
    "sizes without a common divisor": lambda d: odd_sizes(13, d),
    "a byte short": lambda d: odd_sizes(13, d, missing_bytes=1),
}


def close(value, units):
    """Equal at the tolerance that optima are compared at; ``units`` is the scale where the value is 0."""
    return pytest.approx(value, rel=AGREEMENT, abs=1e-9 * units or 1e-12)


def assert_the_optimum_is_proven(instance, formulations, backends):
    milps = {f: build_milp(instance, f) for f in formulations}
    results = {(f, b): submit(milp, b) for f, milp in milps.items() for b in backends}
    optimum, _ = brute_force(instance)
    none = evaluate(instance, Placement.empty(instance)).latency_none_s
    units = none - instance.base_latency_s
    for (formulation, backend), future in results.items():
        result, milp = future.result(250), milps[formulation]
        placement = milp.placement(result.values)
        assert result.termination == "optimal", (formulation, backend, result.raw_status)
        assert plain_fits(instance, placement), (formulation, backend)
        saving = evaluate(instance, placement).saving_s
        assert saving == pytest.approx(plain_saving(instance, placement), rel=1e-9, abs=1e-12 * none)
        for claim in (saving, result.objective * milp.seconds_per_unit, result.bound * milp.seconds_per_unit):
            assert claim == close(optimum, units), (formulation, backend)


@pytest.mark.parametrize(
    ("kind", "model", "backend"), pairwise(FAMILY, MODELS, [b for b in BACKENDS if b != "gurobi"])
)
def test_formulations_on_backends_prove_the_optimum_of_brute_force(kind, model, backend):
    formulation, dispatch = model
    assert_the_optimum_is_proven(FAMILY[kind](dispatch), [formulation], [backend])


@pytest.mark.slow
@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("kind", FAMILY)
def test_every_formulation_on_every_backend_proves_the_optimum_of_brute_force(kind, dispatch):
    instance = FAMILY[kind](dispatch)
    assert_the_optimum_is_proven(instance, [f for f in FORMULATIONS if applies(f, instance)], BACKENDS)


def test_the_family_has_optima_that_nothing_and_everything_reach():
    """Otherwise agreement at 0 would be all that is tested."""
    for dispatch in DISPATCHES:
        optima = {kind: brute_force(make(dispatch))[0] for kind, make in FAMILY.items()}
        worthless = {"every server slower than the cloud", "no room anywhere", "no activations", "no calls"}
        assert {kind for kind, optimum in optima.items() if optimum == 0} == worthless


def test_a_byte_less_costs_saving_where_room_is_exact():
    for dispatch in ("parallel", "serial"):
        assert brute_force(odd_sizes(13, dispatch, 1))[0] < 0.99 * brute_force(odd_sizes(13, dispatch))[0]


@pytest.mark.parametrize("kind", ["K = 2", "K = 3", "three models"])
@pytest.mark.parametrize("factor", [1e-6, 1e3])
def test_the_objective_handed_to_solvers_does_not_depend_on_the_unit_of_time(kind, factor):
    instance = FAMILY[kind]("single")
    for formulation in ("cover", "destination"):
        milp, scaled = (
            build_milp(instance, formulation),
            build_milp(in_seconds_of(instance, factor), formulation),
        )
        assert scaled.objective == pytest.approx(milp.objective, rel=1e-9)
        assert scaled.seconds_per_unit == pytest.approx(factor * milp.seconds_per_unit, rel=1e-9)


# Limits and bounds


@functools.cache
def hard(dispatch="single"):
    """Its gap is still above a tenth when the limits below strike."""
    return random_instance(
        1, dispatch=dispatch, servers=4, users=30, layers=3, experts=16, top_k=3, groups=20, capacity=0.3
    )


@pytest.mark.parametrize("limit_s", [0.0, 0.01, 0.2])
@pytest.mark.parametrize("backend", sorted({*BACKENDS} - {"gurobi"}))  # too large for its own licence
def test_a_solve_stopped_by_its_limit_is_never_optimal_and_its_bound_holds(backend, limit_s):
    assert_stopped(solve(build_milp(hard()), backend, limit_s))


def assert_stopped(result):
    """Nothing is proven; no bound counts as one of infinity, no incumbent as an empty server."""
    instance, milp = hard(), build_milp(hard())
    placement = Placement.empty(instance) if result.values is None else milp.placement(result.values)
    bound_s = math.inf if result.bound is None else result.bound * milp.seconds_per_unit
    assert result.termination == ("none" if result.values is None else "feasible")
    assert plain_fits(instance, placement)
    assert evaluate(instance, placement).saving_s <= bound_s * (1 + 1e-9)
    assert fill_saving(instance) <= bound_s * (1 + 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("backend", sorted({*BACKENDS} - {"gurobi"}))
def test_a_stopped_solve_that_has_seen_its_root_has_a_bound(backend):
    result = solve(build_milp(hard()), backend, 5.0)
    assert_stopped(result)
    assert result.bound is not None


def test_cp_sat_calls_nothing_optimal_that_its_rounding_leaves_open():
    """Its fractional columns are steps of the fastest server's gain, far above what can be had here."""
    instance = build(
        dispatch="parallel",
        capacities=[0, 2],
        models=[Model("m", layers=1, experts_per_layer=3, top_k=2, expert_bytes=1)],
        edge=[[[0.0001], [0.0993]]],
        cloud=[[0.1]],
        activations=[(0, 0, 0, (0, 1), 1.0), (0, 0, 0, (1, 2), 0.37)],
    )
    milp = build_milp(instance, "assignment")
    result = solve(milp, "cp-sat")
    optimum, _ = brute_force(instance)
    assert result.objective * milp.seconds_per_unit == pytest.approx(optimum, rel=1e-9)
    assert result.bound * milp.seconds_per_unit >= optimum
    open_gap = result.bound - result.objective > AGREEMENT * result.objective
    assert result.termination == ("feasible" if open_gap else "optimal")


def relaxed_value(instance, formulation, reductions=ALL_REDUCTIONS):
    """Saving in seconds per token that the linear relaxation promises."""
    milp = build_milp(instance, formulation, reductions).relaxed()
    assert not milp.integer.any()
    result = solve(milp)
    assert result.termination == "optimal"
    return result.objective * milp.seconds_per_unit


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("kind", ["K = 1", "K = 2", "K = 3", "three models", "ties", "experts on devices"])
def test_linear_relaxations_bound_the_optimum(kind, dispatch):
    instance = FAMILY[kind](dispatch)
    optimum, _ = brute_force(instance)
    for formulation in (f for f in FORMULATIONS if applies(f, instance)):
        assert relaxed_value(instance, formulation) >= optimum * (1 - 1e-9)


RELAXED = [
    random_instance(s, servers=4, users=8, experts=8, top_k=3, groups=6, capacity=0.3) for s in range(4)
]


def test_relaxed_cover_equals_destination():
    """Destination's best w fills the servers in order of latency, which is cover's sum over levels."""
    for instance in RELAXED:
        cover, destination = relaxed_value(instance, "cover"), relaxed_value(instance, "destination")
        assert cover == pytest.approx(destination, rel=1e-9)
        assert cover > 1.001 * fill_saving(instance)  # the relaxation is not tight here


def fill_saving(instance):
    return evaluate(
        instance, fill_servers(instance, partial(best_cache, max_exact_experts=10)).placement
    ).saving_s


@pytest.mark.parametrize("dispatch", ["parallel", "serial"])
def test_relaxed_cover_equals_radius_and_is_never_weaker_than_assignment(dispatch):
    """Merging users in ``cover`` loses nothing: columns with the same rows have the same best value."""
    for instance in (with_fields(i, dispatch=dispatch) for i in RELAXED):
        cover, radius, assignment = (relaxed_value(instance, f) for f in ("cover", "radius", "assignment"))
        assert cover == pytest.approx(radius, rel=1e-9)
        assert cover <= assignment * (1 + 1e-9)


# Refusals


@pytest.mark.parametrize("library", sorted({library for library, _, _ in BACKENDS.values()}))
def test_a_second_solver_library_in_a_process_is_refused(library):
    milp = build_milp(two_cells())
    own = next(b for b, (name, _, _) in BACKENDS.items() if name == library)
    solve(milp, own)
    for backend, (other, _, _) in BACKENDS.items():
        if other != library:
            with pytest.raises(SolverError, match=f"needs {other}, but this process has used {library}"):
                process_of(library).submit(solve_milp, milp, backend).result(250)


def test_unknown_names_are_refused():
    with pytest.raises(SolverError, match="formulation is 'covers', expected one of cover, destination"):
        build_milp(two_cells(), "covers")
    with pytest.raises(SolverError, match="reduction is 'merg', expected among merge, merge-users"):
        build_milp(two_cells(), "cover", frozenset({"merge", "merg"}))
    with pytest.raises(SolverError, match="backend is 'cplex', expected one of highs, cbc"):
        solve_milp(build_milp(two_cells()), "cplex")


@pytest.mark.parametrize(
    ("formulation", "dispatch"),
    [("destination", "parallel"), ("destination", "serial"), ("radius", "single"), ("assignment", "single")],
)
def test_a_formulation_of_another_dispatch_is_refused_unless_no_group_has_two(formulation, dispatch):
    pairs = random_instance(0, dispatch=dispatch, top_k=2)
    assert not applies(formulation, pairs)
    with pytest.raises(SolverError, match=f"{formulation} does not model dispatch {dispatch}"):
        build_milp(pairs, formulation)
    assert applies(formulation, random_instance(0, dispatch=dispatch, top_k=1))
