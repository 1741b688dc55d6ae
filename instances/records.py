"""Records made elsewhere: faults told in our words."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from slimbench.instances.errors import InstanceError
from slimbench.instances.json_format import in_our_words
from slimbench.instances.validation import MAX_NAME


@contextlib.contextmanager
def naming_field(place: str = "") -> Iterator[None]:
    """Turn what msgspec refuses into an ``InstanceError`` whose field begins with ``place``."""
    try:
        yield
    except msgspec.ValidationError as error:
        fault = error.__cause__ if isinstance(error.__cause__, InstanceError) else in_our_words(error)
        raise InstanceError(": ".join(filter(None, (place, fault.field))), fault.problem) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise InstanceError(place, f"is not JSON ({error})") from None
    except UnicodeDecodeError as error:
        raise InstanceError(place, f"is not UTF-8 text ({error.reason})") from None


def refuse_twice(names: Iterable[str]) -> None:
    """Refuse a table's header that has a column twice."""
    name, count = next(iter(Counter(names).most_common(1)), ("", 0))
    if count > 1:
        raise InstanceError("header", f"names {name!r} twice, expected different columns")


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
