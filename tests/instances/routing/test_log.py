"""Logs of vLLM-MoE-Logger, read as traces."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Model
from slimbench.instances.traces.batches import TraceReader
from slimbench.instances.traces.traces import read_trace
from slimbench.instances.zoo import zoo_model

FIELD = Path(__file__).parents[1] / "field"
QWEN = zoo_model("qwen1.5-moe-a2.7b").model()
MODELS = [Model("toy", 2, 4, 2, 1), Model("other", 1, 8, 3, 1)]


def test_a_routing_log_is_read_with_its_requests_as_users() -> None:
    activations, users = read_trace(FIELD / "moe-logger.jsonl", [QWEN])
    assert users == ("r0", "r1", "r2")
    assert len(activations.rates) == 24
    assert activations.rates.tolist() == pytest.approx([1 / 24] * 24)
    assert [8, 36, 51, 54] in activations.groups.tolist()


def log(path: Path, routes: list[tuple[int, list[int]]], **facts: Any) -> Path:
    meta = {"type": "meta", "model_id": "org/Toy-Chat", "layers_logged": [0, 1], "top_k": 2, "seed": 1}
    lines = [meta | facts] + [
        {"type": "route", "req_id": "r", "token_idx": i, "layer": layer, "topk_ids": group}
        for i, (layer, group) in enumerate(routes)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_the_warm_up_of_a_routing_log_is_left_out_layer_by_layer(tmp_path: Path) -> None:
    dummy = [(0, [1, 0]), (1, [2, 3])] * 3
    routes = [*dummy, (0, [0, 1]), (0, [1, 2]), (1, [1, 2]), (0, [0, 1])]
    reader = TraceReader(log(tmp_path / "a.jsonl", routes), MODELS)
    (batch,) = reader
    assert batch.layers.tolist() == [0, 1, 0]
    assert batch.groups.tolist() == [[1, 2], [1, 2], [0, 1]]
    assert (reader.n_rows, reader.n_dropped) == (3, 7)


@pytest.mark.parametrize(
    ("facts", "routes", "message"),
    [
        (
            {"model_id": "gpt"},
            [],
            "line 1: model_id: is 'gpt', expected one that begins with one of toy, other",
        ),
        ({"top_k": "two"}, [], "line 1: top_k: expected int"),
        ({"top_k": 3}, [(0, [0, 1, 2])], "line 2: experts: has 3 experts, expected 1 to top_k = 2"),
        ({}, [(0, [0, 1]), (0, [1, 4])], "line 3: experts: names expert 4, expected 0 to 3"),
        ({"layers_logged": [0]}, [(1, [0, 1])], "line 2: layer: is 1, expected 0 as in meta"),
        ({}, [(0, [0, 1])] * 3, "has no rows"),
    ],
)
def test_faults_of_a_routing_log_are_named_by_their_lines(
    tmp_path: Path, facts: dict[str, Any], routes: list[tuple[int, list[int]]], message: str
) -> None:
    with pytest.raises(InstanceError, match=re.escape(f"a.jsonl: {message}")):
        read_trace(log(tmp_path / "a.jsonl", routes, **facts), MODELS)
