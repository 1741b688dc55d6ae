"""Two servers filled together: the best of all ways to fill them, the others left alone."""

import itertools

import numpy as np
import pytest
from oracles import brute_force, plain_saving
from samples import random_instance

from slimbench.formulations.brute_force import maximal_caches
from slimbench.formulations.heuristics.pairs import PairMoves, sweep_pairs
from slimbench.instances import DISPATCHES, Placement


def empty(instance):
    return np.zeros((instance.n_servers, instance.n_experts), np.bool_)


def sweep(instance, start=None, **options):
    start = Placement(empty(instance)) if start is None else start
    return sweep_pairs(PairMoves(instance), start, lambda _: None, lambda: False, **options)


@pytest.mark.parametrize("sizes", [{"equal_sizes": True}, {"models": 2, "equal_sizes": False, "experts": 3}])
@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_two_servers_alone_reach_the_optimum_in_one_move(dispatch, sizes):
    for seed in range(8):
        shape = {"servers": 2, "experts": 5, "top_k": 3, "on_device": 0.3, "unreachable": 0.0, **sizes}
        instance = random_instance(seed, dispatch=dispatch, **shape)
        optimum, _ = brute_force(instance)
        placement = sweep(instance)
        assert placement.violation(instance) is None
        assert plain_saving(instance, placement) == pytest.approx(optimum, rel=1e-9)


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_with_a_third_server_fixed_no_other_filling_of_the_two_saves_more(dispatch):
    for seed in range(5):
        instance = random_instance(seed, dispatch=dispatch, servers=3, experts=5, top_k=2, on_device=0.3)
        caches = [maximal_caches(instance, n, 1000) for n in range(3)]
        holds = np.stack([row[0] for row in caches])
        moves = PairMoves(instance)
        for a, b in moves.pairs:
            better = moves.improved(holds, a, b)
            reached = plain_saving(instance, Placement(holds if better is None else better))
            others = []
            for of_a, of_b in itertools.product(caches[a], caches[b]):
                other = holds.copy()
                other[a], other[b] = of_a, of_b
                others.append(plain_saving(instance, Placement(other)))
            assert reached == pytest.approx(max(others), rel=1e-9, abs=1e-15)
            if better is not None:
                third = 3 - a - b
                assert np.array_equal(better[third], holds[third])
                assert Placement(better).violation(instance) is None


def test_it_gets_out_where_single_servers_stall():
    """Fact 5: alone, no server completes the pair; together they do."""
    instance = random_instance(0, dispatch="parallel", servers=2, experts=2, users=1, groups=1, top_k=2)
    instance = type(instance)(
        **{
            **{f: getattr(instance, f) for f in type(instance).__dataclass_fields__},
            "capacities_bytes": np.array([1, 1]),
            "edge_latency_s": np.full((1, 2, 1), 0.01),
            "cloud_latency_s": np.full((1, 1), 0.1),
        }
    )
    assert plain_saving(instance, sweep(instance)) == pytest.approx(0.09)


@pytest.mark.parametrize("dispatch", ["single", "parallel"])
def test_layers_of_many_experts_are_improved_too_and_never_lose(dispatch):
    gains = []
    for seed in range(3):
        instance = random_instance(
            seed, dispatch=dispatch, servers=3, users=5, experts=12, layers=2, top_k=3, groups=8, capacity=0.3
        )
        rng = np.random.default_rng(seed)
        holds = empty(instance)
        for n, capacity in enumerate(instance.capacities_bytes):
            holds[n, rng.permutation(instance.n_experts)[:capacity]] = True
        placement = sweep(instance, Placement(holds), rng=rng)
        assert placement.violation(instance) is None
        gains.append(plain_saving(instance, placement) - plain_saving(instance, Placement(holds)))
    assert min(gains) > 0


def test_layers_that_may_not_change_do_not():
    instance = random_instance(2, dispatch="single", servers=2, layers=3, experts=4, top_k=2, groups=4)
    start = sweep(instance)
    holds = start.holds.copy()
    holds[:, instance.expert_layers == 1] = False
    free = np.array([False, True, False])
    found = sweep(instance, Placement(holds), layers=free)
    outside = instance.expert_layers != 1
    assert np.array_equal(found.holds[:, outside], holds[:, outside])
    assert plain_saving(instance, found) == pytest.approx(plain_saving(instance, start), rel=1e-9)


def test_layers_too_large_for_tables_keep_what_they_hold():
    instance = random_instance(2, dispatch="single", servers=2, experts=18, top_k=2, groups=20)
    assert sweep(instance).holds.sum() == 0


def test_it_stops_when_time_is_up():
    instance = random_instance(2, dispatch="single", servers=2, top_k=2)
    start = Placement(empty(instance))
    assert sweep_pairs(PairMoves(instance), start, lambda _: None, lambda: True) == start
