import gzip
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimbench.instances.generators.generate import make_instance, read_recipe
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Instance

REPOSITORY = Path(__file__).parents[3]
DATA = Path(os.environ.get("SLIMBENCH_DATA", REPOSITORY.parent / "shared" / "data" / "routing"))
HAS_DATA = [DATA] if (DATA / "mixtral-fiddler").is_dir() and (DATA / "qwen15-moe-vllm").is_dir() else []

RADIO = {
    "name": "radio-a",
    "dispatch": "single",
    "seed": 1,
    "models": ["mixtral-8x7b"],
    "layers": 4,
    "network": {"servers": 3, "users": 10},
    "routing": {"kind": "zipf", "zipf_exponent": 0.8},
}
TWO_MODELS = RADIO | {
    "name": "two",
    "dispatch": "parallel",
    "models": ["mixtral-8x7b", "olmoe-1b-7b"],
    "layers": 2,
    "routing": {"kind": "zipf", "device_experts": 2, "user_taste": 0.5, "tokens": 40},
}
TRACE = RADIO | {"name": "traced", "layers": 2, "routing": {"kind": "trace", "path": "trace.jsonl"}}
FIDDLER = {"name": "m", "dispatch": "serial", "seed": 3, "routing": {"kind": "mixtral-fiddler"}}
QWEN = {"name": "q", "dispatch": "single", "seed": 3, "routing": {"kind": "qwen15-moe-vllm"}}


