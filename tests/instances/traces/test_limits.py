"""A small trace that stands for a huge one is refused before memory is spent, and never unpickled."""

import json
import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from refusals import Unpickled, refusal

from slimbench.instances import InstanceError, Model
from slimbench.instances.files import bounded
from slimbench.instances.routing.measured import read_fiddler_counts
from slimbench.instances.traces.traces import read_trace

MODELS = [Model("toy", 2, 4, 2, 1)]
pytestmark = pytest.mark.usefixtures("little_memory")


def parquet(path: Path, store_schema: bool = True, **columns: Any) -> Path:
    rows = max(len(values) for values in columns.values())
    example = {"user": ["a"] * rows, "model": ["toy"] * rows, "layer": [0] * rows, "experts": [[0]] * rows}
    pq.write_table(pa.table({**example, **columns}), path, store_schema=store_schema, row_group_size=10**9)
    return path


@pytest.mark.parametrize("honest", [True, False])
def test_a_list_of_too_many_entries_is_refused_by_the_header_of_its_page(
    honest: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slimbench.instances.traces.parquet.MAX_VALUES", 10**5)
    entries, varint, little = (
        300_000,
        b"\xc0\xcf\x24",
        b"\x84\x80\x00",
    )  # 300,000 and 2 as Parquet writes them
    values = pa.ListArray.from_arrays(pa.array([0, entries], pa.int32()), pa.nulls(entries, pa.int32()))
    path = parquet(tmp_path / "a.parquet", experts=values)
    assert path.stat().st_size < 5000
    if not honest:
        content = path.read_bytes()
        footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
        assert varint in content[footer:]
        path.write_bytes(content[:footer] + content[footer:].replace(varint, little))
    assert f"header: experts.list.element: has {entries} values" in refusal(lambda: read_trace(path, MODELS))


@pytest.mark.parametrize("chunk", [b"\x39\x0c", b"\x36\x02", b"\x3c\x38\x01a\x00", b""])
def test_a_parquet_header_with_a_field_of_another_type_is_damaged(chunk: bytes, tmp_path: Path) -> None:
    footer = b"\x36\x02\x19\x1c\x19\x1c" + chunk + b"\0\0\0"  # rows: 1, a row group of one column chunk
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    assert "is not a Parquet file (a header is damaged" in refusal(lambda: read_trace(path, MODELS))


def test_a_list_of_thousands_is_no_group(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", experts=[[0], list(range(5000))])
    assert "row 2: experts: has 5000 entries, expected at most 1024" in refusal(
        lambda: read_trace(path, MODELS)
    )


def test_a_long_text_in_every_row_is_unpacked_once_and_refused_as_a_user(tmp_path: Path) -> None:
    rows = 20_000
    users = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * 10**5]))
    for store_schema in (True, False):
        path = parquet(tmp_path / "a.parquet", store_schema, user=users)  # 2 GB as rows
        assert "row 1: user: has 100000 characters, expected at most 1000" in refusal(
            lambda path=path: read_trace(path, MODELS)
        )


def shared_beginnings(path: Path, user: str, rows: int) -> Path:
    """A trace of one user whose every name but the first is stored as sharing all of the one before."""
    table = pa.table({"user": [user], "model": ["toy"], "layer": [0], "experts": [[0]]})
    encodings = {"user": "DELTA_BYTE_ARRAY", "model": "DELTA_BYTE_ARRAY"}
    sizes = {"data_page_size": 2**30, "write_batch_size": 10**6, "write_statistics": False}
    with pq.ParquetWriter(
        path, table.schema, use_dictionary=False, column_encoding=encodings, **sizes
    ) as writer:
        for _ in range(rows // 100):
            writer.write_batch(pa.concat_tables([table] * 100).combine_chunks().to_batches()[0])
    return path


def test_texts_that_share_their_beginnings_are_read(tmp_path: Path) -> None:
    activations, users = read_trace(shared_beginnings(tmp_path / "a.parquet", "ann", 300), MODELS)
    assert users == ("ann",)
    assert activations.rates.tolist() == [1.0]


def test_long_texts_that_share_their_beginnings_are_unpacked_some_at_a_time(tmp_path: Path) -> None:
    path = shared_beginnings(tmp_path / "a.parquet", "x" * 10**5, 3000)  # 300 MB as rows
    assert path.stat().st_size < 10**6
    assert "row 1: user: has 100000 characters" in refusal(lambda: read_trace(path, MODELS))


def test_a_page_that_numbers_texts_beyond_its_dictionary_is_refused(tmp_path: Path) -> None:
    table = pa.table({"user": ["a", "b"], "model": ["toy"] * 2, "layer": [0] * 2, "experts": [[0]] * 2})
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, compression="none")
    content = bytearray(path.read_bytes())
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    refusals = []
    for at in range(4, footer):  # one of these bytes is the numbers of the users
        path.write_bytes(content[:at] + b"\xe5" + content[at + 1 :])
        try:
            read_trace(path, MODELS)
        except InstanceError as error:
            refusals.append(str(error))
    assert any("Dictionary indices invalid" in refusal for refusal in refusals)


