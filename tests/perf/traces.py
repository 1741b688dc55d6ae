"""``traces``: reading a routing trace into counts of groups, beside pandas reading and grouping all of it."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
from perf.child import in_child, peak_mib
from perf.table import Cell, Table

from slimbench.instances import Model
from slimbench.instances.traces.counts import count_trace

MODEL: Final = Model("olmoe-like", 32, 64, 2, 1)
USERS: Final = 4
ROWS: Final = {".parquet": (10**5, 10**6, 10**7), ".csv": (10**5, 10**6), ".jsonl": (10**5, 10**6)}
PEER_ROWS: Final = 10**6  # pandas holds every row, a list of Python objects each
BATCH_ROWS: Final = 2**19
BATCHES: Final = 8  # drawn; a longer trace has them over again, for other tokens

CAPTION: Final = (
    "Wall seconds and highest resident memory of a process of its own, one run, from a trace file to the "
    f"count of every group of every user and layer: {USERS} users, {MODEL.layers} layers, top-{MODEL.top_k} "
    f"of {MODEL.experts_per_layer} experts, Zipf exponent 0.65. pandas reads the whole file, sorts the "
    "experts of each row and groups by user, model, layer and experts; it is not given more than "
    f"{PEER_ROWS} rows. `mib` includes Python and its libraries."
)


def traces(rows: Mapping[str, tuple[int, ...]] = ROWS) -> Table:
    """Measure every number of rows in every format.

    Raises
    ------
    ValueError
        If pandas counts other groups.
    """
    table: list[dict[str, Cell]] = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix, sizes in rows.items():
            for n_rows in sizes:
                path = str(Path(folder, f"trace{suffix}"))
                in_child(write_trace, path, n_rows)
                table.append(_row(path, suffix, n_rows))
    return Table(CAPTION, table)


def _row(path: str, suffix: str, n_rows: int) -> dict[str, Cell]:
    groups, seconds, mib = in_child(measured, count_by_slimbench, path)
    row: dict[str, Cell] = {
        "format": suffix[1:],
        "rows": n_rows,
        "file_mib": round(Path(path).stat().st_size / 2**20),
        "groups": groups,
        "slimbench_s": seconds,
        "slimbench_mib": round(mib),
        "pandas_s": None,
        "pandas_mib": None,
    }
    if n_rows <= PEER_ROWS:
        theirs, seconds, mib = in_child(measured, count_by_pandas, path)
        if theirs != groups:
            raise ValueError(f"pandas counted {theirs} groups, SlimBench {groups}")
        row |= {"pandas_s": seconds, "pandas_mib": round(mib)}
    return row


def measured(count: Callable[[str], int], path: str) -> tuple[int, float, float]:
    """Groups that ``count`` finds, its seconds, and the highest resident MiB of this process."""
    start = time.perf_counter()
    groups = count(path)
    return groups, time.perf_counter() - start, peak_mib()


def count_by_slimbench(path: str) -> int:
    """Groups of all users and layers."""
    return len(count_trace(Path(path), [MODEL]).counts)


def count_by_pandas(path: str) -> int:
    """The same, as one would write it down with pandas."""
    if path.endswith(".parquet"):
        frame = pd.read_parquet(path)
    elif path.endswith(".csv"):
        frame = pd.read_csv(path)
        frame["experts"] = [list(map(int, text.split())) for text in frame["experts"]]
    else:
        frame = pd.read_json(path, lines=True)
    experts = np.sort(np.array(frame["experts"].tolist()), axis=1)
    keys = frame[["user", "model", "layer"]].assign(**{f"e{k}": column for k, column in enumerate(experts.T)})
    return len(keys.groupby(list(keys), sort=False).size())


def write_trace(path: str, n_rows: int) -> int:
    """Write a trace of so many rows, batch by batch, each token in all of its layers; returns ``n_rows``."""
    if path.endswith(".parquet"):
        with pyarrow.parquet.ParquetWriter(path, _SCHEMA) as writer:
            for batch in _batches(n_rows):
                writer.write_table(batch)
    else:
        with Path(path).open("w", encoding="ascii") as file:
            if path.endswith(".csv"):
                file.write(",".join(_SCHEMA.names) + "\n")
            for batch in _batches(n_rows):
                file.writelines(_csv_lines(batch) if path.endswith(".csv") else _json_lines(batch))
    return n_rows


_SCHEMA: Final = pyarrow.schema(
    {
        "user": pyarrow.dictionary(pyarrow.int8(), pyarrow.string()),
        "token": pyarrow.int64(),
        "model": pyarrow.dictionary(pyarrow.int8(), pyarrow.string()),
        "layer": pyarrow.int32(),
        "experts": pyarrow.list_(pyarrow.int32()),
    }
)


def _batches(n_rows: int) -> Iterator[Any]:
    rng = np.random.default_rng(0)
    groups = [_drawn_groups(rng) for _ in range(min(BATCHES, -(-n_rows // BATCH_ROWS)))]
    for start in range(0, n_rows, BATCH_ROWS):
        rows = np.arange(start, min(start + BATCH_ROWS, n_rows))
        layers, tokens = rows % MODEL.layers, rows // MODEL.layers
        users = tokens % USERS
        # ranks become experts, other ones in every layer and for every user
        experts = (
            groups[start // BATCH_ROWS % BATCHES][: len(rows)] + (7 * layers + 3 * users)[:, None]
        ) % 64
        offsets = np.arange(0, experts.size + 1, MODEL.top_k, dtype=np.int32)
        columns = [
            pyarrow.DictionaryArray.from_arrays(users.astype(np.int8), [f"u{u}" for u in range(USERS)]),
            tokens,
            pyarrow.DictionaryArray.from_arrays(np.zeros(len(rows), np.int8), [MODEL.name]),
            layers.astype(np.int32),
            pyarrow.ListArray.from_arrays(offsets, experts.astype(np.int32).ravel()),
        ]
        yield pyarrow.Table.from_arrays(columns, schema=_SCHEMA)


def _drawn_groups(rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.int64]]:
    """(BATCH_ROWS, 2) ranks, drawn one after another without replacement."""
    popularity = np.arange(1, MODEL.experts_per_layer + 1) ** -0.65
    arrivals = rng.exponential(size=(BATCH_ROWS, MODEL.experts_per_layer)) / popularity
    return np.argpartition(arrivals, MODEL.top_k, axis=1)[:, : MODEL.top_k]


def _csv_lines(batch: Any) -> Iterator[str]:
    for *cells, experts in zip(*(column.to_pylist() for column in batch.columns), strict=True):
        yield f"{','.join(map(str, cells))},{' '.join(map(str, experts))}\n"


def _json_lines(batch: Any) -> Iterator[str]:
    return (json.dumps(row) + "\n" for row in batch.to_pylist())
