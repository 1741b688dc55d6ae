"""Translate msgspec errors into InstanceError, and check names."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
import msgspec.inspect

from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.validation import MAX_NAME

_ARRAYS: Final = (msgspec.inspect.ListType, msgspec.inspect.VarTupleType)


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """Parameters of one of several kinds, of which the field ``kind`` names one; others are refused."""


@contextlib.contextmanager
def naming_field(place: str = "", kind: Any = None) -> Iterator[None]:
    """Turn what msgspec refuses into an ``InstanceError`` whose field begins with ``place``.

    Parameters
    ----------
    kind : type, optional
        What is read, for the values that a field of it may have.
    """
    try:
        yield
    except msgspec.ValidationError as error:
        fault = error.__cause__ if isinstance(error.__cause__, InstanceError) else _translated(error)
        if choices := _choices(kind, fault.field):
            fault = InstanceError(fault.field, with_choices(fault.problem, choices))
        raise InstanceError(": ".join(filter(None, (place, fault.field))), fault.problem) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise InstanceError(place, f"is not JSON ({error})") from None
    except UnicodeDecodeError as error:
        raise InstanceError(place, f"is not UTF-8 text ({error.reason})") from None


def _translated(error: msgspec.ValidationError) -> InstanceError:
    """What msgspec refuses, as field and problem."""
    message, _, path = str(error).partition(" - at `")
    field = path.rstrip("`").removeprefix("$").removeprefix(".")
    if match := re.fullmatch(r"Object missing required field `(.*)`", message):
        return InstanceError(f"{field}.{match[1]}".lstrip("."), "is missing")
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", message):
        return InstanceError(f"{field}.{match[1]}".lstrip("."), "is not a field of this format")
    return InstanceError(field, message[:1].lower() + message[1:].replace("`", ""))


def with_choices(problem: str, choices: Iterable[str]) -> str:
    """What msgspec says of a value that is none of a few, with those few."""
    value = re.fullmatch(r"[Ii]nvalid (?:enum )?value (.*)", problem)
    return f"is {value[1]}, expected one of {', '.join(choices)}" if value else problem


def _choices(kind: Any, field: str) -> list[str]:
    """The values of a literal at ``field`` of a type, or the tags of a union there; none of other fields."""
    types = [] if kind is None else [msgspec.inspect.type_info(kind)]
    tags: list[str] = []
    for step in re.findall(r"[^.\[\]]+", field):
        if step.isdecimal():
            types = [each.item_type for each in _alternatives(types) if isinstance(each, _ARRAYS)]
            continue
        structs = [each for each in _alternatives(types) if isinstance(each, msgspec.inspect.StructType)]
        tags = [str(struct.tag) for struct in structs if struct.tag_field == step]
        types = [each.type for struct in structs for each in struct.fields if each.encode_name == step]
    literals = [each for each in _alternatives(types) if isinstance(each, msgspec.inspect.LiteralType)]
    return tags + [str(value) for literal in literals for value in literal.values]


def _alternatives(types: Iterable[msgspec.inspect.Type]) -> Iterator[msgspec.inspect.Type]:
    for each in types:
        yield from each.types if isinstance(each, msgspec.inspect.UnionType) else [each]


def refuse_twice(place: str, names: Iterable[str], expected: str) -> None:
    """Refuse names of which two are the same, such as columns in a table's header."""
    name, count = next(iter(Counter(names).most_common(1)), ("", 0))
    if count > 1:
        raise InstanceError(place, f"names {name!r} twice, expected {expected}")


def refuse_same_names(names: Sequence[str], place: str) -> None:
    """Refuse two records of a list of one name, and names that an instance could not have."""
    seen: set[str] = set()
    for i, name in enumerate(names):
        if not (name and name.isprintable() and len(name) <= MAX_NAME // 2):
            raise InstanceError(
                f"{place}[{i}].name", f"is {name!r}, expected 1 to {MAX_NAME // 2} printable characters"
            )
        if name in seen:
            raise InstanceError(f"{place}[{i}].name", f"is {name!r} a second time, expected another")
        seen.add(name)
