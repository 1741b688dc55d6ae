"""A small file that stands for a huge one is refused before memory is spent, and never unpickled."""

import gzip
import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import VALID, archive, put
from refusals import Unpickled, refusal
from samples import TWO_CELLS, two_cells

from slimbench.instances import Model, read_instance, read_placement, write_instance
from slimbench.instances.generators.generate import make_instance, read_recipe
from slimbench.instances.problem.errors import LONGEST
from slimbench.instances.problem.validation import MAX_NAME
from slimbench.instances.traces.traces import read_trace

MODELS = [Model("toy", 2, 4, 2, 1)]
LITTLE_BYTES = 2**27  # what may be spent on a refusal; the bombs stand for gigabytes


pytestmark = pytest.mark.usefixtures("little_memory")


# Text


@pytest.mark.parametrize("name", ["a.json", "a.json.gz"])
def test_a_text_beyond_the_limit_is_refused_packed_or_plain(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slimbench.instances.files.files.MAX_TEXT_BYTES", 10**6)
    blank = VALID + b" " * 10**6
    (tmp_path / name).write_bytes(gzip.compress(blank) if name.endswith(".gz") else blank)
    for read in (read_instance, lambda path: read_placement(path, two_cells())):
        assert refusal(lambda read=read: read(tmp_path / name)).startswith(
            f"{tmp_path / name}: has more than 1000000 bytes"
        )


def test_a_gzip_bomb_is_unpacked_no_further_than_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(bytes(2**20)) * 2**10)  # members follow each other
    assert "line 1: is longer than 1048576 bytes" in refusal(lambda: read_trace(path, MODELS))


def test_a_text_that_could_not_be_read_back_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slimbench.instances.files.files.MAX_TEXT_BYTES", 100)
    assert "expected at most 100, or .npz" in refusal(
        lambda: write_instance(two_cells(), tmp_path / "a.json")
    )
    monkeypatch.setattr("slimbench.instances.files.npz_format.MAX_ARRAY_BYTES", 100)
    assert "bytes of arrays, expected at most 100" in refusal(
        lambda: write_instance(two_cells(), tmp_path / "a.npz")
    )
    assert list(tmp_path.iterdir()) == []


def test_the_field_of_a_number_that_is_not_finite_costs_nothing_where_there_are_many(tmp_path: Path) -> None:
    deep = "[" * 500 + "0," * 100_000 + "NaN" + "]" * 500
    (tmp_path / "a.json").write_text(f'{{"x": {deep}}}')
    assert ": is nan, expected a finite number" in refusal(lambda: read_instance(tmp_path / "a.json"))


@pytest.mark.parametrize("suffix", [".json", ".json.gz", ".npz", ".csv", ".jsonl.gz", ".parquet"])
def test_a_pipe_is_not_waited_for_and_a_name_with_a_nul_is_no_file(suffix: str, tmp_path: Path) -> None:
    read: Any = read_instance if suffix[1:] in {"json", "json.gz", "npz"} else lambda p: read_trace(p, MODELS)
    path = tmp_path / f"a{suffix}"
    os.mkfifo(path)
    assert refusal(lambda: read(path)).endswith("is not a regular file")
    assert "has a NUL in its name" in refusal(lambda: read(tmp_path / f"a\0{suffix}"))


