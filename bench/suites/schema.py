"""The JSON schema of suite files, for editors; docs/suite.schema.json is its output."""

from __future__ import annotations

from typing import Any

import msgspec

from slimbench.bench.suites.suite import Suite
from slimbench.bench.suites.suite_instances import NAMED
from slimbench.bench.suites.sweeps import SWEPT
from slimbench.instances.generators.forecast import KINDS, Forecast
from slimbench.instances.generators.generate import Recipe
from slimbench.instances.generators.scenario import shipped_scenarios


def suite_schema() -> dict[str, Any]:
    """JSON schema of suite files; ``instances`` are names, scenarios that are changed, and recipes."""
    schema = msgspec.json.schema(Suite)
    definitions = schema["$defs"]
    for kind in (Recipe, Forecast):
        definitions |= msgspec.json.schema(kind)["$defs"]
    entry, planning = definitions["Recipe"], definitions["Forecast"]
    tables = {"": entry, "network": definitions["Network"], "routing": definitions["ZipfRouting"]}
    for key in SWEPT:
        table, _, name = key.rpartition(".")
        properties = tables[table]["properties"]
        properties[name] = _or_list(properties[name])
    for name in KINDS:  # null is the default of all, and may not be written
        planning["properties"][name] = _or_list(planning["properties"][name]["anyOf"][0])
    planning["properties"]["seed"] = _or_list(planning["properties"]["seed"])
    planning["oneOf"] = [{"required": [name]} for name in KINDS]
    of_all = {
        "without": {"type": "array", "items": {"type": "string"}, "default": []},
        "planning": {"type": "array", "items": {"$ref": "#/$defs/Forecast"}, "default": []},
    }
    entry["properties"] |= of_all
    for title, key in NAMED.items():
        definitions[title] = {
            "type": "object",
            "properties": {key: {"type": "string"}, **of_all},
            "required": [key],
            "additionalProperties": False,
        }
    parts = {name: {"type": "object"} for name in ("network", "routing")}  # of the scenario's own tables
    definitions["ScenarioInstance"] = {
        "type": "object",
        "properties": {"scenario": {"enum": list(shipped_scenarios())}, **entry["properties"], **parts},
        "required": ["scenario"],
        "additionalProperties": False,
    }
    kinds = [{"$ref": f"#/$defs/{kind}"} for kind in (*NAMED, "ScenarioInstance", "Recipe")]
    definitions["Suite"]["properties"]["instances"]["items"] = {"anyOf": kinds}
    for definition in definitions.values():
        definition["description"] = definition.get("description", "").partition("\n")[0]
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": "SlimBench suite", **schema, "$defs": definitions}


def _or_list(one: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}
