"""Anything at all: changed files give an instance or an error of one line, nothing else."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from damage import REMOVE, VALID, archive, put
from hypothesis import given
from hypothesis import strategies as st
from samples import TWO_CELLS, TWO_CELLS_PLACEMENT, assert_same, placed, two_cells

from slimbench.instances import (
    InstanceError,
)
from slimbench.instances.files import json_format, npz_format


@given(st.data())
def test_changed_bytes_give_an_instance_or_an_instance_error(data: st.DataObject) -> None:
    content = bytearray(VALID)
    for _ in range(data.draw(st.integers(1, 4))):
        first = data.draw(st.integers(0, len(content)))
        last = min(len(content), first + data.draw(st.integers(0, 8)))
        content[first:last] = data.draw(st.binary(max_size=4) | st.sampled_from(FRAGMENTS))
    outcome(lambda: json_format.decode_instance(bytes(content)))


FRAGMENTS = [
    b"-",
    b"1e999",
    b"NaN",
    b"null",
    b"{}",
    b"[]",
    b'"',
    b"9" * 30,
    b"0.5",
    b"\\u0000",
    b"true",
    b"}",
]

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from([2**31, 2**62, 2**63, 2**64, 10**400, "single"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def places(document: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where each value of a document is."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    found = []
    for key, value in items:
        found.append((*prefix, key))
        if isinstance(value, dict | list):
            found += places(value, (*prefix, key))
    return found


@pytest.mark.parametrize("kind", ["instance", "placement"])
@given(data=st.data())
def test_changed_documents_give_an_instance_error_or_what_they_say(kind: str, data: st.DataObject) -> None:
    with_positions = kind == "instance" and data.draw(st.booleans())
    document: Any = TWO_CELLS if kind == "instance" else TWO_CELLS_PLACEMENT
    document = placed(document) if with_positions else document
    for _ in range(data.draw(st.integers(1, 2))):
        where = data.draw(st.sampled_from(places(document)))
        document = put(document, where, data.draw(JSON_VALUES | st.just(REMOVE)))
    content = json.dumps(document).encode()
    if kind == "placement":
        outcome(lambda: json_format.decode_placement(content, two_cells()))
        return
    instance = outcome(lambda: json_format.decode_instance(content))
    if instance is not None:  # what is accepted is what was written
        assert_same(json_format.decode_instance(json_format.encode_instance(instance)), instance)


@given(st.data())
def test_changed_archives_give_an_instance_or_an_instance_error(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(npz_format.FIELDS)))
    dtype = data.draw(st.sampled_from(["i8", "u8", "i1", "f8", "f4", "U3", "S2", "?", "c16", "M8[s]", "V4"]))
    shape = data.draw(st.lists(st.integers(0, 3), max_size=4))
    value = data.draw(st.integers(-2, 2))
    array = np.full(shape, value).astype(np.int64).astype("M8[s]" if dtype == "M8[s]" else dtype[:3])
    outcome(lambda: npz_format.decode_instance(archive(**{name.replace(".", "__"): array})))


@given(st.data())
def test_changed_archive_bytes_give_an_instance_or_an_instance_error(data: st.DataObject) -> None:
    content = bytearray(archive())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    outcome(lambda: npz_format.decode_instance(bytes(content)))


def outcome(decode: Callable[[], Any]) -> Any:
    """What was decoded, or None for an ``InstanceError`` of one line; anything else is a failure."""
    try:
        return decode()
    except InstanceError as error:
        assert len(str(error).splitlines()) == 1
        assert str(error).isprintable()
        return None