def made(recipe: dict[str, Any], data: Path | None = None, **changes: Any) -> Instance:
    return make_instance(read_recipe(recipe | changes), data)[0]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Files of the published formats, but tiny."""
    trace = [
        {"user": user, "model": "mixtral-8x7b", "layer": layer, "experts": [layer, 7]}
        for user in ("ann", "bob")
        for layer in range(3)
    ]
    (tmp_path / "trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in trace))
    (tmp_path / "mixtral-fiddler").mkdir()
    for subject, row in {"law": [6, 4, 3, 2, 2, 1, 1, 1], "art": [2, 3, 3, 3, 3, 2, 2, 2]}.items():
        file = {"total_input_tokens": 7, "expert_popularity": [row, row[::-1]]}
        (tmp_path / "mixtral-fiddler" / f"{subject}.json").write_text(json.dumps(file))
    (tmp_path / "qwen15-moe-vllm").mkdir()
    lines: list[dict[str, Any]] = [{"type": "meta", "layers_logged": [8], "top_k": 4}]
    groups = [[1, 2, 3, 4]] * 5 + [[i, i + 7, i + 20, 59] for i in range(30)]
    lines += [{"type": "route", "layer": 8, "topk_ids": group} for group in groups]
    packed = gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode())
    (tmp_path / "qwen15-moe-vllm" / "moe_layer8.jsonl.gz").write_bytes(packed)
    return tmp_path


@pytest.mark.parametrize(
    ("recipe", "sha256"),
    [
        (RADIO, "4585409d3cc63e729be78c59059ec9e3c7c201adf23666fc1cd2e1cf74a0bd31"),
        (TWO_MODELS, "05b62de54eb45e25e3fb5b4b8b41ac5a42450f16350331b9ece33e08941542c7"),
        (TRACE, "a2ba7e4d724b61aa0aa0a6271b8f0a1f183110fec82949bf2a8202dfd855165e"),
        (FIDDLER, "d219a13d8db68580bb1be152d28201daaf376ce6eab7433316dc14bb0c6e3952"),
        (QWEN, "1155f87649a4395f691f831e90a76140c0a678bee9ee3e859043f8c3e36aecf2"),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_the_same_recipe_gives_the_same_instance_on_every_platform(
    data: Path, recipe: dict[str, Any], sha256: str
) -> None:
    assert made(recipe, data).sha256 == sha256


@pytest.mark.parametrize("recipe", [RADIO, QWEN], ids=["zipf", "qwen"])
def test_another_seed_gives_another_instance(data: Path, recipe: dict[str, Any]) -> None:
    one, other = made(recipe, data), made(recipe, data, seed=4)
    assert not np.array_equal(one.cloud_latency_s, other.cloud_latency_s)
    assert not np.array_equal(one.capacities_bytes, other.capacities_bytes)
    assert not np.array_equal(one.group_indices, other.group_indices)


def test_dispatch_and_network_take_no_part_in_the_routing() -> None:
    one = made(RADIO)
    other = made(RADIO, dispatch="serial", network={"servers": 8, "users": 10})
    assert np.array_equal(one.group_indices, other.group_indices)
    assert np.array_equal(one.rates, other.rates)
    assert not np.array_equal(one.cloud_latency_s, other.cloud_latency_s)


def test_an_instance_has_what_its_recipe_asks_for() -> None:
    instance = made(RADIO)
    assert (instance.name, instance.dispatch, instance.n_servers, instance.n_users) == (
        "radio-a",
        "single",
        3,
        10,
    )
    assert (instance.n_layers, instance.n_experts, instance.max_group_size) == (4, 32, 2)
    shares = instance.capacities_bytes / instance.expert_bytes.sum()
    assert ((shares >= 0.2) & (shares <= 0.3)).all()
    for layer in range(4):
        assert instance.rates[instance.group_layers == layer].sum() == pytest.approx(1)


def test_positions_are_those_the_network_was_drawn_with() -> None:
    instance = made(RADIO, network={"servers": 3, "users": 10, "shadowing_db": 0})
    servers_m, users_m = instance.server_positions_m, instance.user_positions_m
    assert servers_m is not None
    assert users_m is not None
    distances_m = np.linalg.norm(users_m[:, None] - servers_m[None], axis=2)
    fastest = np.argmin(instance.edge_latency_s[:, :, 0], axis=1)
    assert np.array_equal(np.argmin(distances_m, axis=1), fastest)  # the nearest, without shadowing
    reached = np.isfinite(instance.edge_latency_s[:, :, 0])
    reached[np.arange(10), fastest] = False
    assert (distances_m[reached] <= 200).all()
    assert 0 < users_m.min() < users_m.max() < 400


def test_a_device_that_holds_experts_never_asks_for_them() -> None:
    whole, rest = made(TWO_MODELS | {"routing": {"kind": "zipf"}}), made(TWO_MODELS)
    assert whole.base_latency_s == 0 < rest.base_latency_s
    asked = np.zeros((rest.n_users, rest.n_experts), np.bool_)
    asked[np.repeat(rest.activation_users, rest.group_sizes), rest.group_experts] = True
    for first, end in zip(rest.layer_starts[:-1], rest.layer_starts[1:], strict=True):
        assert (asked[:, first:end].sum(axis=1) <= end - first - 2).all()


def test_users_and_layers_of_a_trace_are_kept(data: Path) -> None:
    instance, note = make_instance(read_recipe(TRACE), data)
    assert instance.user_names == ("ann", "bob")
    assert instance.edge_latency_s.shape == (2, 3, 1)
    assert instance.activation_layers.tolist() == [0, 1, 0, 1]  # the third layer was not asked for
    assert instance.rates.tolist() == [0.5] * 4
    assert note == (
        "groups and their rates from the trace trace.jsonl, 6 rows; "
        "only layers 0, 1, 2 of 32 of mixtral-8x7b logged: the instance has no others, numbered from 0, "
        "and capacities are shares of these"
    )


@pytest.mark.parametrize(
    ("recipe", "words"),
    [(RADIO, "all routing drawn"), (FIDDLER, "pairs drawn"), (QWEN, "5 of 35 rows")],
    ids=["zipf", "fiddler", "qwen"],
)
def test_the_note_is_one_line_that_says_what_is_drawn(data: Path, recipe: dict[str, Any], words: str) -> None:
    note = make_instance(read_recipe(recipe), data)[1]
    assert words in note
    assert "\n" not in note


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": -1}, "seed: expected int >= 0"),
        ({"dispatch": "both"}, "dispatch: is 'both', expected one of parallel, serial, single"),
        ({"sed": 1}, "sed: is not a field"),
        ({"network": {"server": 3}}, r"network\.server: is not a field"),
        ({"network": {"servers": 0}}, r"network\.servers: is 0, expected 1"),
        ({"network": {"servers": "3"}}, r"network\.servers: expected int, got str"),
        ({"routing": {"kind": "zip"}}, "routing.kind: is 'zip', expected one of zipf, mixtral-"),
        ({"routing": {"kind": "zipf", "tokens": 0}}, r"routing\.tokens: is 0, expected"),
        ({"routing": {"kind": "zipf", "path": "x"}}, r"routing\.path: is not a field"),
        ({"routing": {"kind": "zipf", "device_experts": -1}}, r"routing\.device_experts: expected int >= 0"),
        ({"routing": {"kind": "trace"}}, r"routing\.path: is missing"),
    ],
)
def test_faults_of_a_recipe_are_named_by_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InstanceError, match=f"^{message}"):
        read_recipe(RADIO | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": []}, "models: is empty"),
        ({"models": ["mixtral"]}, r"models\[0\]: is 'mixtral', expected .*mixtral-8x7b"),
        ({"layers": 33}, "layers: is 33, expected 1 to 32"),
        (
            {"models": ["dbrx"], "routing": {"kind": "mixtral-fiddler"}},
            "models: is dbrx, expected mixtral-8x7b",
        ),
        ({"routing": {"kind": "qwen15-moe-vllm"}}, "models: is mixtral-8x7b, expected qwen1.5-moe-a2.7b"),
    ],
)
def test_models_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InstanceError, match=f"^{message}"):
        make_instance(read_recipe(RADIO | changes))


@pytest.mark.parametrize("recipe", [FIDDLER, QWEN, TRACE], ids=["fiddler", "qwen", "trace"])
def test_missing_data_are_named(tmp_path: Path, recipe: dict[str, Any]) -> None:
    folder = recipe["routing"].get("path", recipe["routing"]["kind"])
    with pytest.raises(InstanceError, match=rf"{folder}: (routing\.path: is not a folder|No such file)"):
        make_instance(read_recipe(recipe), tmp_path)


@pytest.mark.parametrize("published", HAS_DATA, ids=["published"])
def test_published_measurements_make_instances(published: Path) -> None:
    mixtral, _ = make_instance(read_recipe(FIDDLER), published)
    assert (mixtral.n_layers, mixtral.n_activations) == (32, 10 * 32 * 28)
    assert mixtral.rates.sum() == pytest.approx(32)
    qwen, note = make_instance(read_recipe(QWEN), published)
    assert (qwen.n_layers, qwen.max_group_size) == (3, 4)
    assert qwen.rates.sum() == pytest.approx(3)
    assert "8,448 of 12,805 rows" in note
