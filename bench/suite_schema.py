"""The JSON schema of suite files, for editors."""

from __future__ import annotations

from typing import Any

import msgspec

from slimbench.bench.suite import SWEPT, Suite
from slimbench.instances.generate import Recipe


def suite_schema() -> dict[str, Any]:
    """JSON schema of suite files; an entry of ``instances`` is a file or a recipe that may have lists."""
    schema = msgspec.json.schema(Suite)
    recipe = msgspec.json.schema(Recipe)
    definitions = schema["$defs"] | recipe["$defs"]
    entry = definitions["Recipe"]
    without = {"type": "array", "items": {"type": "string"}, "default": []}
    for name in SWEPT:
        one = entry["properties"][name]
        entry["properties"][name] = {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}
    entry["properties"]["without"] = without
    definitions["InstanceFile"] = {
        "type": "object",
        "properties": {"file": {"type": "string"}, "without": without},
        "required": ["file"],
        "additionalProperties": False,
    }
    either = [{"$ref": "#/$defs/InstanceFile"}, {"$ref": "#/$defs/Recipe"}]
    definitions["Suite"]["properties"]["instances"]["items"] = {"anyOf": either}
    for definition in definitions.values():
        definition["description"] = definition.get("description", "").partition("\n")[0]
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": "SlimBench suite", **schema, "$defs": definitions}
