"""What an instance refuses: each fault is named with its field."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from samples import build, two_cells, with_fields

from slimbench.instances import InstanceError, Model
from slimbench.instances.problem.validation import MAX_BYTES

# Validation: (id, field of the message, the problem, the change)


def model(**change: Any) -> dict[str, Any]:
    return {"models": (dataclasses.replace(Model("toy", 1, 3, 2, 1), **change),)}


def edited(field: str, index: Any, value: float) -> dict[str, np.ndarray]:
    array = getattr(two_cells(), field).astype(np.float64)
    array[index] = value
    return {field: array}


FAULTS = [
    ("dispatch", "dispatch", "is 'both', expected one of single, parallel, serial", {"dispatch": "both"}),
    ("name with NUL", "name", r"is 'a\x00', expected printable characters", {"name": "a\0"}),
    ("base negative", "base_latency_s", "is -1.0, expected a finite number >= 0", {"base_latency_s": -1.0}),
    ("base nan", "base_latency_s", "is nan, expected a finite number >= 0", {"base_latency_s": math.nan}),
    ("base inf", "base_latency_s", "is inf, expected a finite number >= 0", {"base_latency_s": math.inf}),
    ("no servers", "servers", "is empty, expected at least one", {"server_names": ()}),
    ("no users", "users", "is empty, expected at least one", {"user_names": ()}),
    ("no models", "models", "is empty, expected at least one", {"models": ()}),
    ("server twice", "servers[1].name", "is 'a', expected a name of its own", {"server_names": ("a", "a")}),
    ("user unnamed", "users[0].name", "is '', expected a name of its own", {"user_names": ("", "b")}),
    (
        "line break", "users[1].name", r"is 'a\nb', expected printable characters",
        {"user_names": ("a", "a\nb")},
    ),
    *(
        (f"{f} {v!r}", f"models[0].{f}", f"is {v!r}, expected a positive int", model(**{f: v}))
        for f in ("layers", "experts_per_layer", "top_k", "expert_bytes")
        for v in (0, -1, 1.5, True, 2**62 + 1)
    ),
    ("top_k", "models[0].top_k", "is 4, expected at most experts_per_layer = 3", model(top_k=4)),
    (
        "too many experts", "models", f"have {3 * 2**24} experts together, expected at most {2**24}",
        model(layers=2**24),
    ),
    (
        "too many bytes", "models", f"have experts of more than {MAX_BYTES} bytes together",
        model(expert_bytes=2**61),
    ),
    (
        "capacity negative", "servers[1].capacity_bytes", f"is -1, expected an integer 0 to {MAX_BYTES}",
        edited("capacities_bytes", 1, -1),
    ),
    (
        "capacity huge", "servers[0].capacity_bytes", f"is {2**62 + 1}, expected an integer 0 to {MAX_BYTES}",
        {"capacities_bytes": [2**62 + 1, 0]},
    ),
    (
        "capacity fraction", "servers.capacity_bytes", "has values that are not int64 integers",
        edited("capacities_bytes", 0, 1.5),
    ),
    (
        "capacity nan", "servers.capacity_bytes", "has values that are not int64 integers",
        edited("capacities_bytes", 0, math.nan),
    ),
    (
        "capacity unsigned", "servers.capacity_bytes", "has values that are not int64 integers",
        {"capacities_bytes": np.array([2**64 - 1, 0], np.uint64)},
    ),
    ("capacities short", "servers", "has shape (1,), expected (2,)", {"capacities_bytes": [1]}),
    (
        "edge shape", "edge_latency_s", "has shape (2, 2), expected (2, 2, 1)",
        {"edge_latency_s": np.zeros((2, 2))},
    ),
    (
        "cloud shape", "cloud_latency_s", "has shape (2, 2), expected (2, 1)",
        {"cloud_latency_s": np.ones((2, 2))},
    ),
    (
        "edge negative", "edge_latency_s[1][0][0]", "is -0.1, expected a number >= 0 or null",
        edited("edge_latency_s", (1, 0, 0), -0.1),
    ),
    (
        "edge nan", "edge_latency_s[0][1][0]", "is nan, expected a number >= 0 or null",
        edited("edge_latency_s", (0, 1, 0), math.nan),
    ),
    (
        "cloud inf", "cloud_latency_s[1][0]", "is inf, expected a finite number >= 0",
        edited("cloud_latency_s", (1, 0), math.inf),
    ),
    (
        "cloud negative", "cloud_latency_s[0][0]", "is -1.0, expected a finite number >= 0",
        edited("cloud_latency_s", (0, 0), -1),
    ),
    (
        "cloud nan", "cloud_latency_s[0][0]", "is nan, expected a finite number >= 0",
        edited("cloud_latency_s", (0, 0), math.nan),
    ),
    *(
        (f"rate {v}", "activations[2].rate", f"is {v}, expected a finite number >= 0", edited("rates", 2, v))
        for v in (-0.5, math.nan, math.inf)
    ),
    (
        "positions short", "servers.position_m", "has shape (1, 2), expected (2, 2)",
        {"server_positions_m": [[0, 0]]},
    ),
    (
        "positions in space", "users.position_m", "has shape (2, 3), expected (2, 2)",
        {"user_positions_m": np.zeros((2, 3))},
    ),
    *(
        (
            f"position {v}", "users[1].position_m[0]", f"is {v}, expected a number within 1e+09 m of 0",
            {"user_positions_m": [[0, 0], [v, 0]]},
        )
        for v in (math.nan, math.inf, -math.inf, 1.5e9, -1.5e9)
    ),
    ("user high", "activations[1].user", "is 2, expected 0 to 1", edited("activation_users", 1, 2)),
    ("user negative", "activations[1].user", "is -1, expected 0 to 1", edited("activation_users", 1, -1)),
    ("model high", "activations[0].model", "is 1, expected 0 to 0", edited("activation_models", 0, 1)),
    ("layer high", "activations[2].layer", "is 1, expected 0 to 0", edited("activation_layers", 2, 1)),
    (
        "user overflow", "activations.user", "has values that are not int32 integers",
        edited("activation_users", 0, 2**32),
    ),
    ("users short", "activations.user", "has shape (2,), expected (3,)", {"activation_users": [0, 0]}),
    ("layers short", "activations.layer", "has shape (2,), expected (3,)", {"activation_layers": [0, 0]}),
    ("offsets short", "activations.offsets", "has shape (3,), expected (4,)", {"group_offsets": [0, 2, 5]}),
    ("offsets end", "activations.offsets", "expected to run from 0 to 5", {"group_offsets": [0, 2, 3, 4]}),
    ("offsets start", "activations.offsets", "expected to run from 0 to 5", {"group_offsets": [1, 2, 3, 5]}),
    (
        "offsets back", "activations[1].experts", "has -1 experts, expected 1 to top_k = 2",
        {"group_offsets": [0, 2, 1, 5]},
    ),
    (
        "group empty", "activations[1].experts", "has 0 experts, expected 1 to top_k = 2",
        {"group_offsets": [0, 2, 2, 5]},
    ),
    (
        "group large", "activations[0].experts", "has 3 experts, expected 1 to top_k = 2",
        {"group_offsets": [0, 3, 4, 5]},
    ),
    (
        "expert high", "activations[1].experts", "names expert 3, expected 0 to 2",
        edited("group_indices", 2, 3),
    ),
    (
        "expert negative", "activations[2].experts", "names expert -1, expected 0 to 2",
        edited("group_indices", 4, -1),
    ),
    (
        "expert twice", "activations[2].experts", "names expert 2 twice, expected distinct experts",
        edited("group_indices", 3, 2),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "problem", "change"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS]
)
def test_fault_is_named_with_its_field(field: str, problem: str, change: dict[str, Any]) -> None:
    with pytest.raises(InstanceError) as caught:
        with_fields(two_cells(), **change)
    assert caught.value.field == field
    assert str(caught.value) == f"{field}: {problem}"


def test_duplicate_is_found_when_the_group_is_not_sorted() -> None:
    with pytest.raises(InstanceError, match=r"^activations\[0\].experts: names expert 2 twice"):
        build(
            dispatch="single", capacities=[1], models=[Model("m", 1, 3, 3, 1)], edge=[[[0.1]]],
            cloud=[[1]], activations=[(0, 0, 0, (2, 0, 2), 1.0)],
        )  # fmt: skip


@pytest.mark.parametrize("bytes_each", [MAX_BYTES // 3, MAX_BYTES // 3 + 1])
def test_bytes_of_all_experts_are_counted_exactly(bytes_each: int) -> None:
    if 3 * bytes_each <= MAX_BYTES:
        assert with_fields(two_cells(), **model(expert_bytes=bytes_each)).expert_bytes.sum() == 3 * bytes_each
    else:
        with pytest.raises(InstanceError, match=r"^models: have experts of more than"):
            with_fields(two_cells(), **model(expert_bytes=bytes_each))
