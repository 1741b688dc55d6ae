"""Scenarios: named recipes that ship with the package, with the sources of their parameters."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import msgspec

from slimbench.instances.problem.errors import InstanceError

_FOLDER = "slimbench.instances.scenarios"


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scenario file.

    Parameters
    ----------
    description : str
    recipe : dict
        A recipe without a name.
    sources : dict of str
        For each of its parameters, such as ``network.servers``, where the value is from.
    """

    description: str
    recipe: dict[str, Any]
    sources: dict[str, str]


@functools.cache
def shipped_scenarios() -> tuple[str, ...]:
    """Names of the scenarios that come with the package."""
    files = resources.files(_FOLDER).iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


def read_scenario(name: object) -> Scenario:
    """The scenario of this name.

    Raises
    ------
    InstanceError
        If there is none; it lists those that there are.
    """
    if name not in shipped_scenarios():
        raise InstanceError("scenario", f"is {name!r}, expected one of {', '.join(shipped_scenarios())}")
    text = (resources.files(_FOLDER) / f"{name}.toml").read_text("utf-8")
    return msgspec.toml.decode(text, type=Scenario)


def scenario_fields(name: object, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a scenario's recipe, named as it unless ``changes`` say otherwise.

    Tables are changed field by field; one whose ``kind`` is changed keeps nothing of the old kind.
    """
    return _changed({"name": name, **read_scenario(name).recipe}, changes)


@contextlib.contextmanager
def recipe_fields(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The fields of a recipe, or of the ``scenario`` that it names, changed by the other ones.

    An error from within says which scenario it is about.
    """
    if "scenario" not in entry:
        yield entry
        return
    name = entry["scenario"]
    fields = scenario_fields(name, {key: value for key, value in entry.items() if key != "scenario"})
    try:
        yield fields
    except InstanceError as error:
        raise InstanceError(error.field, f"{error.problem} (scenario {name})", error.file) from None


def _changed(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    if changes.get("kind", fields.get("kind")) != fields.get("kind"):
        return dict(changes)
    merged = dict(fields)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _changed(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
