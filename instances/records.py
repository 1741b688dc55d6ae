"""Records made elsewhere: faults told in our words."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from slimbench.instances.errors import InstanceError
from slimbench.instances.json_format import in_our_words


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
