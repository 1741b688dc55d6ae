"""The problem itself: immutable, hashed by content, and with derived arrays."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import all_experts, groups_of
from samples import build, two_cells, with_fields
from strategies import instances

from slimbench.instances import Instance, Model

ARRAYS = [
    "capacities_bytes", "edge_latency_s", "cloud_latency_s", "activation_users", "activation_models",
    "activation_layers", "rates", "group_offsets", "group_indices", "server_positions_m", "user_positions_m",
]  # fmt: skip
DERIVED = [
    "group_sizes", "model_layer_starts", "layer_starts", "layer_models", "expert_layers", "expert_bytes",
    "group_layers", "group_experts", "server_order",
]  # fmt: skip


def two_models() -> Instance:
    """Two models, two layers each, so that every numbering differs from every other; positions are known."""
    instance = build(
        dispatch="single",
        capacities=[4, 0],
        models=[Model("a", 2, 3, 2, 5), Model("b", 2, 2, 1, 7)],
        edge=[[[0.3, 0.1], [0.2, math.inf]], [[0.1, 0.1], [0.1, 0.1]]],
        cloud=[[0.5, 0.5], [0.5, 0.5]],
        activations=[(0, 0, 1, (2, 0), 0.5), (1, 1, 0, (1,), 0.2), (1, 1, 1, (0,), 0.1)],
    )
    return with_fields(instance, server_positions_m=[[0, 0], [9, 0]], user_positions_m=[[2, 3], [4, 5]])


# Immutability


@pytest.mark.parametrize("field", ARRAYS + DERIVED)
def test_arrays_are_read_only(field: str) -> None:
    array = getattr(two_models(), field)
    with pytest.raises(ValueError, match="read-only"):
        array[...] = 0


def test_fields_cannot_be_replaced() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        two_cells().rates = np.zeros(3)  # type: ignore[misc]


@pytest.mark.parametrize("field", ARRAYS)
def test_instance_keeps_its_own_copy_of_an_array(field: str) -> None:
    given_array = getattr(two_models(), field).copy()
    instance = with_fields(two_models(), **{field: given_array})
    before = given_array.copy()
    given_array[...] = 1
    assert np.array_equal(getattr(instance, field), before)
    assert not np.array_equal(given_array, before)


def test_names_given_as_lists_are_kept_as_tuples() -> None:
    names = ["edge-0", "edge-1"]
    instance = with_fields(two_cells(), server_names=names)
    names[0] = "other"
    assert instance.server_names == ("edge-0", "edge-1")
    assert instance.sha256 == two_cells().sha256


class Word(str):
    """A string of another type; ``repr`` and ``str`` tell it apart."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Word({str.__repr__(self)})"

    __str__ = __repr__


@pytest.mark.parametrize("text", [np.str_, Word])
def test_hash_does_not_depend_on_the_type_of_strings(text: type[str]) -> None:
    plain = two_models()
    typed = with_fields(
        plain,
        name=text(plain.name),
        dispatch=text(plain.dispatch),
        server_names=[text(name) for name in plain.server_names],
        user_names=[text(name) for name in plain.user_names],
        models=[dataclasses.replace(model, name=text(model.name)) for model in plain.models],
    )
    assert typed.sha256 == plain.sha256
    assert type(typed.name) is type(typed.models[0].name) is type(typed.server_names[0]) is str


# Derived arrays


def test_experts_are_numbered_by_model_layer_and_index() -> None:
    instance = two_models()
    assert (instance.n_servers, instance.n_users, instance.n_activations) == (2, 2, 3)
    assert (instance.n_experts, instance.n_layers, instance.max_group_size) == (10, 4, 2)
    assert instance.model_layer_starts.tolist() == [0, 2, 4]
    assert instance.layer_starts.tolist() == [0, 3, 6, 8, 10]
    assert instance.layer_models.tolist() == [0, 0, 1, 1]
    assert instance.expert_layers.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3]
    assert instance.expert_bytes.tolist() == [5] * 6 + [7] * 4
    assert instance.group_layers.tolist() == [1, 2, 3]
    assert instance.group_sizes.tolist() == [2, 1, 1]
    assert instance.group_indices.tolist() == [0, 2, 1, 0]  # sorted within a group
    assert instance.group_experts.tolist() == [3, 5, 7, 8]


def test_servers_are_ordered_by_latency_and_ties_by_number() -> None:
    order = two_models().server_order
    assert order[0, 0].tolist() == [1, 0]
    assert order[0, 1].tolist() == [0, 1]  # the unreachable one last
    assert order[1].tolist() == [[0, 1], [0, 1]]  # all equal


@given(instances())
def test_expert_numbers_and_triples_are_inverse(instance: Instance) -> None:
    triples = all_experts(instance)
    assert instance.n_experts == len(triples)
    assert [instance.expert_triple(e) for e in range(instance.n_experts)] == triples
    assert [instance.expert(*triple) for triple in triples] == list(range(instance.n_experts))


@given(instances())
def test_group_experts_are_the_numbers_of_the_called_experts(instance: Instance) -> None:
    called = [instance.expert_triple(int(e)) for e in instance.group_experts]
    assert called == [expert for group in groups_of(instance) for expert in group]


