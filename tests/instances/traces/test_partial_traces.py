"""Traces that log some layers, or not every token in each: the instance has what was logged, and says so."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimbench.instances import Instance, InstanceError
from slimbench.instances.generators.generate import make_instance, read_recipe
from slimbench.instances.zoo import zoo_model

MIXTRAL = zoo_model("mixtral-8x7b")
FIELD = Path(__file__).parents[1] / "field"


def rows(layers: list[int], tokens: int = 4, model: str = "mixtral-8x7b") -> list[dict[str, Any]]:
    return [
        {"user": "ann", "token": token, "model": model, "layer": layer, "experts": [token % 7, 7]}
        for token in range(tokens)
        for layer in layers
    ]


def made(folder: Path, trace: list[dict[str, Any]], **changes: Any) -> tuple[Instance, str]:
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in trace))
    network = {"servers": 2, "capacity_share": 0.25, "capacity_spread": 0}
    routing = {"kind": "trace", "path": "t.jsonl"}
    recipe = {"name": "n", "dispatch": "single", "network": network, "routing": routing}
    return make_instance(read_recipe(recipe | changes), folder)


@pytest.mark.parametrize("layers", [[5], [0, 8, 12]])
def test_servers_have_room_for_a_share_of_the_layers_that_were_logged(
    tmp_path: Path, layers: list[int]
) -> None:
    instance, note = made(tmp_path, rows(layers))
    assert instance.models[0].layers == len(layers)
    assert sorted(set(instance.activation_layers)) == list(range(len(layers)))
    share = len(layers) * 8 * MIXTRAL.bytes_per_expert_bf16 // 4
    assert instance.capacities_bytes.tolist() == [share, share]
    assert f" {', '.join(map(str, layers))} of 32 of mixtral-8x7b logged: the instance has no others" in note


def test_of_many_layers_the_note_gives_the_number(tmp_path: Path) -> None:
    assert "only 20 layers of 32 of mixtral-8x7b logged" in made(tmp_path, rows(list(range(20))))[1]
    assert "logged" not in made(tmp_path, rows(list(range(32))))[1]


def test_a_recipe_asks_for_the_first_of_the_logged_layers(tmp_path: Path) -> None:
    trace = rows([3, 9])
    whole, _ = made(tmp_path, trace)
    first, _ = made(tmp_path, trace, layers=1)
    assert first.models[0].layers == 1
    assert first.rates.tolist() == whole.rates[whole.activation_layers == 0].tolist()
    with pytest.raises(InstanceError, match="layers: is 3, expected 1 to 2, the layers of mixtral-8x7b that"):
        made(tmp_path, trace, layers=3)


def test_a_part_has_the_layers_of_the_whole_trace(tmp_path: Path) -> None:
    trace = rows([3], tokens=200) + [row | {"token": 10**6} for row in rows([9], tokens=1)]
    routing = {"kind": "trace", "path": "t.jsonl", "part": [0, 0.5]}
    for seed in range(4):  # the only token of the other layer is in the part or not
        instance, _ = made(tmp_path, trace, seed=seed, routing=routing)
        assert instance.models[0].layers == 2


def test_a_model_that_no_row_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InstanceError, match=r"models\[1\]: is dbrx, which no row of t\.jsonl names"):
        made(tmp_path, rows([0]), models=["mixtral-8x7b", "dbrx"])


def test_the_note_says_where_rates_stand_for_tokens_that_were_not_logged(tmp_path: Path) -> None:
    complete = rows(list(range(32)))
    _, note = made(tmp_path, complete)
    assert "scaled" not in note
    dropped = [row for row in complete if row["layer"] != 7 or row["token"] == 0]
    scaled, note = made(tmp_path, dropped)
    assert "1 of 32 layers of users lack tokens that others of the user have; their rates are scaled" in note
    assert note.endswith("by a factor of up to 4")
    assert np.bincount(scaled.activation_layers, scaled.rates) == pytest.approx(np.ones(32))


def test_models_of_the_zoo_need_not_be_named_twice(tmp_path: Path) -> None:
    assert made(tmp_path, rows([0]))[0].models == made(tmp_path, rows([0]), models=["mixtral-8x7b"])[0].models
    with pytest.raises(
        InstanceError, match=r"^models: is empty, expected one or more of switch-base-8, .*toy"
    ):
        made(tmp_path, rows([0], model="toy"))


@pytest.mark.parametrize(
    ("file", "model", "layers"),
    [
        ("bom.csv", "dbrx", 1),
        ("deltabyte.parquet", "olmoe-1b-7b", 16),
        ("moe-logger.jsonl", "qwen1.5-moe-a2.7b", 1),
    ],
)
def test_files_found_in_use_become_instances(file: str, model: str, layers: int) -> None:
    routing = {"kind": "trace", "path": str(FIELD / file)}
    instance, _ = make_instance(read_recipe({"name": "n", "dispatch": "single", "routing": routing}))
    assert [(m.name, m.layers) for m in instance.models] == [(model, layers)]
