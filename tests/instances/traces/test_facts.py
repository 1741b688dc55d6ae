"""The facts of a model that a trace carries are read within bounds, and stand in for a row of the zoo."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slimbench.instances.generators.generate import make_instance, read_recipe
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.traces.facts import FACTS_KEY, MAX_FACTS_BYTES, encode_facts, read_facts
from slimbench.instances.zoo import ZooModel, zoo_model

FACTS = ZooModel("ours", 2, 4, 1, 2, 8, 16, 3, 384, 768, 2 * 4 * 384, "made up")
ROWS = [
    {"user": user, "model": "ours", "layer": layer, "experts": [layer, 3]}
    for user in ("ann", "bob")
    for layer in (0, 1)
]


def trace(folder: Path, facts: bytes | None, rows: list[dict[str, Any]] = ROWS) -> Path:
    table = pa.Table.from_pylist(rows)
    if facts is not None:
        table = table.replace_schema_metadata({FACTS_KEY: facts})
    path = folder / "ours.parquet"
    pq.write_table(table, path)
    return path


def recipe(**more: Any) -> dict[str, Any]:
    routing = {"kind": "trace", "path": "ours.parquet"} | more.pop("routing", {})
    return {"name": "n", "dispatch": "single", "routing": routing, **more}


def test_facts_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_facts(trace(tmp_path, encode_facts(FACTS))) == FACTS


def test_a_trace_without_facts_has_none(tmp_path: Path) -> None:
    assert read_facts(trace(tmp_path, None)) is None
    assert read_facts(tmp_path / "trace.csv") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"moe_layers": 0}, "moe_layers: is 0, expected 1 to"),
        ({"moe_layers": 10**30}, "moe_layers: is 1000"),
        ({"experts_per_layer": 2**24}, "experts_per_layer: is 16777216, expected 1 to 8388608"),
        ({"top_k": 5}, "top_k: is 5, expected 1 to 4"),
        ({"shared_experts": -1}, "shared_experts: is -1"),
        ({"hidden_size": 0}, "hidden_size: is 0"),
        ({"params_per_expert": 2**60}, "params_per_expert: is"),
        ({"bytes_per_expert_bf16": 1}, "bytes_per_expert_bf16: is 1, expected 768 by the other fields"),
        ({"routed_params_total": 1}, "routed_params_total: is 1, expected 3072"),
        ({"top_k": "two"}, "top_k: expected int"),
        ({"top_k": 2.5}, "top_k: expected int"),
        ({"name": None}, "name: expected str"),
    ],
)
def test_facts_that_cannot_be_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    facts = msgspec.to_builtins(FACTS) | change
    with pytest.raises(InstanceError, match=rf"ours\.parquet: slimbench\.model: {message}"):
        read_facts(trace(tmp_path, json.dumps(facts).encode()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not JSON"),
        (b"[]", "expected object"),
        (b"{}", "is missing"),
        (b" " * (MAX_FACTS_BYTES + 1), f"has {MAX_FACTS_BYTES + 1} bytes, expected at most"),
    ],
)
def test_metadata_that_are_no_facts_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InstanceError, match=message):
        read_facts(trace(tmp_path, content))


def test_a_damaged_footer_is_one_error(tmp_path: Path) -> None:
    path = trace(tmp_path, encode_facts(FACTS))
    content = path.read_bytes()
    for at in range(len(content) - 700, len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])
        try:
            read_facts(path)
        except InstanceError as error:
            assert error.file == path


def test_an_instance_takes_the_facts_of_its_trace(tmp_path: Path) -> None:
    trace(tmp_path, encode_facts(FACTS))
    instance, _ = make_instance(read_recipe(recipe(layers=1)), tmp_path)
    model = instance.models[0]
    assert (model.name, model.layers, model.experts_per_layer, model.expert_bytes) == ("ours", 1, 4, 768)


def test_experts_may_be_taken_to_be_of_the_size_of_another_models(tmp_path: Path) -> None:
    trace(tmp_path, encode_facts(FACTS))
    own, _ = make_instance(read_recipe(recipe()), tmp_path)
    sized, note = make_instance(read_recipe(recipe(routing={"size_of": "mixtral-8x7b"})), tmp_path)
    assert sized.models[0].expert_bytes == zoo_model("mixtral-8x7b").bytes_per_expert_bf16
    assert sized.models[0].experts_per_layer == 4
    assert (sized.cloud_latency_s > own.cloud_latency_s).all()  # larger states, more to compute
    assert sized.rates.tolist() == own.rates.tolist()
    assert note.endswith("assumed, those of mixtral-8x7b")
    with pytest.raises(InstanceError, match=r"routing\.size_of: is 'gpt-9'"):
        make_instance(read_recipe(recipe(routing={"size_of": "gpt-9"})), tmp_path)


def test_without_facts_and_models_nothing_is_known(tmp_path: Path) -> None:
    trace(tmp_path, None)
    with pytest.raises(InstanceError, match=r"models: is empty, .* as ours\.parquet does not tell"):
        make_instance(read_recipe(recipe()), tmp_path)


def test_models_of_the_zoo_that_a_recipe_names_count_instead_of_the_facts(tmp_path: Path) -> None:
    trace(tmp_path, encode_facts(FACTS), [row | {"model": "mixtral-8x7b"} for row in ROWS])
    instance, _ = make_instance(read_recipe(recipe(models=("mixtral-8x7b",))), tmp_path)
    assert instance.models[0].experts_per_layer == 8
