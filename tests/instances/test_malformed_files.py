"""Malformed files: each fault gives one line that names the file and the field; chance finds no other error."""

# ruff: noqa: E501  (one fault a line)

import copy
import errno
import gzip
import io
import json
import math
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import TWO_CELLS, TWO_CELLS_PLACEMENT, assert_same, two_cells

from slimbench.instances import (
    InstanceError,
    Placement,
    json_format,
    npz_format,
    read_instance,
    read_placement,
    write_placement,
)

SUFFIXES = [".json", ".json.gz", ".npz"]

# Malformed JSON documents: (id, field, problem, where to put what)

REMOVE = object()


def put(document: Any, where: tuple[Any, ...], value: Any) -> Any:
    """A copy of ``document`` with one value replaced, added or removed."""
    document = copy.deepcopy(document)
    target = document
    for key in where[:-1]:
        target = target[key]
    if value is REMOVE:
        del target[where[-1]]
    else:
        target[where[-1]] = value
    return document


EXTRA = "is not a field of this format"
INT32 = 2**31 - 1
FAULTS: list[tuple[str, str, str, tuple[Any, ...], Any]] = [
    ("format", "format", "is 'other', expected 'slimbench.instance'", ("format",), "other"),
    (
        "format of a placement", "format", "is 'slimbench.placement', expected 'slimbench.instance'",
        ("format",), "slimbench.placement",
    ),
    ("version", "version", "is 2, expected 1", ("version",), 2),
    ("version text", "version", "expected int, got str", ("version",), "1"),
    ("version float", "version", "expected int, got float", ("version",), 1.0),
    *((f"no {f}", f, "is missing", (f,), REMOVE) for f in TWO_CELLS),
    *(
        (f"no {where[0]}.{where[-1]}", f"{where[0]}[{where[1]}].{where[2]}", "is missing", where, REMOVE)
        for where in [
            *(("servers", 1, f) for f in TWO_CELLS["servers"][0]),
            *(("models", 0, f) for f in TWO_CELLS["models"][0]),
            ("users", 0, "name"),
            *(("activations", 2, f) for f in TWO_CELLS["activations"][0]),
        ]
    ),
    ("extra", "solver", EXTRA, ("solver",), 1),
    ("extra in server", "servers[0].solver", EXTRA, ("servers", 0, "solver"), 1),
    ("extra in model", "models[0].solver", EXTRA, ("models", 0, "solver"), 1),
    ("extra in user", "users[1].solver", EXTRA, ("users", 1, "solver"), 1),
    ("extra in activation", "activations[1].solver", EXTRA, ("activations", 1, "solver"), None),
    ("edge users", "edge_latency_s", "has 1 entries, expected 2, one a user", ("edge_latency_s", 1), REMOVE),
    (
        "edge servers", "edge_latency_s[1]", "has 1 entries, expected 2, one a server",
        ("edge_latency_s", 1, 0), REMOVE,
    ),
    (
        "edge models", "edge_latency_s[0][1]", "has 2 entries, expected 1, one a model",
        ("edge_latency_s", 0, 1), [0.1, 0.1],
    ),
    ("cloud users", "cloud_latency_s", "has 3 entries, expected 2, one a user", ("cloud_latency_s",), [[1]] * 3),
    (
        "cloud models", "cloud_latency_s[0]", "has 0 entries, expected 1, one a model",
        ("cloud_latency_s", 0), [],
    ),
    ("dispatch", "dispatch", "is 'Single', expected one of single, parallel, serial", ("dispatch",), "Single"),
    ("base negative", "base_latency_s", "is -0.5, expected a finite number >= 0", ("base_latency_s",), -0.5),
    ("base null", "base_latency_s", "expected float, got null", ("base_latency_s",), None),
    ("base bool", "base_latency_s", "expected float, got bool", ("base_latency_s",), True),
    (
        "edge negative", "edge_latency_s[0][0][0]", "is -0.01, expected a number >= 0 or null",
        ("edge_latency_s", 0, 0, 0), -0.01,
    ),
    (
        "edge nan", "edge_latency_s[1][0][0]", "is nan, expected a finite number",
        ("edge_latency_s", 1, 0, 0), math.nan,
    ),
    (
        "edge infinity", "edge_latency_s[1][1][0]", "is inf, expected a finite number",
        ("edge_latency_s", 1, 1, 0), math.inf,
    ),
    (
        "edge bool", "edge_latency_s[0][1][0]", "expected float | null, got bool",
        ("edge_latency_s", 0, 1, 0), False,
    ),
    ("cloud null", "cloud_latency_s[1][0]", "expected float, got null", ("cloud_latency_s", 1, 0), None),
    (
        "cloud negative", "cloud_latency_s[1][0]", "is -1.0, expected a finite number >= 0",
        ("cloud_latency_s", 1, 0), -1,
    ),
    (
        "cloud nan", "cloud_latency_s[1][0]", "is nan, expected a finite number",
        ("cloud_latency_s", 1, 0), math.nan,
    ),
    (
        "rate negative", "activations[2].rate", "is -0.1, expected a finite number >= 0",
        ("activations", 2, "rate"), -0.1,
    ),
    ("rate nan", "activations[0].rate", "is nan, expected a finite number", ("activations", 0, "rate"), math.nan),
    (
        "rate -inf", "activations[0].rate", "is -inf, expected a finite number",
        ("activations", 0, "rate"), -math.inf,
    ),
    ("rate text", "activations[0].rate", "expected float, got str", ("activations", 0, "rate"), "0.5"),
    ("rate bool", "activations[0].rate", "expected float, got bool", ("activations", 0, "rate"), True),
    *(
        (f"capacity {v}", "servers[0].capacity_bytes", problem, ("servers", 0, "capacity_bytes"), v)
        for v, problem in [
            (-1, "expected int >= 0"),
            (1.5, "expected int, got float"),
            (2.0, "expected int, got float"),
            (True, "expected int, got bool"),
            (None, "expected int, got null"),
            (2**62 + 1, f"expected int <= {2**62}"),
        ]
    ),
    *(
        (f"{f} {v}", f"models[0].{f}", problem, ("models", 0, f), v)
        for f in ("layers", "experts_per_layer", "top_k", "expert_bytes")
        for v, problem in [
            (0, "expected int >= 1"),
            (-3, "expected int >= 1"),
            (1.5, "expected int, got float"),
            (1.0, "expected int, got float"),
            (True, "expected int, got bool"),
            ("1", "expected int, got str"),
        ]
    ),
    ("top_k", "models[0].top_k", "is 4, expected at most experts_per_layer = 3", ("models", 0, "top_k"), 4),
    (
        "group larger than top_k", "activations[0].experts", "has 3 experts, expected 1 to top_k = 2",
        ("activations", 0, "experts"), [0, 1, 2],
    ),
    (
        "group empty", "activations[1].experts", "has 0 experts, expected 1 to top_k = 2",
        ("activations", 1, "experts"), [],
    ),
    (
        "expert twice", "activations[2].experts", "names expert 1 twice, expected distinct experts",
        ("activations", 2, "experts"), [1, 1],
    ),
    (
        "expert high", "activations[2].experts", "names expert 3, expected 0 to 2",
        ("activations", 2, "experts"), [1, 3],
    ),
    ("expert negative", "activations[2].experts[1]", "expected int >= 0", ("activations", 2, "experts", 1), -1),
    ("expert float", "activations[2].experts[1]", "expected int, got float", ("activations", 2, "experts", 1), 2.0),
    ("expert bool", "activations[2].experts[0]", "expected int, got bool", ("activations", 2, "experts", 0), True),
    (
        "expert huge", "activations[0].experts[0]", f"expected int <= {INT32}",
        ("activations", 0, "experts", 0), 2**31,
    ),
    ("user high", "activations[1].user", "is 2, expected 0 to 1", ("activations", 1, "user"), 2),
    ("model high", "activations[1].model", "is 1, expected 0 to 0", ("activations", 1, "model"), 1),
    ("layer high", "activations[1].layer", "is 1, expected 0 to 0", ("activations", 1, "layer"), 1),
    ("user negative", "activations[1].user", "expected int >= 0", ("activations", 1, "user"), -1),
    ("user float", "activations[1].user", "expected int, got float", ("activations", 1, "user"), 0.0),
    ("no server at all", "servers", "is empty, expected at least one", (), {"servers": [], "edge_latency_s": [[], []]}),
    ("name twice", "servers[1].name", "is 'edge-0', expected a name of its own", ("servers", 1, "name"), "edge-0"),
    ("name empty", "users[0].name", "is '', expected a name of its own", ("users", 0, "name"), ""),
    (
        "name of two lines", "users[0].name", r"is 'a\nb', expected printable characters",
        ("users", 0, "name"), "a\nb",
    ),
    ("name number", "servers[0].name", "expected str, got int", ("servers", 0, "name"), 5),
    ("servers as table", "servers", "expected array, got object", ("servers",), {}),
    ("activation as list", "activations[0]", "expected object, got array", ("activations", 0), [0, 0, 0]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "problem", "where", "value"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_fault_in_json_is_named_with_file_and_field(
    field: str, problem: str, where: tuple[Any, ...], value: Any, tmp_path: Path
) -> None:
    document = put(TWO_CELLS, where, value) if where else {**TWO_CELLS, **value}
    path = tmp_path / "instance.json"
    path.write_text(json.dumps(document))
    assert_refused(lambda: read_instance(path), path, field, problem)


def assert_refused(read: Callable[[], object], path: Path, field: str, problem: str) -> None:
    with pytest.raises(InstanceError) as caught:
        read()
    assert str(caught.value) == ": ".join(filter(None, [str(path), field, problem]))
    assert (caught.value.file, caught.value.field) == (path, field)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("field", ["edge_latency_s[0][1][0]", "activations[0].rate", "base_latency_s"])
def test_number_too_large_for_a_float_is_named(field: str, tmp_path: Path) -> None:
    where = tuple(
        int(key) if key.isdigit() else key for key in field.replace("]", "").replace("[", ".").split(".")
    )
    path = tmp_path / "instance.json"
    path.write_text(json.dumps(put(TWO_CELLS, where, "?")).replace('"?"', "1e999"))
    assert_refused(lambda: read_instance(path), path, field, "is inf, expected a finite number")


# Placements

PLACEMENT_FAULTS: list[tuple[str, str, str, tuple[Any, ...], Any]] = [
    (
        "format", "format", "is 'slimbench.instance', expected 'slimbench.placement'",
        ("format",), "slimbench.instance",
    ),
    ("version", "version", "is 0, expected 1", ("version",), 0),
    *((f"no {f}", f, "is missing", (f,), REMOVE) for f in TWO_CELLS_PLACEMENT),
    ("extra", "solver", EXTRA, ("solver",), "x"),
    ("instance", "instance", "is 'other', expected 'two-cells'", ("instance",), "other"),
    (
        "server", "experts.edge-2", "is not a server, expected one of edge-0, edge-1",
        ("experts", "edge-2"), [],
    ),
    *(
        (
            f"triple {t}", "experts.edge-1[0]", f"is {t}, expected a (model, layer, expert) of the instance",
            ("experts", "edge-1", 0), t,
        )
        for t in ([0, 0, 3], [0, 1, 0], [1, 0, 0])
    ),
    (
        "twice", "experts.edge-0[1]", "names expert [0, 0, 0] twice, expected distinct experts",
        ("experts", "edge-0", 1), [0, 0, 0],
    ),
    ("pair", "experts[...][0]", "expected array of length 3", ("experts", "edge-1", 0), [0, 0]),
    ("negative", "experts[...][0][2]", "expected int >= 0", ("experts", "edge-1", 0, 2), -1),
    ("float", "experts[...][0][2]", "expected int, got float", ("experts", "edge-1", 0, 2), 2.0),
    ("bool", "experts[...][0][2]", "expected int, got bool", ("experts", "edge-1", 0, 2), True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "problem", "where", "value"),
    [f[1:] for f in PLACEMENT_FAULTS],
    ids=[f[0] for f in PLACEMENT_FAULTS],
)
def test_fault_in_a_placement_is_named_with_file_and_field(
    field: str, problem: str, where: tuple[Any, ...], value: Any, tmp_path: Path
) -> None:
    path = tmp_path / "placement.json"
    path.write_text(json.dumps(put(TWO_CELLS_PLACEMENT, where, value)))
    assert_refused(lambda: read_placement(path, two_cells()), path, field, problem)


def test_server_name_with_a_line_break_stays_on_the_line(tmp_path: Path) -> None:
    path = tmp_path / "placement.json"
    path.write_text(json.dumps(put(TWO_CELLS_PLACEMENT, ("experts", "a\nb"), [])))
    with pytest.raises(InstanceError, match=r"experts\.a\\nb: is not a server") as caught:
        read_placement(path, two_cells())
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("suffix", [".npz", ".txt", ""])
def test_placement_file_of_another_type_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"placement{suffix}"
    with pytest.raises(InstanceError, match="has an unknown file type"):
        read_placement(path, two_cells())
    with pytest.raises(InstanceError, match="has an unknown file type"):
        write_placement(Placement.empty(two_cells()), two_cells(), path)
    assert list(tmp_path.iterdir()) == []


# Files that are not what their name says

VALID = json.dumps(TWO_CELLS).encode()


def archive(**changes: Any) -> bytes:
    """The example as npz with some arrays replaced, added, or removed (``REMOVE``)."""
    with np.load(io.BytesIO(npz_format.encode_instance(two_cells()))) as file:
        fields = {name: file[name] for name in file.files} | {
            name.replace("__", "."): value for name, value in changes.items()
        }
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value for name, value in fields.items() if value is not REMOVE})
    return buffer.getvalue()