def test_a_trace_of_too_many_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slimbench.instances.traces.batches.MAX_TRACE_ROWS", 2)
    rows = ["user,model,layer,experts"] + ["a,toy,0,0"] * 3
    (tmp_path / "a.csv").write_text("\n".join(rows))
    assert "row 3: is one too many" in refusal(lambda: read_trace(tmp_path / "a.csv", MODELS))
    parquet(tmp_path / "a.parquet", layer=[0] * 3)
    assert "has 3 rows, expected at most 2" in refusal(lambda: read_trace(tmp_path / "a.parquet", MODELS))


def test_no_pickle_is_loaded_from_a_parquet_file(tmp_path: Path) -> None:
    extension = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Unpickled()),
    }
    table = pa.table({"user": ["a"], "model": ["toy"], "layer": [0], "experts": [[0]]})
    field = pa.field("user", pa.string(), metadata=extension)
    pq.write_table(table.cast(pa.schema([field, *list(table.schema)[1:]])), tmp_path / "a.parquet")
    assert read_trace(tmp_path / "a.parquet", MODELS)[1] == ("a",)


def test_many_users_and_layers_take_memory_only_where_there_are_rows(tmp_path: Path) -> None:
    wide = [Model("toy", 10**6, 4, 2, 1)]
    lines = [f"u{i},toy,{10**6 - 1 - i},0" for i in range(10**4)]
    (tmp_path / "a.csv").write_text("\n".join(["user,model,layer,experts", *lines]))
    activations, users = read_trace(tmp_path / "a.csv", wide)
    assert len(users) == len(activations.rates) == 10**4
    assert activations.rates.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (
            "a.csv",
            "user,user,model,layer,experts\n",
            "header: names 'user' twice, expected different columns",
        ),
        ("a.csv", "," * 10**6, "header: column 1: has no name"),  # looked at once, not column by column
        ("a.csv", f"user,model,layer,experts\na,toy,{'9' * 5000},0\n", "row 1: layer: "),
        ("a.csv", f"user,model,layer,experts\na,toy,0,{'0 ' * 70_000}\n", "line 2: is not CSV (field larger"),
        ("a.jsonl", " " * (bounded.MAX_LINE_BYTES + 1), "line 1: is longer than 1048576 bytes"),
    ],
)
def test_what_once_was_no_error_of_ours_is_one(name: str, content: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert f"{name}: {problem}" in refusal(lambda: read_trace(tmp_path / name, MODELS))


def test_deep_nesting_beside_the_measured_counts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"expert_popularity": [], "x": ' + "[" * 5000)
    assert "is not JSON (maximum recursion depth" in refusal(lambda: read_fiddler_counts(tmp_path / "a.json"))


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\x0b"])
def test_a_line_ends_at_its_newline_alone(separator: str, tmp_path: Path) -> None:
    user = f"a{separator}b"
    row = {"user": user, "model": "toy", "layer": 0, "experts": [0]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row, ensure_ascii=separator == "\x0b"), "utf-8")
    (tmp_path / "a.csv").write_text(f"user,model,layer,experts\n{user},toy,0,0\n", "utf-8")
    for name in ("a.jsonl", "a.csv"):
        assert read_trace(tmp_path / name, MODELS)[1] == (user,)
