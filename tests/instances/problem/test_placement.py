"""Placements: what they hold, and whether they fit to the byte."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from oracles import plain_fits
from samples import build, two_cells, with_fields
from strategies import placed_instances

from slimbench.instances import Instance, InstanceError, Model, Placement

FIRST_ODD_BYTE = 2**53 + 1  # float64 cannot tell it from 2**53


def one_server(capacity: int, sizes: tuple[int, ...]) -> Instance:
    """One expert of each size, and one server."""
    models = [Model(f"m{i}", 1, 1, 1, size) for i, size in enumerate(sizes)]
    return build(
        dispatch="single",
        capacities=[capacity],
        models=models,
        edge=np.full((1, 1, len(sizes)), 0.01),
        cloud=np.full((1, len(sizes)), 0.1),
        activations=[],
    )


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param((1,), id="one-byte"),
        pytest.param((2**53, 1), id="2**53+1"),
        pytest.param((2**53 - 1, 1, 1), id="2**53+1-in-three"),
        pytest.param((2**60, 2**60 + 1, 1, 2**53 + 1), id="above-2**61"),
        pytest.param((2**62 - 1, 1), id="the-largest-allowed"),
    ],
)
def test_fit_is_decided_to_the_byte(sizes: tuple[int, ...]) -> None:
    full = Placement(np.ones((1, len(sizes)), np.bool_))
    exact, short = one_server(sum(sizes), sizes), one_server(sum(sizes) - 1, sizes)
    assert full.used_bytes(exact).tolist() == [sum(sizes)]
    assert full.violation(exact) is None
    assert full.violation(short) == (f"server s0 holds {sum(sizes)} bytes, expected at most {sum(sizes) - 1}")


def test_two_sizes_that_are_equal_as_floats_differ_as_bytes() -> None:
    assert float(FIRST_ODD_BYTE) == float(FIRST_ODD_BYTE - 1)
    full = Placement(np.ones((1, 1), np.bool_))
    assert full.violation(one_server(FIRST_ODD_BYTE, (FIRST_ODD_BYTE,))) is None
    assert full.violation(one_server(FIRST_ODD_BYTE - 1, (FIRST_ODD_BYTE,))) is not None


def test_counting_bytes_takes_less_memory_than_the_placement_itself() -> None:
    servers, experts = 64, 2**14
    wide = build(
        dispatch="single",
        capacities=[experts * 3] * servers,
        models=[Model("m", 1, experts, 1, 3)],
        edge=np.full((1, servers, 1), 0.01),
        cloud=[[0.1]],
        activations=[],
    )
    full = Placement(np.ones((servers, experts), np.bool_))
    full.used_bytes(wide)  # the instance keeps the sizes of its experts from now on
    tracemalloc.start()
    assert full.used_bytes(wide).tolist() == [experts * 3] * servers
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < full.holds.nbytes


@given(placed_instances())
def test_violation_agrees_with_a_count_in_plain_integers(placed: tuple[Instance, Placement]) -> None:
    instance, placement = placed
    assert (placement.violation(instance) is None) == plain_fits(instance, placement)


def test_violation_names_the_first_server_that_is_too_full() -> None:
    full = Placement(np.ones((2, 3), np.bool_))
    assert full.violation(two_cells()) == "server edge-0 holds 3 bytes, expected at most 2"
    roomier = with_fields(two_cells(), capacities_bytes=np.array([3, 1]))
    assert full.violation(roomier) == "server edge-1 holds 3 bytes, expected at most 1"


def test_violation_of_a_wrong_shape_says_what_was_expected() -> None:
    assert Placement(np.zeros((3, 2), np.bool_)).violation(two_cells()) == (
        "placement has shape (3, 2), expected (2, 3) (servers, experts)"
    )


def test_placement_is_read_only_and_keeps_its_own_copy() -> None:
    holds = np.zeros((2, 3), np.bool_)
    placement = Placement(holds)
    holds[0, 0] = True
    assert not placement.holds.any()
    with pytest.raises(ValueError, match="read-only"):
        placement.holds[0, 0] = True


@pytest.mark.parametrize(
    "holds",
    [
        pytest.param(np.zeros((2, 3), np.int64), id="integers"),
        pytest.param(np.zeros((2, 3)), id="floats"),
        pytest.param(np.zeros(3, np.bool_), id="one-dimension"),
        pytest.param([[0.5, 1.0]], id="list-of-floats"),
        pytest.param(None, id="none"),
    ],
)
def test_placement_takes_nothing_but_a_table_of_bool(holds: object) -> None:
    with pytest.raises(InstanceError, match=r"^holds: expected a two-dimensional array of bool"):
        Placement(holds)


def test_placements_are_equal_when_they_hold_the_same() -> None:
    a, b = (Placement.of(two_cells(), {0: [(0, 0, 1)], 1: []}) for _ in range(2))
    assert a == b
    assert hash(a) == hash(b)
    assert a != Placement.empty(two_cells())
    assert a != a.holds


def test_triples_land_on_the_expert_they_name() -> None:
    instance = build(
        dispatch="single",
        capacities=[9, 9],
        models=[Model("a", 2, 3, 1, 1), Model("b", 2, 2, 1, 1)],
        edge=np.full((1, 2, 2), math.inf),
        cloud=np.ones((1, 2)),
        activations=[],
    )
    placement = Placement.of(instance, {1: [(0, 1, 2), (1, 0, 0), (1, 1, 1)]})
    # a: layer 0 is 0..2, layer 1 is 3..5; b: layer 0 is 6..7, layer 1 is 8..9
    assert np.argwhere(placement.holds).tolist() == [[1, 5], [1, 6], [1, 9]]


@pytest.mark.parametrize(
    "triple", [(0, 0, 3), (0, 1, 0), (1, 0, 0), (-1, 0, 0), (0, -1, 0), (0, 0, -1)], ids=str
)
def test_triple_outside_the_instance_is_refused(triple: tuple[int, int, int]) -> None:
    with pytest.raises(InstanceError, match=r"^expert: is \(.*\), expected a \(model, layer, index\)"):
        Placement.of(two_cells(), {0: [triple]})
