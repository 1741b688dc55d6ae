"""The JSON schema of suite files, for editors; docs/suite.schema.json is its output."""

from __future__ import annotations

from typing import Any

import msgspec

from slimbench.bench.suites.suite import Suite
from slimbench.bench.suites.suite_instances import NAMED
from slimbench.bench.suites.suite_sequences import AdaptiveSuite
from slimbench.bench.suites.sweeps import SWEPT
from slimbench.instances.generators.forecast import KINDS, Forecast
from slimbench.instances.generators.generate import Recipe
from slimbench.instances.generators.scenario import shipped_scenarios
from slimbench.instances.sequences.recipe import SequenceRecipe


def suite_schema() -> dict[str, Any]:
    """JSON schema of suite files, of instances or of sequences.

    ``instances`` are names, scenarios that are changed, and recipes; ``sequences`` the latter two.
    """
    kinds = (Suite, AdaptiveSuite, Recipe, SequenceRecipe, Forecast)
    _, definitions = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    recipes = definitions["Recipe"], definitions["SequenceRecipe"]
    for key in SWEPT:
        table, _, name = key.rpartition(".")
        parts = {"network": "Network", "routing": "ZipfRouting"}
        for entry in [definitions[parts[table]]] if table else recipes:
            entry["properties"][name] = _or_list(entry["properties"][name])
    planning = definitions["Forecast"]
    for name in KINDS:  # null is the default of all, and may not be written
        planning["properties"][name] = _or_list(planning["properties"][name]["anyOf"][0])
    planning["properties"]["seed"] = _or_list(planning["properties"]["seed"])
    planning["oneOf"] = [{"required": [name]} for name in KINDS]
    of_all = {
        "without": {"type": "array", "items": {"type": "string"}, "default": []},
        "planning": {"type": "array", "items": {"$ref": "#/$defs/Forecast"}, "default": []},
    }
    definitions["Recipe"]["properties"] |= of_all
    for title, key in NAMED.items():
        definitions[title] = {
            "type": "object",
            "properties": {key: {"type": "string"}, **of_all},
            "required": [key],
            "additionalProperties": False,
        }
    for title, entry in zip(("ScenarioInstance", "ScenarioSequence"), recipes, strict=True):
        parts_of_tables = {name: {"type": "object"} for name in ("network", "routing")}  # of the scenario's
        definitions[title] = {
            "type": "object",
            "properties": {
                "scenario": {"enum": list(shipped_scenarios())}, **entry["properties"], **parts_of_tables,
            },
            "required": ["scenario"],
            "additionalProperties": False,
        }  # fmt: skip
    for suite, part, titles in (
        ("Suite", "instances", (*NAMED, "ScenarioInstance", "Recipe")),
        ("AdaptiveSuite", "sequences", ("ScenarioSequence", "SequenceRecipe")),
    ):
        items = {"anyOf": [{"$ref": f"#/$defs/{title}"} for title in titles]}
        definitions[suite]["properties"][part]["items"] = items
    for definition in definitions.values():
        definition["description"] = definition.get("description", "").partition("\n")[0]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "SlimBench suite",
        "anyOf": [{"$ref": "#/$defs/Suite"}, {"$ref": "#/$defs/AdaptiveSuite"}],
        "$defs": definitions,
    }


def _or_list(one: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}
