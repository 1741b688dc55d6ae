"""``slim-greedy``: plain greedy by another route, with its guarantees where saving is submodular."""

import itertools
import math

import numpy as np
import pytest
from adversarial import ADVERSARIAL, SOLVERS, guaranteed_ratio, run, saving_of
from oracles import all_experts, brute_force, plain_fits, plain_saving
from samples import build, random_instance, with_fields

from slimbench.bench.plugins.context import SolveContext
from slimbench.instances import DISPATCHES, Model, Placement


def dyadic(seed, dispatch, *, top_k, servers=2, sizes=(1, 2)):
    """Latencies and rates in powers of two, so that every saving is exact and ties are ties."""
    rng = np.random.default_rng(seed)
    instance = random_instance(
        seed, dispatch=dispatch, top_k=top_k, servers=servers, models=len(sizes), experts=4, on_device=0.5
    )
    edge = rng.choice([1, 2, 3, 4, np.inf], instance.edge_latency_s.shape) / 64
    models = [Model(f"m{m}", 1, 4, top_k, size) for m, size in enumerate(sizes)]
    return with_fields(
        instance,
        models=models,
        edge_latency_s=edge,
        cloud_latency_s=np.full(instance.cloud_latency_s.shape, 4 / 64),
        rates=rng.choice([1, 2, 3], instance.n_activations) / 8,
        capacities_bytes=rng.integers(1, 2 + 2 * sum(sizes), servers),
    )


def plain_greedy(instance, per_byte):
    """Try every expert that fits, take the best, until none saves; ties by (server, model, layer, index)."""
    holds = np.zeros((instance.n_servers, instance.n_experts), np.bool_)
    experts = all_experts(instance)
    smallest = min(model.expert_bytes for model in instance.models)
    while True:
        now, best_gain, best = plain_saving(instance, Placement(holds)), 0.0, None
        for n, e in np.ndindex(holds.shape):
            size = instance.models[experts[e][0]].expert_bytes
            more = holds.copy()
            more[n, e] = True
            if holds[n, e] or not plain_fits(instance, Placement(more)):
                continue
            gain = plain_saving(instance, Placement(more)) - now
            gain = gain / (size / smallest) if per_byte else gain
            if gain > best_gain:
                best_gain, best = gain, (n, e)
        if best is None:
            return Placement(holds)
        holds[best] = True


@pytest.mark.parametrize(
    ("dispatch", "top_k"), [("single", 1), ("serial", 2), ("single", 2), ("parallel", 2)]
)
@pytest.mark.parametrize("sizes", [(1,), (1, 2), (4, 1)])
def test_greedy_is_plain_greedy_to_the_last_tie(dispatch, top_k, sizes):
    """Lazy where saving is submodular, by refreshed layers elsewhere; of the two orders the better."""
    for seed in range(6):
        instance = dyadic(seed, dispatch, top_k=top_k, sizes=sizes)
        by_byte, by_saving = plain_greedy(instance, True), plain_greedy(instance, False)
        better = plain_saving(instance, by_saving) > plain_saving(instance, by_byte)
        assert run("slim-greedy", instance)[0] == (by_saving if better else by_byte), seed


def test_ties_go_to_the_first_server_model_layer_and_index():
    model = Model("m", layers=2, experts_per_layer=2, top_k=1, expert_bytes=1)
    calls = [(0, m, layer, (i,), 0.5) for m in range(2) for layer in range(2) for i in range(2)]
    instance = build(
        dispatch="single",
        capacities=[3, 3],
        models=[model, Model("n", 2, 2, 1, 1)],
        edge=np.full((1, 2, 2), 0.0625),
        cloud=np.full((1, 2), 0.125),
        activations=calls,
    )
    placement, _ = run("slim-greedy", instance)
    assert [np.flatnonzero(row).tolist() for row in placement.holds] == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("dispatch", ["single", "parallel"])
@pytest.mark.parametrize("top_k", [2, 3])
def test_greedy_saves_nothing_when_every_group_is_larger_than_one(dispatch, top_k):
    for seed in range(5):
        instance = random_instance(seed, dispatch=dispatch, top_k=top_k, layers=2, experts=5, capacity=0.7)
        placement, context = run("slim-greedy", instance)
        assert not placement.holds.any()
        assert saving_of("slim-dp", instance) > 0
        assert guaranteed_ratio("slim-greedy", instance, context) is None


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("kind", ADVERSARIAL)
def test_greedy_is_feasible_deterministic_and_keeps_its_guarantee(kind, dispatch):
    instance = ADVERSARIAL[kind](dispatch)
    placement, context = run("slim-greedy", instance)
    assert plain_fits(instance, placement)
    assert run("slim-greedy", instance, seed=1)[0] == placement
    ratio = guaranteed_ratio("slim-greedy", instance, context)
    if ratio is not None:
        assert plain_saving(instance, placement) >= ratio * brute_force(instance)[0] - 1e-12