def test_a_message_quotes_a_long_text_in_part(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(VALID.replace(b"slimbench.instance", b"x" * 10**6))
    assert len(refusal(lambda: read_instance(tmp_path / "a.json"))) < len(str(tmp_path)) + 2 * LONGEST


# What an instance declares


@pytest.mark.parametrize(
    ("where", "value", "problem"),
    [
        (("models", 0, "layers"), 2**31 - 1, "models: have 6442450941 experts together, expected at most"),
        (("models", 0, "experts_per_layer"), 2**24, "servers: times experts are"),
        (("name",), "x" * (MAX_NAME + 1), "name: has 1001 characters, expected at most 1000"),
        (("users", 0, "name"), "x" * (MAX_NAME + 1), "users[0].name: has 1001 characters"),
    ],
)
def test_an_absurd_size_is_refused(
    where: tuple[Any, ...], value: Any, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slimbench.instances.problem.validation.MAX_HOLDS", 2**24)
    (tmp_path / "a.json").write_text(json.dumps(put(TWO_CELLS, where, value)))
    assert problem in refusal(lambda: read_instance(tmp_path / "a.json"))


@pytest.mark.parametrize(
    ("limit", "field"),
    [
        ("MAX_SERVERS", "servers: are 2"),
        ("MAX_USERS", "users: are 2"),
        ("MAX_ACTIVATIONS", "activations: are 3"),
        ("MAX_LATENCIES", "edge_latency_s: would have 4 values"),
    ],
)
def test_a_number_of_entries_beyond_its_limit_is_refused(
    limit: str, field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.json", "a.npz"):
        write_instance(two_cells(), tmp_path / name)
    monkeypatch.setattr(f"slimbench.instances.problem.validation.{limit}", 1)
    for name in ("a.json", "a.npz"):
        assert f"{name}: {field}, expected at most 1" in refusal(
            lambda name=name: read_instance(tmp_path / name)
        )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"network": {"servers": 100_000, "users": 1_000_000}}, "edge_latency_s: would have 100000000000"),
        ({"network": {"users": 2**40}}, "network.users: is 1099511627776, expected 1 to 1e+06"),
        (
            {"routing": {"kind": "zipf", "tokens": 10**12}},
            "routing.tokens: is 1000000000000, expected at most",
        ),
        (
            {"network": {"users": 1_000_000}, "routing": {"kind": "zipf", "tokens": 100}},
            "routing.tokens: is 100",
        ),
    ],
)
def test_a_recipe_of_absurd_size_is_refused(changes: dict[str, Any], problem: str) -> None:
    fields = {"name": "a", "dispatch": "single", "models": ["mixtral-8x7b"], "layers": 1, **changes}
    assert problem in refusal(lambda: make_instance(read_recipe(fields)))


# NumPy archives


def npz(path: Path, **members: bytes) -> Path:
    """The example's archive with some members replaced by other bytes."""
    with (
        zipfile.ZipFile(io.BytesIO(archive())) as valid,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
    ):
        for name in valid.namelist():
            field = name.removesuffix(".npy").replace(".", "__")
            file.writestr(name, members.get(field) or valid.read(name))
    return path


def declaring(shape: tuple[int, ...], kind: str, values: bytes = b"") -> bytes:
    """A member that declares an array and has these bytes of it."""
    buffer = io.BytesIO()
    header = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + values


@pytest.mark.parametrize(
    ("field", "shape", "kind", "problem"),
    [
        ("users__name", (2**40,), "<U1", "users.name: has 0 bytes, expected 4398046511104"),
        ("users__name", (2,), f"<U{2**28}", f"users.name: has texts of {2**28} characters, expected 1000"),
        ("activations__rate", (2**33,), "<f8", "activations.rate: has 0 bytes"),
        ("edge_latency_s", (2**20, 2**20, 2**20), "<f8", "edge_latency_s: has 0 bytes"),
        ("name", (), "|O", "name: has object values, expected text"),
    ],
)
def test_an_archive_that_declares_more_than_it_has_is_refused(
    field: str, shape: tuple[int, ...], kind: str, problem: str, tmp_path: Path
) -> None:
    path = npz(tmp_path / "a.npz", **{field: declaring(shape, kind)})
    assert problem in refusal(lambda: read_instance(path))


def test_an_archive_of_zeros_is_refused_by_its_headers(tmp_path: Path) -> None:
    rows = 2**21  # 30 kB of zip stand for 24 MB
    zeros = {
        f"activations__{name}": declaring((rows,), kind, bytes(rows * int(kind[2])))
        for name, kind in (("rate", "<f8"), ("user", "<i4"))
    }
    path = npz(tmp_path / "a.npz", **zeros)
    assert path.stat().st_size < 50_000
    assert "activations.model: has shape (3,), expected (2097152,)" in refusal(lambda: read_instance(path))


def test_an_archive_of_all_arrays_too_large_together_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_instance(two_cells(), tmp_path / "a.npz")
    monkeypatch.setattr("slimbench.instances.files.npz_archive.MAX_ARRAY_BYTES", 300)
    assert "bytes, expected at most 300 together" in refusal(lambda: read_instance(tmp_path / "a.npz"))


def test_an_archive_of_a_million_members_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK\x01\x02" * 10**6)
    assert "has more than 1000 arrays" in refusal(lambda: read_instance(tmp_path / "a.npz"))


def test_no_pickle_is_loaded_from_an_archive(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array([Unpickled()], object), allow_pickle=True)
    for path in (npz(tmp_path / "a.npz", users__name=buffer.getvalue()), tmp_path / "b.npz"):
        if not path.exists():
            path.write_bytes(pickle.dumps(Unpickled()))
        refusal(lambda path=path: read_instance(path))
