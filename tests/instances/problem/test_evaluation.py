"""The package's evaluation against the plain one of ``oracles``."""

import math

import numpy as np
import pytest
from hypothesis import given
from oracles import (
    brute_force,
    plain_activation_latencies,
    plain_fits,
    plain_latency,
    plain_saving,
    plain_user_latencies,
)
from samples import TWO_CELLS_OPTIMA_S, build, random_instance, two_cells, with_fields
from strategies import instances, placed_instances

from slimbench.instances import DISPATCHES, Instance, InstanceError, Model, Placement, evaluate


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-12, abs=1e-14)


@given(placed_instances())
def test_evaluation_agrees_with_the_plain_evaluator(placed: tuple[Instance, Placement]) -> None:
    instance, placement = placed
    worth = evaluate(instance, placement)
    assert worth.latency_s == close(plain_latency(instance, placement))
    assert worth.latency_none_s == close(plain_latency(instance, Placement.empty(instance)))
    assert worth.saving_s == close(plain_saving(instance, placement))
    assert worth.user_latency_s.tolist() == close(plain_user_latencies(instance, placement))


@pytest.mark.parametrize("dispatch", DISPATCHES)
@pytest.mark.parametrize("seed", range(3))
def test_evaluation_agrees_on_several_models_with_experts_on_devices(seed: int, dispatch: str) -> None:
    instance = random_instance(
        seed, dispatch=dispatch, models=2, layers=3, experts=6, top_k=4, on_device=0.4, equal_sizes=False
    )
    assert len(set(instance.group_sizes.tolist())) > 1
    holds = np.random.default_rng(seed).random((instance.n_servers, instance.n_experts)) < 0.6
    worth = evaluate(instance, Placement(holds))
    assert worth.saving_s > 0
    assert worth.saving_s == close(plain_saving(instance, Placement(holds)))
    assert worth.latency_s == close(plain_latency(instance, Placement(holds)))


@given(placed_instances())
def test_parts_of_an_evaluation_add_up(placed: tuple[Instance, Placement]) -> None:
    instance, placement = placed
    worth = evaluate(instance, placement)
    assert worth.latency_s == close(worth.latency_none_s - worth.saving_s)
    assert worth.latency_s - instance.base_latency_s == close(math.fsum(worth.user_latency_s))


@given(placed_instances())
def test_saving_is_never_negative_not_even_by_rounding(placed: tuple[Instance, Placement]) -> None:
    assert evaluate(*placed).saving_s >= 0.0


@given(instances())
def test_caching_nothing_saves_exactly_nothing(instance: Instance) -> None:
    worth = evaluate(instance, Placement.empty(instance))
    assert worth.saving_s == 0.0
    assert worth.latency_s == worth.latency_none_s


@pytest.mark.parametrize("size", range(1, 17))
@pytest.mark.parametrize("cloud", [0.1, 0.7, 1e-3 / 3])
def test_serial_calls_of_large_groups_save_exactly_nothing_from_the_cloud(size: int, cloud: float) -> None:
    """A product of cloud latency and size differs in the last bit from the sum of the calls."""
    instance = build(
        dispatch="serial",
        capacities=[16],
        models=[Model("m", 1, 16, 16, 1)],
        edge=[[[math.inf]]],
        cloud=[[cloud]],
        activations=[(0, 0, 0, range(size), 1.0)],
    )
    full = Placement(np.ones((1, 16), np.bool_))
    assert evaluate(instance, full).saving_s == 0.0


@given(placed_instances())
def test_one_more_expert_never_costs_anything(placed: tuple[Instance, Placement]) -> None:
    instance, placement = placed
    more = placement.holds.copy()
    more[:, 0] = True
    assert evaluate(instance, Placement(more)).saving_s >= evaluate(instance, placement).saving_s


@given(placed_instances())
def test_serial_waits_longest_and_parallel_never_longer_than_single(
    placed: tuple[Instance, Placement],
) -> None:
    instance, placement = placed
    latency = {d: evaluate(with_fields(instance, dispatch=d), placement).latency_s for d in DISPATCHES}
    assert latency["parallel"] <= latency["single"]
    assert latency["parallel"] <= latency["serial"] * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_dispatches_are_one_problem_when_every_group_has_one_expert(seed: int) -> None:
    instance = random_instance(seed, top_k=1, layers=2)
    placement = Placement(np.random.default_rng(seed).random((3, 10)) < 0.5)
    savings = {evaluate(with_fields(instance, dispatch=d), placement).saving_s for d in DISPATCHES}
    assert len(savings) == 1
    assert savings.pop() > 0


# The documented example


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_documented_example_has_the_documented_optimum(dispatch: str) -> None:
    instance = two_cells(dispatch)
    saving, placement = brute_force(instance)
    worth = evaluate(instance, placement)
    assert worth.latency_s == close(TWO_CELLS_OPTIMA_S[dispatch])
    assert worth.saving_s == close(saving)
    assert worth.latency_none_s == close(0.2 if dispatch == "serial" else 0.11)


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_documented_example_has_the_documented_placement(dispatch: str) -> None:
    first, second = ((0, 1), (2,)) if dispatch == "single" else ((1, 2), (0,))
    placement = Placement.of(two_cells(), {0: [(0, 0, i) for i in first], 1: [(0, 0, i) for i in second]})
    assert brute_force(two_cells(dispatch))[1] == placement


