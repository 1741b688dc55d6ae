"""The baselines, and ``brute-force``."""

import numpy as np
import pytest
from adversarial import ADVERSARIAL, SOLVERS, run, run_expired
from oracles import all_experts, brute_force, groups_of, plain_fits, plain_saving
from samples import build, random_instance

from slimbench.bench.plugins.context import SolveContext
from slimbench.formulations import SolverError
from slimbench.instances import DISPATCHES, Model, Placement

BASELINES = ["popularity", "popularity-per-layer", "random", "local-search", "annealing"]


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_baselines_are_feasible_repeat_under_a_seed_and_outlive_their_deadline(kind, dispatch, name):
    instance = ADVERSARIAL[kind](dispatch)
    placement, _ = run(name, instance)
    assert plain_fits(instance, placement)
    assert run(name, instance)[0] == placement
    assert plain_fits(instance, run_expired(name, instance))


@pytest.mark.parametrize("name", ["popularity", "popularity-per-layer", "local-search"])
def test_baselines_that_draw_nothing_do_not_depend_on_the_seed(name):
    instance = random_instance(0, layers=3, experts=8)
    assert len({run(name, instance, seed=seed)[0] for seed in range(5)}) == 1


def test_random_differs_between_seeds_and_leaves_no_room_for_one_more():
    instance = random_instance(0, models=2, layers=2, experts=6, equal_sizes=False)
    placements = [run("random", instance, seed=seed)[0] for seed in range(5)]
    assert len(set(placements)) == 5
    for placement in placements:
        left = instance.capacities_bytes - placement.used_bytes(instance)
        for room, row in zip(left, placement.holds, strict=True):
            assert np.all(instance.expert_bytes[~row] > room)


def demand(instance, server):
    """Calls per token and byte of each expert by users whom the server serves faster than the cloud."""
    experts = all_experts(instance)
    calls = dict.fromkeys(experts, 0.0)
    for a, group in enumerate(groups_of(instance)):
        u, m = instance.activation_users[a], instance.activation_models[a]
        if instance.edge_latency_s[u, server, m] < instance.cloud_latency_s[u, m]:
            for expert in group:
                calls[expert] += float(instance.rates[a])
    return [calls[e] / instance.models[e[0]].expert_bytes for e in experts]


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_popularity_caches_what_is_called_most_per_byte(dispatch):
    for seed in range(5):
        instance = random_instance(
            seed, dispatch=dispatch, models=2, layers=2, equal_sizes=False, capacity=0.3
        )
        placement, _ = run("popularity", instance)
        for n, row in enumerate(placement.holds):
            wanted = demand(instance, n)
            left = int(instance.capacities_bytes[n] - instance.expert_bytes[row].sum())
            for e in np.flatnonzero(~row):
                fitting = [c for c in np.flatnonzero(row) if wanted[c] < wanted[e] - 1e-12]
                # a less wanted expert is inside only because this one did not fit when its turn came
                room = left + int(instance.expert_bytes[fitting].sum())
                assert wanted[e] == 0 or instance.expert_bytes[e] > room
            assert all(wanted[e] > 0 for e in np.flatnonzero(row))


def layered(rates_of_layers):
    """One server with room for four experts; layer l calls expert i alone at rate rates_of_layers[l][i]."""
    layers = len(rates_of_layers)
    return build(
        dispatch="single",
        capacities=[4],
        models=[Model("m", layers, 4, 1, 1)],
        edge=[[[0.01]]],
        cloud=[[0.1]],
        activations=[
            (0, 0, layer, (i,), rate)
            for layer, rates in enumerate(rates_of_layers)
            for i, rate in enumerate(rates)
        ],
    )


def test_popularity_per_layer_shares_the_room_that_popularity_gives_to_one_layer():
    instance = layered([[9, 8, 7, 6], [4, 3, 2, 1]])
    cached = {name: np.flatnonzero(run(name, instance)[0].holds[0]).tolist() for name in BASELINES[:2]}
    assert cached == {"popularity": [0, 1, 2, 3], "popularity-per-layer": [0, 1, 4, 5]}


def test_popularity_per_layer_gives_what_is_left_over_by_demand():
    instance = layered([[9, 8, 7, 6], [4, 3, 2, 1], [5, 0, 0, 0]])
    cached = np.flatnonzero(run("popularity-per-layer", instance)[0].holds[0]).tolist()
    assert cached == [0, 1, 4, 8]  # one a layer, then the second of the first layer


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_local_search_ends_where_no_addition_and_no_swap_on_a_server_saves(dispatch):
    for seed in range(4):
        instance = random_instance(
            seed, dispatch=dispatch, servers=2, models=2, experts=4, equal_sizes=False, on_device=0.4
        )
        placement, _ = run("local-search", instance)
        saving = plain_saving(instance, placement)
        assert saving >= plain_saving(instance, run("popularity", instance)[0]) - 1e-12
        for n, row in enumerate(placement.holds):
            for dropped in [None, *np.flatnonzero(row)]:
                for added in np.flatnonzero(~row):
                    holds = placement.holds.copy()
                    holds[n, added] = True
                    if dropped is not None:
                        holds[n, dropped] = False
                    if plain_fits(instance, changed := Placement(holds)):
                        assert plain_saving(instance, changed) <= saving + 1e-12


def test_local_search_improves_on_popularity():
    gains = []
    for seed in range(8):
        instance = random_instance(seed, layers=2, experts=6, on_device=0.4, capacity=0.4)
        better, start = (plain_saving(instance, run(n, instance)[0]) for n in ("local-search", "popularity"))
        gains.append(better - start)
    assert min(gains) >= -1e-12
    assert max(gains) > 1e-3


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_annealing_leaves_local_optima_and_gets_better_with_rounds(dispatch):
    ratios = {"local-search": [], "annealing": [], "two rounds": []}
    for seed in range(8):
        instance = random_instance(seed, dispatch=dispatch, servers=2, layers=2, experts=4, groups=5)
        optimum = brute_force(instance)[0]
        ratios["local-search"].append(plain_saving(instance, run("local-search", instance)[0]) / optimum)
        ratios["annealing"].append(plain_saving(instance, run("annealing", instance)[0]) / optimum)
        ratios["two rounds"].append(plain_saving(instance, run("annealing", instance, rounds=2)[0]) / optimum)
    assert max(ratios["annealing"]) == pytest.approx(1)
    assert np.mean(ratios["annealing"]) > max(np.mean(ratios["local-search"]), np.mean(ratios["two rounds"]))


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_brute_force_finds_the_optimum_and_reports_it_as_proven(kind, dispatch):
    instance = ADVERSARIAL[kind](dispatch)
    reports = []
    context = SolveContext(np.random.default_rng(0), on_report=lambda placement, bound: reports.append(bound))
    placement = SOLVERS["brute-force"](instance, context)
    optimum, _ = brute_force(instance)
    assert plain_fits(instance, placement)
    assert plain_saving(instance, placement) == pytest.approx(optimum, rel=1e-9, abs=1e-12)
    assert context.proven_optimal
    assert reports == [pytest.approx(optimum, rel=1e-9, abs=1e-12)]


def test_brute_force_refuses_what_it_cannot_enumerate():
    with pytest.raises(SolverError, match="more than 50 caches"):
        run("brute-force", random_instance(0, experts=10), limit=50)