def worst_ratio(instances, **parameters):
    """Smallest saving / optimum, each held against what the run is guaranteed."""
    worst = 1.0
    for instance in instances:
        placement, context = run("slim-greedy", instance, **parameters)
        optimum, _ = brute_force(instance)
        declared = guaranteed_ratio("slim-greedy", instance, context, **parameters)
        assert declared is not None
        assert plain_saving(instance, placement) >= declared * optimum - 1e-12
        if optimum > 0:
            worst = min(worst, plain_saving(instance, placement) / optimum)
    return worst


@pytest.mark.parametrize(("dispatch", "top_k"), [("parallel", 1), ("serial", 2)])
def test_guarantee_of_several_servers_with_equal_sizes(dispatch, top_k):
    family = [
        random_instance(s, dispatch=dispatch, top_k=top_k, unreachable=0.4, capacity=0.4) for s in range(20)
    ]
    assert 0.5 <= worst_ratio(family) < 1


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_guarantee_of_one_server_with_several_sizes(depth):
    family = [
        random_instance(
            s, servers=1, models=3, experts=3, top_k=1, equal_sizes=False, capacity=0.3, unreachable=0.0
        )
        for s in range(12)
    ]
    factor = 1 - 1 / math.e
    assert worst_ratio(family, enumerate=depth) >= (factor if depth == 3 else factor / 2)


def test_the_better_of_two_orders_saves_a_giant():
    """By saving per byte the crumb goes first and the giant no longer fits: nearly nothing is saved."""
    instance = build(
        dispatch="single",
        capacities=[1000],
        models=[Model("crumb", 1, 1, 1, 1), Model("giant", 1, 1, 1, 1000)],
        edge=[[[0.01, 0.01]]],
        cloud=[[0.11, 0.11]],
        activations=[(0, 0, 0, (0,), 0.002), (0, 1, 0, (0,), 1.0)],
    )
    assert plain_saving(instance, plain_greedy(instance, per_byte=True)) < 0.003 * brute_force(instance)[0]
    assert saving_of("slim-greedy", instance) == pytest.approx(brute_force(instance)[0])


def test_several_servers_with_several_sizes_have_no_guarantee():
    instance = random_instance(0, top_k=1, models=2, equal_sizes=False)
    _, context = run("slim-greedy", instance)
    assert guaranteed_ratio("slim-greedy", instance, context) is None


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_more_seeds_never_save_less(dispatch):
    for seed in range(4):
        instance = random_instance(seed, dispatch=dispatch, servers=2, experts=4, on_device=0.3, capacity=0.5)
        savings = [saving_of("slim-greedy", instance, enumerate=depth) for depth in range(4)]
        assert all(a <= b + 1e-12 for a, b in itertools.pairwise(savings))


@pytest.mark.parametrize("top_k", [2, 3])
def test_seeds_one_short_of_a_group_end_the_collapse(top_k):
    instance = random_instance(0, servers=2, experts=4, top_k=top_k, capacity=0.9)
    saves = [saving_of("slim-greedy", instance, enumerate=d) > 0 for d in range(4)]
    assert saves == [d >= top_k - 1 for d in range(4)]


def test_seeds_of_everything_that_fits_find_the_optimum():
    instance = random_instance(1, servers=1, experts=5, capacity=0.6)
    assert saving_of("slim-greedy", instance, enumerate=3) == pytest.approx(brute_force(instance)[0])


def test_an_expired_deadline_still_returns_a_placement_but_voids_the_guarantee():
    instance = random_instance(0, top_k=1)
    context = SolveContext(np.random.default_rng(0), deadline=0.0)
    assert plain_fits(instance, SOLVERS["slim-greedy"](instance, context, enumerate=3))
    assert guaranteed_ratio("slim-greedy", instance, context) is None
    assert guaranteed_ratio("slim-greedy", instance, run("slim-greedy", instance)[1]) == 0.5
