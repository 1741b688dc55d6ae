"""Shipped scenarios: each makes one instance, says where its parameters are from, and is documented."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimbench.instances.generators.generate import make_instance, read_recipe, wires_of
from slimbench.instances.generators.scenario import (
    read_scenario,
    recipe_fields,
    scenario_fields,
    shipped_scenarios,
)
from slimbench.instances.problem.errors import InstanceError

DOCUMENT = Path(__file__).parents[3] / "docs" / "SCENARIOS.md"
HASHES = {
    "heterogeneous": "d710b52d1cf5c70e3a5c776338a4dbb464fa87ea2214a385547146b89e990c75",
    "highway": "5b6b6f8e38cecb10a8f9ce3d35252d4f9903c7e219f20db139d96c6270b1a2a5",
    "indoor-office": "f32643566fd197f38b167636e1c68b5097767de4de69697cdf2cde6b7241df70",
    "metro-ring": "d837ce142e6e5dd3a21fb0f7d6df3412708a1862675a390c110d4ef9baed1d11",
    "metro-tree": "6cf8a0b002d1b02ef963a1f04a7c92655b6cb83ccbecaf59ecba68684e9ac65a",
    "multi-model": "3e64beafbb41418f6aa7273fc15d15d896a8874e011838d8cb03aaaf118b2b38",
    "multi-tenant": "d81f0c1412601f6c6bc03a918293d96767c1917c60a78bfcbe942df672947734",
    "random": "e7533fad72d4800cd5fff952750de4273636ecc5af45e2f90d563883cdd0cb92",
    "urban-hexagonal": "755040e9d80678044e885a509883f31c72576407a9b0bbc5a7801914816c8f22",
    "urban-micro": "39c0bd0bb781dfac661674f5654713bbd15c6bf90c6c2560a3b401a534056e5b",
    "urban-vehicular": "1d70c8b94bf1be35a97f1b7e7eed71ea6d0148c3567931768a405afb0d12f9fe",
}


def parameters(fields: dict[str, Any], place: str = "") -> dict[str, Any]:
    """Values of a recipe by their place; a table with a kind is one, records of a list are split by field."""
    found: dict[str, Any] = {}
    for key, value in fields.items():
        here = f"{place}{key}"
        if isinstance(value, dict) and not (here.startswith("network.") and "kind" in value):
            found |= parameters(value, f"{here}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for field in value[0]:
                found[f"{here}.{field}"] = [record[field] for record in value]
        else:
            found[here] = value
    return found


def test_the_expected_scenarios_ship() -> None:
    assert list(shipped_scenarios()) == list(HASHES)


@pytest.mark.parametrize("name", HASHES)
def test_a_scenario_makes_the_same_instance_on_every_platform(name: str) -> None:
    recipe = read_recipe(scenario_fields(name, {}))
    instance, _ = make_instance(recipe)
    assert instance.name == name
    assert instance.sha256 == HASHES[name]
    graph = wires_of(recipe)
    if graph is not None:
        assert np.abs(graph.positions_m[: instance.n_servers] - instance.server_positions_m).max() == 0
    for m, model in enumerate(instance.models):
        shares = [
            instance.rates[(instance.activation_models == m) & (instance.activation_layers == layer)].sum()
            for layer in range(model.layers)
        ]
        assert shares == pytest.approx([shares[0]] * model.layers)


def test_the_scenario_to_start_from_is_what_a_recipe_is_by_default() -> None:
    fields = {"name": "random", "dispatch": "single", "models": ["mixtral-8x7b"], "layers": 4}
    assert make_instance(read_recipe(fields))[0].sha256 == HASHES["random"]


@pytest.mark.parametrize("name", HASHES)
def test_every_parameter_has_a_source_and_no_other(name: str) -> None:
    scenario = read_scenario(name)
    assert scenario.description
    named = set(parameters(scenario.recipe)) - {"dispatch", "routing.kind"}
    assert set(scenario.sources) == named
    assert all(scenario.sources.values())


@pytest.mark.parametrize("name", HASHES)
def test_the_document_has_each_parameter_with_its_value_and_source(name: str) -> None:
    text = DOCUMENT.read_text("utf-8")
    section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
    scenario = read_scenario(name)
    assert scenario.description in section
    for place, value in parameters(scenario.recipe).items():
        if place in scenario.sources:
            assert f"| `{place}` | {shown(value)} | {scenario.sources[place]} |" in section


def shown(value: Any) -> str:
    """A value as the document has it."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {shown(field)}" for key, field in value.items())
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return value if isinstance(value, str) else f"{value:g}"


def test_tables_are_changed_field_by_field_and_begin_anew_with_another_kind() -> None:
    fields = scenario_fields("highway", {"network": {"servers": 2, "backhaul": {"max_hops": 1}}})
    assert fields["network"]["backhaul"] == {"kind": "mesh", "neighbours": 1, "max_hops": 1}
    assert fields["network"]["servers"] == 2
    assert fields["network"]["users"] == read_scenario("highway").recipe["network"]["users"]
    fields = scenario_fields("highway", {"network": {"backhaul": {"kind": "ring"}}, "name": "other"})
    assert fields["network"]["backhaul"] == {"kind": "ring"}
    assert fields["name"] == "other"
    assert read_scenario("highway").recipe["network"]["backhaul"]["kind"] == "mesh"


@pytest.mark.parametrize("name", ["moon", "", "../highway", 3, ["highway"]])
def test_an_unknown_scenario_is_refused_with_those_that_there_are(name: object) -> None:
    with pytest.raises(InstanceError, match=r"^scenario: is .*, expected one of .*highway, "):
        scenario_fields(name, {})


def test_an_error_names_the_scenario_and_the_field() -> None:
    with pytest.raises(InstanceError) as error, recipe_fields({"scenario": "highway"}):
        raise InstanceError("network.servers", "is 0, expected 1")
    assert (error.value.field, error.value.problem) == (
        "network.servers",
        "is 0, expected 1 (scenario highway)",
    )
