"""Changed routing traces: cells of rows, as CSV, JSON lines and Parquet, and the bytes of each."""

from __future__ import annotations

import csv
import io
import json
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fuzz.documents import VALUES, changed_document
from fuzz.mutation import changed_bytes

ROWS: list[dict[str, Any]] = [
    {"user": "ann", "model": "toy", "layer": 0, "experts": [1, 0], "weights": [0.7, 0.3], "token": 0},
    {"user": "ann", "model": "toy", "layer": 0, "experts": [2], "weights": [1.0], "token": 1},
    {"user": "ann", "model": "toy", "layer": 1, "experts": [3, 2], "weights": [0.5, 0.5], "token": 2},
    {"user": "bob", "model": "other", "layer": 0, "experts": [7, 1, 4], "weights": [0.4, 0.3, 0.3],
    "token": 3},
]  # fmt: skip
CELLS = ["", " ", "0", "-1", "1", "99", "toy", "other", "1 0", "0 0", "1  2", "1e3", "nan", "٣", "²",
         "9" * 30,
         "9" * 5000, "x" * 140_000, '"', '""', '"a', "a\nb", "a,b", "\0", "\r", "\u2028", "0x1", "1_0",
         "+1"]  # fmt: skip
CSV_FRAGMENTS = [cell.encode() for cell in CELLS] + [b"\n", b"\r\n", b",", b",,", b"\xff", b"\xef\xbb\xbf",
                 b"user,user"]  # fmt: skip
JSON_FRAGMENTS = [b"\n", b"{}", b"[]", b"null", b'"', b"}\n{", b"NaN", b"1e999", b"9" * 30, b"9" * 5000,
                  b"\xff",
                  b"\xe2\x80\xa8", b"\\ud800", b"[" * 3000, b'{"a":' * 3000, b" " * 2000,
                  b"x" * 2**20]  # fmt: skip
PARQUET_FRAGMENTS = [b"PAR1", b"\0" * 4, b"\xff" * 4, b"\x15", b"\x19", b"\x1c", b"\x18",
                     b"\xff\xff\xff\xff\x0f", b"user",
                     b"\x80\x80\x80\x80\x08", b"\xfe\xff\xff\xff\x0f", b"experts", b"list",
                     b"element"]  # fmt: skip
COLUMNS = ["user", "task", "prompt", "model", "layer", "experts", "weights", "token", "gate", ""]


def changed_csv(rng: Random) -> bytes:
    """CSV text with cells, columns or bytes changed."""
    table = [list(ROWS[0])] + [
        [" ".join(map(str, v)) if isinstance(v, list) else str(v) for v in row.values()] for row in ROWS
    ]
    for _ in range(rng.randint(1, 3)):
        row = rng.choice(table)
        match rng.randrange(6):
            case 0 | 1 | 2 if row:
                row[rng.randrange(len(row))] = rng.choice(CELLS)
            case 3 if row:
                del row[rng.randrange(len(row))]
            case 4:
                row.insert(rng.randint(0, len(row)), rng.choice([*CELLS, *COLUMNS]))
            case _:
                table[0] = [rng.choice(COLUMNS) if rng.random() < 0.2 else name for name in table[0]]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=rng.choice(["\n", "\r\n"]), escapechar="\\")
    writer.writerows(table)
    content = text.getvalue().encode()
    return changed_bytes(rng, content, CSV_FRAGMENTS) if rng.random() < 0.5 else content


def changed_json_lines(rng: Random, documents: list[Any] = ROWS) -> bytes:
    """JSON lines with values, lines or bytes changed."""
    lines = [json.dumps(document).encode() for document in documents]
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(len(lines))
        match rng.randrange(4):
            case 0 | 1:
                lines[at] = changed_document(rng, documents[min(at, len(documents) - 1)])
            case 2:
                lines[at:at] = [rng.choice(lines)] * rng.choice([1, 1, 100])
            case _:
                lines.insert(at, rng.choice([b"", b"{}", b"null", b"[1]"]))
    content = b"\n".join(lines) + b"\n"
    return changed_bytes(rng, content, JSON_FRAGMENTS) if rng.random() < 0.4 else content


def changed_parquet(rng: Random) -> bytes:
    """A Parquet file with cells, columns' types or bytes changed, written with options drawn anew."""
    rows = [dict(row) for row in ROWS] * rng.choice([1, 1, 5])
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    arrays: dict[str, Any] = {name: pa.array(values) for name, values in columns.items()}
    for _ in range(rng.randrange(3)):
        name = rng.choice(list(arrays))
        match rng.randrange(5):
            case 0:
                values = list(columns.get(name, [0] * len(rows)))
                values[rng.randrange(len(values))] = rng.choice([*VALUES, None, -1, 99, [9], [None], "toy"])
                arrays[name] = _array(values, arrays[name])
            case 1:
                arrays[name] = _other_type(rng, len(rows))
            case 2 if len(arrays) > 1:
                del arrays[name]
            case 3:
                arrays[rng.choice(COLUMNS)] = arrays.pop(name)
            case _ if pa.types.is_string(arrays[name].type):
                arrays[name] = arrays[name].dictionary_encode()
    buffer = io.BytesIO()
    names = list(arrays)
    if rng.random() < 0.05:
        names[rng.randrange(len(names))] = names[0]
    texts = [
        name for name, array in zip(names, arrays.values(), strict=True) if pa.types.is_string(array.type)
    ]
    alike = len(set(names)) < len(names)  # encodings go by names
    shared = not alike and rng.random() < 0.2  # texts as what they share with the one before
    pq.write_table(
        pa.Table.from_arrays(list(arrays.values()), names=names),
        buffer,
        compression=rng.choice(["none", "snappy", "gzip", "zstd", "brotli", "lz4"]),
        use_dictionary=not shared and rng.random() < 0.5,
        column_encoding=dict.fromkeys(texts, "DELTA_BYTE_ARRAY") if shared else None,
        row_group_size=rng.choice([1, 3, 100]),
        version=rng.choice(["1.0", "2.6"]),
        data_page_version=rng.choice(["1.0", "2.0"]),
        store_schema=rng.random() < 0.7,
    )
    content = buffer.getvalue()
    return changed_bytes(rng, content, PARQUET_FRAGMENTS) if rng.random() < 0.8 else content


def _array(values: list[Any], former: Any) -> Any:
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):  # a mix that no column can hold
        return former


def _other_type(rng: Random, rows: int) -> Any:
    kind = rng.choice([
        pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.bool_(), pa.binary(), pa.large_string(),
        pa.date32(),
        pa.timestamp("us"), pa.time64("us"), pa.decimal128(38, 3), pa.list_(pa.list_(pa.int8())),
        pa.list_(pa.string()),
        pa.map_(pa.string(), pa.int8()), pa.struct([("a", pa.int8())]), pa.null(), pa.duration("s"),
        pa.large_list(pa.int64()),
        pa.list_(pa.int32(), 2), pa.dictionary(pa.int8(), pa.int64()), pa.list_(pa.uint64()),
        pa.list_(pa.float64()),
    ])  # fmt: skip
    if rng.random() < 0.5 or pa.types.is_dictionary(kind):
        return pa.nulls(rows, kind)
    value: Any = [[1, 0]] * rows if pa.types.is_nested(kind) else [1] * rows
    try:
        return pa.array(value, kind)
    except (pa.ArrowException, TypeError, ValueError):
        return pa.nulls(rows, kind)
