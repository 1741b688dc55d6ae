"""Files that are not what their name says are refused in one line."""
# ruff: noqa: E501  (one fault a line)

import errno
import gzip
import io
import json
import math
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import EXTRA, REMOVE, VALID, archive, assert_refused
from samples import TWO_CELLS

from slimbench.instances import (
    InstanceError,
    read_instance,
)

SUFFIXES = [".json", ".json.gz", ".npz"]


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
    ("empty", "a.json", b"", "", "is not JSON (Input data was truncated"),
    ("blank", "a.json", b" \n", "", "is not JSON (Input data was truncated"),
    ("not JSON", "a.json", b"servers: 2", "", "is not JSON (JSON is malformed"),
    ("truncated", "a.json", VALID[: len(VALID) // 2], "", "is not JSON (Input data was truncated"),
    ("two documents", "a.json", VALID + VALID, "", "is not JSON (JSON is malformed: trailing characters"),
    ("list", "a.json", b"[1]", "", "expected object, got array"),
    ("null", "a.json", b"null", "", "expected object, got null"),
    ("deep nesting", "a.json", b'{"x":' * 200_000, "", ""),
    ("deep lists", "a.json", b"[" * 200_000, "", ""),
    ("deep field", "a.json", VALID.replace(b'"single"', b"[" * 100_000 + b"]" * 100_000), "", ""),
    ("long version", "a.json", VALID.replace(b'"version": 1', b'"version": ' + b"9" * 6000), "version", "integer value out of range"),
    ("not UTF-8", "a.json", damaged(VALID, b"edge-0", b"edge\xff0"), "", "is not UTF-8 text"),
    ("UTF-16", "a.json", json.dumps(TWO_CELLS).encode("utf-16"), "", "is not JSON (JSON is malformed"),
    ("half a surrogate", "a.json", damaged(VALID, b"edge-0", b"\\ud800"), "", ""),
    ("gzip named json", "a.json", gzip.compress(VALID), "", "is not JSON (JSON is malformed"),
    ("json named gzip", "a.json.gz", VALID, "", "is not a complete gzip file"),
    ("empty gzip", "a.json.gz", b"", "", "is not JSON (Input data was truncated"),
    ("truncated gzip", "a.json.gz", gzip.compress(VALID)[:-20], "", "is not a complete gzip file"),
    ("gzip with a wrong sum", "a.json.gz", gzip.compress(VALID)[:-8] + b"\0" * 8, "", "is not a complete gzip file"),
    ("gzip with garbage", "a.json.gz", gzip.compress(VALID)[:12] + b"\xff" * 40, "", "is not a complete gzip file"),
    ("empty npz", "a.npz", b"", "", "is not a readable NumPy archive"),
    ("json named npz", "a.npz", VALID, "", "is not a readable NumPy archive"),
    ("pickle", "a.npz", pickle.dumps(TWO_CELLS), "", "is not a readable NumPy archive"),
    ("truncated npz", "a.npz", archive()[:-30], "", "is not a readable NumPy archive"),
    ("pickled array", "a.npz", archive(name=np.array({"a": 1}, object)), "name", "has object values, expected text"),
    ("single array", "a.npz", array_file(np.zeros(3)), "", "is not a readable NumPy archive"),
    ("zip of texts", "a.npz", raw_zip({"readme.txt": b"hello"}), "activations.experts", "is missing"),
    ("text for an array", "a.npz", raw_zip({"format": b"slimbench.instance", "version": b"1"}), "activations.experts", "is missing"),
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
    ("rates short", "a.npz", archive(activations__rate=np.ones(2)), "activations.user", "has shape (3,), expected (2,)"),
    ("rate nan", "a.npz", archive(activations__rate=np.array([1, math.nan, 1])), "activations[1].rate", "is nan, expected a finite number >= 0"),
    ("names as bytes", "a.npz", archive(users__name=np.array([b"a", b"b"])), "users.name", "has |S1 values, expected text"),
    ("capacities long", "a.npz", archive(servers__capacity_bytes=np.array([1, 1, 1])), "servers.capacity_bytes", "has shape (3,), expected (2,)"),
    ("layers long", "a.npz", archive(models__layers=np.array([1, 1])), "models.layers", "has shape (2,), expected (1,)"),
    ("edge table", "a.npz", archive(edge_latency_s=np.ones((2, 2))), "edge_latency_s", "has 2 dimensions, expected 3"),
    ("edge shape", "a.npz", archive(edge_latency_s=np.ones((2, 1, 2))), "edge_latency_s", "has shape (2, 1, 2), expected (2, 2, 1)"),
    ("edge nan", "a.npz", archive(edge_latency_s=np.full((2, 2, 1), np.nan)), "edge_latency_s[0][0][0]", "is nan, expected a number >= 0 or null"),
    ("cloud infinite", "a.npz", archive(cloud_latency_s=np.full((2, 1), np.inf)), "cloud_latency_s[0][0]", "is inf, expected a finite number >= 0"),
    ("offsets short", "a.npz", archive(activations__offsets=np.array([0, 5])), "activations.offsets", "has shape (2,), expected (4,)"),
    ("offsets empty", "a.npz", archive(activations__offsets=np.array([], np.int64)), "activations.offsets", "has shape (0,), expected (4,)"),
    ("offsets back", "a.npz", archive(activations__offsets=np.array([0, 4, 3, 5])), "activations[0].experts", "has 4 experts, expected 1 to top_k = 2"),
    ("group empty", "a.npz", archive(activations__offsets=np.array([0, 2, 2, 5])), "activations[1].experts", "has 0 experts, expected 1 to top_k = 2"),
    ("positions short", "a.npz", archive(servers__position_m=np.zeros((1, 2))), "servers.position_m", "has shape (1, 2), expected (2, 2)"),
    ("positions in space", "a.npz", archive(users__position_m=np.zeros((2, 3))), "users.position_m", "has shape (2, 3), expected (2, 2)"),
    ("positions flat", "a.npz", archive(users__position_m=np.zeros(4)), "users.position_m", "has 1 dimensions, expected 2"),
    ("positions as integers", "a.npz", archive(users__position_m=np.zeros((2, 2), np.int64)), "users.position_m", "has int64 values, expected floating-point numbers"),
    ("position nan", "a.npz", archive(users__position_m=np.array([[0, 0], [0, math.nan]])), "users[1].position_m[1]", "is nan, expected a number within 1e+09 m of 0"),
    ("positions of models", "a.npz", archive(models__position_m=np.zeros((1, 2))), "models.position_m", EXTRA),
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
