"""Sweeps: an entry of a suite with lists as fields stands for every combination of their values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from slimbench.instances.problem.errors import InstanceError

# Fields that may be lists, the last run through fastest, and what their values follow in names.
SWEPT: Final[Mapping[str, str]] = {
    "dispatch": "", "models": "", "layers": "l", "network.servers": "n", "network.users": "u",
    "network.capacity_share": "c", "routing.zipf_exponent": "zipf", "routing.user_taste": "taste",
    "routing.tokens": "t", "routing.device_experts": "device", "seed": "s",
}  # fmt: skip

MAX_POINTS: Final = 10_000  # instances of one entry


@dataclass(frozen=True)
class Point:
    """One combination of a sweep.

    Attributes
    ----------
    fields : dict
        Of a recipe; nothing of ``SWEPT`` is a list but ``models``.
    swept : dict
        What was chosen from lists, by the keys of ``SWEPT``; models are their names with + between.
    """

    fields: Mapping[str, Any]
    swept: Mapping[str, str | int | float]


def points_of(entry: Mapping[str, Any]) -> Iterator[Point]:
    """Every combination of what is a list in a recipe's fields, with names that tell them apart.

    ``models`` is a list anyway: it is run through where it is a list of lists.

    Raises
    ------
    InstanceError
        If a list is empty, or there are more than ``MAX_POINTS`` combinations.
    """
    lists = {key: values for key in SWEPT if (values := _values(entry, key)) is not None}
    if empty := [key for key, values in lists.items() if not values]:
        raise InstanceError(empty[0], "is an empty list")
    if (count := math.prod(map(len, lists.values()))) > MAX_POINTS:
        raise InstanceError("", f"stands for {count:,} instances, expected at most {MAX_POINTS:,}")
    for combination in itertools.product(*lists.values()):
        chosen = dict(zip(lists, combination, strict=True))
        fields = dict(entry)
        for key, value in chosen.items():
            table, _, field = key.rpartition(".")
            if table:
                fields[table] = {**fields[table], field: value}
            else:
                fields[field] = value
        shown = {key: _shown(value) for key, value in chosen.items()}
        if isinstance(name := entry.get("name"), str):
            fields["name"] = "-".join([name, *(f"{SWEPT[key]}{value}" for key, value in shown.items())])
        yield Point(fields, shown)


def _values(entry: Mapping[str, Any], key: str) -> list[Any] | None:
    """The list that the entry has there to run through, None if it has none."""
    table, _, field = key.rpartition(".")
    own = entry.get(table) if table else entry
    values = own.get(field) if isinstance(own, Mapping) else None
    if not isinstance(values, list) or (key == "models" and not any(isinstance(v, list) for v in values)):
        return None
    return values


def _shown(value: Any) -> str | int | float:
    if isinstance(value, list):
        return "+".join(map(str, value))
    return value if isinstance(value, (int, float)) else str(value)