def raw_zip(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def array_file(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def damaged(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new)


UNREADABLE = [
    ("empty", "a.json", b"", "", "Input data was truncated"),
    ("blank", "a.json", b" \n", "", "Input data was truncated"),
    ("not JSON", "a.json", b"servers: 2", "", "JSON is malformed"),
    ("truncated", "a.json", VALID[: len(VALID) // 2], "", "Input data was truncated"),
    ("two documents", "a.json", VALID + VALID, "", "JSON is malformed: trailing characters"),
    ("list", "a.json", b"[1]", "", "expected object, got array"),
    ("null", "a.json", b"null", "", "expected object, got null"),
    ("deep nesting", "a.json", b'{"x":' * 200_000, "", ""),
    ("deep lists", "a.json", b"[" * 200_000, "", ""),
    ("deep field", "a.json", VALID.replace(b'"single"', b"[" * 100_000 + b"]" * 100_000), "", ""),
    ("long version", "a.json", VALID.replace(b'"version": 1', b'"version": ' + b"9" * 6000), "version", "integer value out of range"),
    ("not UTF-8", "a.json", damaged(VALID, b"edge-0", b"edge\xff0"), "", "is not UTF-8 text"),
    ("UTF-16", "a.json", json.dumps(TWO_CELLS).encode("utf-16"), "", "JSON is malformed"),
    ("half a surrogate", "a.json", damaged(VALID, b"edge-0", b"\\ud800"), "", ""),
    ("gzip named json", "a.json", gzip.compress(VALID), "", "JSON is malformed"),
    ("json named gzip", "a.json.gz", VALID, "", "is not a complete gzip file"),
    ("empty gzip", "a.json.gz", b"", "", "Input data was truncated"),
    ("truncated gzip", "a.json.gz", gzip.compress(VALID)[:-20], "", "is not a complete gzip file"),
    ("gzip with a wrong sum", "a.json.gz", gzip.compress(VALID)[:-8] + b"\0" * 8, "", "is not a complete gzip file"),
    ("gzip with garbage", "a.json.gz", gzip.compress(VALID)[:12] + b"\xff" * 40, "", "is not a complete gzip file"),
    ("empty npz", "a.npz", b"", "", "is not a readable NumPy archive"),
    ("json named npz", "a.npz", VALID, "", "is not a readable NumPy archive"),
    ("pickle", "a.npz", pickle.dumps(TWO_CELLS), "", "is not a readable NumPy archive"),
    ("truncated npz", "a.npz", archive()[:-30], "", "is not a readable NumPy archive"),
    ("pickled array", "a.npz", archive(name=np.array({"a": 1}, object)), "", "is not a readable NumPy archive"),
    ("single array", "a.npz", array_file(np.zeros(3)), "", "is not a NumPy archive"),
    ("zip of texts", "a.npz", raw_zip({"readme.txt": b"hello"}), "activations.experts", "is missing"),
    ("text for an array", "a.npz", raw_zip({"format": b"slimbench.instance", "version": b"1"}), "version", "has |S1 values"),
    ("broken header", "a.npz", raw_zip({"format.npy": damaged(array_file(np.zeros(3)), b"(3,)", b"(3('")}), "", "is not a readable NumPy archive"),
    ("broken magic", "a.npz", raw_zip({"format.npy": b"\x93NUMPY\x09\x00"}), "", "is not a readable NumPy archive"),
    ("unknown compression", "a.npz", damaged(raw_zip({"format.npy": b"x"}), b"PK\x01\x02\x14\x03\x14\0\0\0\0\0", b"PK\x01\x02\x14\x03\x14\0\0\0\x63\0"), "", "is not a readable NumPy archive"),
    ("wrong format", "a.npz", archive(format="other"), "format", "is 'other', expected 'slimbench.instance'"),
    ("wrong version", "a.npz", archive(version=2), "version", "is 2, expected 1"),
    ("version table", "a.npz", archive(version=np.array([1])), "version", "has 1 dimensions, expected 0"),
    ("missing", "a.npz", archive(activations__rate=REMOVE), "activations.rate", "is missing"),
    ("missing format", "a.npz", archive(format=REMOVE), "format", "is missing"),
    ("extra", "a.npz", archive(solver=1), "solver", EXTRA),
    ("dispatch number", "a.npz", archive(dispatch=1), "dispatch", "has int64 values, expected text"),
    ("base integer", "a.npz", archive(base_latency_s=1), "base_latency_s", "has int64 values, expected floating-point numbers"),
    ("sizes as floats", "a.npz", archive(models__expert_bytes=np.array([1.0])), "models.expert_bytes", "has float64 values, expected integers"),
    ("capacities as bool", "a.npz", archive(servers__capacity_bytes=np.array([True, True])), "servers.capacity_bytes", "has bool values, expected integers"),
    ("capacities negative", "a.npz", archive(servers__capacity_bytes=np.array([2, -1])), "servers[1].capacity_bytes", "is -1, expected an integer 0 to"),
    ("size zero", "a.npz", archive(models__expert_bytes=np.array([0])), "models[0].expert_bytes", "is 0, expected a positive int"),
    ("rates as integers", "a.npz", archive(activations__rate=np.array([1, 1, 1])), "activations.rate", "has int64 values, expected floating-point numbers"),
    ("rates complex", "a.npz", archive(activations__rate=np.ones(3, complex)), "activations.rate", "has complex128 values, expected floating-point numbers"),
    ("rates short", "a.npz", archive(activations__rate=np.ones(2)), "activations.user", "has 3 entries, expected 2"),
    ("rate nan", "a.npz", archive(activations__rate=np.array([1, math.nan, 1])), "activations[1].rate", "is nan, expected a finite number >= 0"),
    ("names as bytes", "a.npz", archive(users__name=np.array([b"a", b"b"])), "users.name", "has |S1 values, expected text"),
    ("capacities long", "a.npz", archive(servers__capacity_bytes=np.array([1, 1, 1])), "servers.capacity_bytes", "has 3 entries, expected 2"),
    ("layers long", "a.npz", archive(models__layers=np.array([1, 1])), "models.layers", "has 2 entries, expected 1"),
    ("edge table", "a.npz", archive(edge_latency_s=np.ones((2, 2))), "edge_latency_s", "has 2 dimensions, expected 3"),
    ("edge shape", "a.npz", archive(edge_latency_s=np.ones((2, 1, 2))), "edge_latency_s", "has shape (2, 1, 2), expected (2, 2, 1)"),
    ("edge nan", "a.npz", archive(edge_latency_s=np.full((2, 2, 1), np.nan)), "edge_latency_s[0][0][0]", "is nan, expected a number >= 0 or null"),
    ("cloud infinite", "a.npz", archive(cloud_latency_s=np.full((2, 1), np.inf)), "cloud_latency_s[0][0]", "is inf, expected a finite number >= 0"),
    ("offsets short", "a.npz", archive(activations__offsets=np.array([0, 5])), "activations.offsets", "has shape (2,), expected (4,)"),
    ("offsets empty", "a.npz", archive(activations__offsets=np.array([], np.int64)), "activations.offsets", "has shape (0,), expected (4,)"),
    ("offsets back", "a.npz", archive(activations__offsets=np.array([0, 4, 3, 5])), "activations[0].experts", "has 4 experts, expected 1 to top_k = 2"),
    ("group empty", "a.npz", archive(activations__offsets=np.array([0, 2, 2, 5])), "activations[1].experts", "has 0 experts, expected 1 to top_k = 2"),
    ("user huge", "a.npz", archive(activations__user=np.array([0, 0, 2**40])), "activations.user", "has values that are not int32 integers"),
    ("layer high", "a.npz", archive(activations__layer=np.array([0, 0, 7])), "activations[2].layer", "is 7, expected 0 to 0"),
    ("unknown type", "a.txt", VALID, "", "has an unknown file type, expected .json, .json.gz, .npz"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "field", "problem"), [f[1:] for f in UNREADABLE], ids=[f[0] for f in UNREADABLE]
)
def test_file_that_is_not_what_its_name_says_is_refused_in_one_line(
    name: str, content: bytes, field: str, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InstanceError) as caught:
        read_instance(path)
    assert (caught.value.file, caught.value.field) == (path, field)
    assert str(caught.value).startswith(": ".join(filter(None, [str(path), field, problem])))
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < len(str(path)) + 400


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_file_and_folder_are_named(suffix: str, tmp_path: Path) -> None:
    missing, folder = tmp_path / f"missing{suffix}", tmp_path / f"folder{suffix}"
    folder.mkdir()
    assert_refused(lambda: read_instance(missing), missing, "", os.strerror(errno.ENOENT))
    assert_refused(lambda: read_instance(folder), folder, "", os.strerror(errno.EISDIR))


# Anything at all


@settings(max_examples=200)
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
@settings(max_examples=200)
@given(data=st.data())
def test_changed_documents_give_an_instance_error_or_what_they_say(kind: str, data: st.DataObject) -> None:
    document: Any = TWO_CELLS if kind == "instance" else TWO_CELLS_PLACEMENT
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


@settings(max_examples=200)
@given(st.data())
def test_changed_archives_give_an_instance_or_an_instance_error(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(npz_format._VECTORS | npz_format._TABLES | npz_format._SCALARS)))
    dtype = data.draw(st.sampled_from(["i8", "u8", "i1", "f8", "f4", "U3", "S2", "?", "c16", "M8[s]", "V4"]))
    shape = data.draw(st.lists(st.integers(0, 3), max_size=4))
    value = data.draw(st.integers(-2, 2))
    array = np.full(shape, value).astype(np.int64).astype("M8[s]" if dtype == "M8[s]" else dtype[:3])
    outcome(lambda: npz_format.decode_instance(archive(**{name.replace(".", "__"): array})))


@settings(max_examples=200)
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