def test_user_latencies_of_the_documented_example() -> None:
    placement = Placement.of(two_cells(), {0: [(0, 0, 0), (0, 0, 1)], 1: [(0, 0, 2)]})
    worth = evaluate(two_cells("single"), placement)
    # u0: 0.5 at edge-0 (10 ms) and 0.2 at edge-1 (30 ms); u1: its pair is split, so 0.4 at the cloud (100 ms)
    assert worth.user_latency_s.tolist() == close([0.5 * 0.01 + 0.2 * 0.03, 0.4 * 0.1])


def test_base_latency_shifts_latency_and_not_saving() -> None:
    placement = Placement.of(two_cells(), {0: [(0, 0, 2)]})
    plain, shifted = (
        evaluate(with_fields(two_cells(), base_latency_s=base), placement) for base in (0.0, 0.25)
    )
    assert shifted.latency_s == close(plain.latency_s + 0.25)
    assert shifted.latency_none_s == close(plain.latency_none_s + 0.25)
    assert shifted.saving_s == plain.saving_s > 0
    assert np.array_equal(shifted.user_latency_s, plain.user_latency_s)


def test_server_slower_than_the_cloud_is_not_used() -> None:
    instance = with_fields(two_cells(), edge_latency_s=np.full((2, 2, 1), 0.2))
    assert evaluate(instance, Placement(np.ones((2, 3), np.bool_))).saving_s == 0.0


# Feasibility is the caller's question; shape is not


@given(placed_instances())
def test_placement_that_does_not_fit_is_still_evaluated(placed: tuple[Instance, Placement]) -> None:
    instance, placement = placed
    empty_servers = with_fields(instance, capacities_bytes=np.zeros(instance.n_servers, np.int64))
    assert (placement.violation(empty_servers) is None) == plain_fits(empty_servers, placement)
    assert evaluate(empty_servers, placement).saving_s == evaluate(instance, placement).saving_s


@pytest.mark.parametrize("shape", [(1, 3), (2, 4), (3, 2), (0, 0)], ids=str)
def test_placement_of_another_shape_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(InstanceError, match=r"^placement: .*expected \(2, 3\) \(servers, experts\)$"):
        evaluate(two_cells(), Placement(np.zeros(shape, np.bool_)))


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_brute_force_finds_what_no_placement_beats(dispatch: str) -> None:
    """The oracle itself: no feasible placement at all is better, maximal or not."""
    instance = random_instance(5, dispatch=dispatch, servers=2, experts=4, users=2, capacity=0.6)
    best, placement = brute_force(instance)
    assert plain_fits(instance, placement)
    feasible = [
        candidate
        for number in range(2**8)
        if plain_fits(instance, candidate := Placement(_bits(number).reshape(2, 4)))
    ]
    assert max(plain_saving(instance, p) for p in feasible) == close(best)
    assert best > 0


def _bits(number: int) -> np.ndarray:
    return np.array([number >> bit & 1 for bit in range(8)], np.bool_)


# Size


@pytest.fixture(scope="module")
def million() -> Instance:
    """One million activations of up to 4 experts, 20 servers."""
    count, users, layers, experts = 1_000_000, 200, 16, 64
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 5, count)
    start, step = rng.integers(0, experts, count), rng.integers(1, 16, count)
    rank = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return Instance(
        name="million",
        dispatch="single",
        base_latency_s=0.0,
        server_names=tuple(map(str, range(20))),
        capacities_bytes=np.full(20, layers * experts),
        models=(Model("m", layers, experts, 4, 1),),
        user_names=tuple(map(str, range(users))),
        edge_latency_s=rng.uniform(0.001, 0.1, (users, 20, 1)),
        cloud_latency_s=rng.uniform(0.05, 0.1, (users, 1)),
        activation_users=rng.integers(0, users, count),
        activation_models=np.zeros(count, np.int32),
        activation_layers=rng.integers(0, layers, count),
        rates=rng.random(count),
        group_offsets=np.concatenate([[0], np.cumsum(sizes)]),
        group_indices=(np.repeat(start, sizes) + rank * np.repeat(step, sizes)) % experts,
    )


@pytest.mark.parametrize("dispatch", DISPATCHES)
def test_million_activations_are_each_evaluated_as_the_plain_evaluator_does(
    million: Instance, dispatch: str
) -> None:
    instance = with_fields(million, dispatch=dispatch)
    placement = Placement(np.random.default_rng(1).random((20, instance.n_experts)) < 0.3)
    users = np.flatnonzero(np.arange(instance.n_users) % 100 == 0)  # two of them, all of their activations
    sample = np.flatnonzero(np.isin(instance.activation_users, users))
    groups = [instance.group_indices[slice(*instance.group_offsets[a : a + 2])] for a in sample[:2000]]
    part = with_fields(
        instance,
        **{f: getattr(instance, f)[sample[:2000]] for f in ("activation_users", "activation_models")},
        activation_layers=instance.activation_layers[sample[:2000]],
        rates=np.ones(len(groups)),
        group_offsets=np.cumsum([0, *map(len, groups)]),
        group_indices=np.concatenate(groups),
    )
    worth = evaluate(part, placement)
    assert worth.latency_s == close(math.fsum(plain_activation_latencies(part, placement)))

    chosen = np.zeros(instance.n_activations)
    chosen[sample[:2000]] = 1.0  # the others at rate zero: the whole must equal its part
    whole = evaluate(with_fields(instance, rates=chosen), placement)
    assert whole.latency_s == close(worth.latency_s)
    assert whole.saving_s == close(worth.saving_s)