def test_instance_without_activations_is_valid() -> None:
    instance = build(
        dispatch="single", capacities=[1], models=[Model("m", 1, 1, 1, 1)], edge=[[[0.1]]], cloud=[[1]],
        activations=[],
    )  # fmt: skip
    assert instance.max_group_size == 0
    assert instance.group_experts.shape == (0,)
    assert len(instance.sha256) == 64


# Hash


@given(instances(), st.data())
def test_hash_does_not_depend_on_the_order_of_activations(instance: Instance, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(instance.n_activations)))
    groups = [instance.group_indices[slice(*instance.group_offsets[a : a + 2])] for a in order]
    groups = [data.draw(st.permutations(g.tolist())) for g in groups]
    shuffled = with_fields(
        instance,
        activation_users=instance.activation_users[order],
        activation_models=instance.activation_models[order],
        activation_layers=instance.activation_layers[order],
        rates=instance.rates[order],
        group_offsets=np.cumsum([0, *map(len, groups)]),
        group_indices=[e for g in groups for e in g],
    )
    assert shuffled.sha256 == instance.sha256


def test_hash_of_the_documented_example_is_fixed() -> None:
    """Stored results name instances by it: a change needs a new format version."""
    assert two_cells().sha256 == "87fdf49fdd810f720631ab86ac239a6d691acf86f1d71e4cfcc71b8082694846"


def changed(field: str, index: Any, value: float) -> dict[str, np.ndarray]:
    array = getattr(two_models(), field).copy()
    array[index] = value
    return {field: array}


EVERY_CHANGE: dict[str, dict[str, Any]] = {
    "name": {"name": "other"},
    "dispatch": {"dispatch": "serial"},
    "base_latency_s": {"base_latency_s": 5e-324},
    "server name": {"server_names": ("s0", "other")},
    "user name": {"user_names": ("u0", "other")},
    "names moved between fields": {"server_names": ("u0", "u1"), "user_names": ("s0", "s1")},
    "capacity": changed("capacities_bytes", 1, 1),
    "model name": {"models": (Model("x", 2, 3, 2, 5), Model("b", 2, 2, 1, 7))},
    "layers": {"models": (Model("a", 3, 3, 2, 5), Model("b", 2, 2, 1, 7))},
    "experts_per_layer": {"models": (Model("a", 2, 3, 2, 5), Model("b", 2, 3, 1, 7))},
    "top_k": {"models": (Model("a", 2, 3, 3, 5), Model("b", 2, 2, 1, 7))},
    "expert_bytes": {"models": (Model("a", 2, 3, 2, 5), Model("b", 2, 2, 1, 8))},
    "edge latency by one bit": changed("edge_latency_s", (0, 0, 0), math.nextafter(0.3, 1)),
    "edge reachable": changed("edge_latency_s", (0, 1, 1), 1.0),
    "cloud latency by one bit": changed("cloud_latency_s", (1, 1), math.nextafter(0.5, 1)),
    "user of an activation": changed("activation_users", 0, 1),
    "model of an activation": changed("activation_models", 2, 0),
    "layer of an activation": changed("activation_layers", 0, 0),
    "rate by one bit": changed("rates", 1, math.nextafter(0.2, 1)),
    "member of a group": changed("group_indices", 0, 1),
    "members moved between groups": {"group_offsets": [0, 1, 3, 4], "group_indices": [0, 0, 1, 0]}
    | {"models": (Model("a", 2, 3, 2, 5), Model("b", 2, 2, 2, 7))},
    "one activation fewer": {
        **{f: getattr(two_models(), f)[:2] for f in ("activation_users", "activation_models", "rates")},
        "activation_layers": [1, 0], "group_offsets": [0, 2, 3], "group_indices": [0, 2, 1],
    },
}  # fmt: skip


@pytest.mark.parametrize("change", EVERY_CHANGE.values(), ids=EVERY_CHANGE)
def test_hash_changes_with_any_content(change: dict[str, Any]) -> None:
    assert with_fields(two_models(), **change).sha256 != two_models().sha256


def test_changes_give_different_hashes_among_themselves() -> None:
    hashes = {with_fields(two_models(), **change).sha256 for change in EVERY_CHANGE.values()}
    assert len(hashes) == len(EVERY_CHANGE)


@pytest.mark.parametrize("field", ["server_positions_m", "user_positions_m"])
@pytest.mark.parametrize("positions_m", [None, [[7, 7], [8, 8]]])
def test_hash_does_not_depend_on_positions(field: str, positions_m: list[list[float]] | None) -> None:
    assert with_fields(two_models(), **{field: positions_m}).sha256 == two_models().sha256


@pytest.mark.parametrize("field", ["base_latency_s", "edge_latency_s", "cloud_latency_s", "rates"])
def test_hash_does_not_tell_zero_from_negative_zero(field: str) -> None:
    zeros = {sign: np.zeros_like(getattr(two_models(), field)) * sign for sign in (1.0, -1.0)}
    hashes = {with_fields(two_models(), **{field: zero}).sha256 for zero in zeros.values()}
    assert len(hashes) == 1
