"""Read traces of Parquet: plain types only, a batch of rows at a time, within limits of memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.parquet
import pyarrow.types

from slimbench.instances.files.bounded import MAX_TRACE_BYTES
from slimbench.instances.problem.arrays import IntArray
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.traces.columns import Coded, Lists, TraceColumns
from slimbench.instances.traces.parquet_sizes import ColumnSize, declared_sizes
from slimbench.instances.traces.rows import IDENTITY, MAX_INDEX, Row, columns_of, naming_row

MAX_VALUES: Final = 2**27  # of a column in a row group, which Arrow may hold as a whole
MAX_COLUMN_BYTES: Final = 2**30  # unpacked, the same
MAX_ROW_VALUES: Final = 2**10  # of a list; a router calls far fewer experts
MAX_SHARED_BYTES: Final = 2**24  # of a batch's texts that share their beginnings; Arrow takes thrice that
_BATCH_ROWS: Final = 2**15
_RECORD_ROWS: Final = 2**12  # as Python objects, of which a list may be a thousand
_BUFFER_BYTES: Final = 2**20  # of packed pages, for each column


class _NotPlainError(Exception):
    """A column is not what a trace has there, or not in the plainest form."""


def parquet_columns(
    path: Path, max_rows: int, check_names: Callable[[Sequence[str]], None]
) -> Generator[TraceColumns, None, None]:
    """Rows of a Parquet file of at most ``max_rows``; raises as ``parquet_batches``."""
    first = 1
    for batch in parquet_batches(path, max_rows, check_names):
        try:
            yield _columns(batch, first)
        except (_NotPlainError, pyarrow.ArrowException):
            rows: list[Row] = []  # those before a fault
            fault = None
            try:
                rows.extend(_rows(batch, first))
            except InstanceError as error:
                fault = error
            if rows:
                yield columns_of(rows, first)
            if fault:
                raise fault from None
        first += batch.num_rows


def _columns(batch: Any, first: int) -> TraceColumns:
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    weights = columns.get("weights")
    return TraceColumns(
        {name: _coded(columns[name]) for name in IDENTITY if name in columns},
        _indices(columns["layer"]),
        _experts(columns["experts"]),
        None if weights is None else _weights(weights),
        first,
    )


def _rows(batch: Any, first: int) -> Iterator[Row]:
    """Row by row, which takes long, to find the first of wrong types."""
    for number, record in enumerate(_records(batch), first):
        with naming_row(f"row {number}"):
            row = msgspec.convert(record, Row)
        yield row


def parquet_batches(
    path: Path, max_rows: int, check_names: Callable[[Sequence[str]], None]
) -> Generator[Any, None, None]:
    """``pyarrow.RecordBatch`` by batch; integers, numbers, text and lists of integers or numbers.

    What the file declares is checked before any of it is unpacked: a few bytes can stand for billions of
    rows, for lists of billions, or for one long text in every row. ``check_names`` refuses columns by their
    names.

    Raises
    ------
    InstanceError
        If it is not a Parquet file, has more than ``max_rows`` rows, or columns of other types.
    OSError
        If it cannot be read.
    """
    columns = _checked_sizes(path, max_rows)
    shared = {name: size.shared_bytes for name, size in columns.items() if size.shared_bytes}
    batch_rows = min(_BATCH_ROWS, max(1, MAX_SHARED_BYTES // max(1, sum(shared.values()))))
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
        check_names(schema.names)
        _check_types(schema)
        # Arrow cannot read texts that share their beginnings as numbers into a dictionary
        texts = [field.name for field in schema if _is_text(field.type) and field.name not in shared]
        with pyarrow.parquet.ParquetFile(path, read_dictionary=texts, buffer_size=_BUFFER_BYTES) as file:
            first = 1
            for run in _runs(file.metadata):
                for batch in file.iter_batches(batch_rows, row_groups=run, use_threads=False):
                    batch.validate(full=True)  # a damaged page may give numbers of texts that there are not
                    _check_lists(batch, first)
                    yield batch
                    first += batch.num_rows
    except InstanceError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise InstanceError("", f"is not a Parquet file ({error})") from None


def _runs(metadata: Any) -> Iterator[list[int]]:
    """Row groups in runs of a batch's rows or more: Arrow holds all that is asked for at once."""
    run: list[int] = []
    rows = 0
    for group in range(metadata.num_row_groups):
        run.append(group)
        rows += metadata.row_group(group).num_rows
        if rows >= _BATCH_ROWS:
            yield run
            run, rows = [], 0
    if run:
        yield run


def _records(batch: Any) -> Iterator[dict[str, Any]]:
    """Rows of a batch as dictionaries of Python objects."""
    for start in range(0, batch.num_rows, _RECORD_ROWS):
        part = batch.slice(start, _RECORD_ROWS)
        columns = [_values(column) for column in part.columns]
        yield from (dict(zip(part.schema.names, row, strict=True)) for row in zip(*columns, strict=True))


def _is_list(kind: Any) -> bool:
    """Whether an Arrow type is a list of any kind."""
    types = pyarrow.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _check_types(schema: Any) -> None:
    for field in schema:
        if not (_is_plain(field.type) or (_is_list(field.type) and _is_number(field.type.value_type))):
            raise InstanceError(
                f"header: {field.name}",
                f"has {field.type} values, expected numbers, text or lists of numbers",
            )


def _checked_sizes(path: Path, max_rows: int) -> dict[str, ColumnSize]:
    rows, nbytes, columns = declared_sizes(path)
    if rows > max_rows:
        raise InstanceError("", f"has {rows} rows, expected at most {max_rows}")
    if nbytes > MAX_TRACE_BYTES:
        raise InstanceError("", f"has {nbytes} bytes unpacked, expected at most {MAX_TRACE_BYTES}")
    for name, (values, nbytes, _) in columns.items():
        if values > MAX_VALUES or nbytes > MAX_COLUMN_BYTES:
            raise InstanceError(
                f"header: {name}",
                f"has {values} values in {nbytes} bytes in a row group, "
                f"expected at most {MAX_VALUES} in {MAX_COLUMN_BYTES}",
            )
    return columns


def _check_lists(batch: Any, first: int) -> None:
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if _is_list(column.type):
            lengths = pyarrow.compute.list_value_length(column)
            longest = pyarrow.compute.max(lengths).as_py() or 0
            if longest > MAX_ROW_VALUES:
                row = first + lengths.index(longest).as_py()
                raise InstanceError(
                    f"row {row}: {name}", f"has {longest} entries, expected at most {MAX_ROW_VALUES}"
                )


def _values(column: Any) -> list[Any]:
    """A column's values as Python objects; a text that many rows share is unpacked once."""
    if not pyarrow.types.is_dictionary(column.type):
        return list(column.to_pylist())
    numbers, texts = column.indices.to_pylist(), {None: None}
    for number in numbers:
        if number not in texts:
            texts[number] = column.dictionary[number].as_py()
    return [texts[number] for number in numbers]


def _is_plain(kind: Any) -> bool:
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    return _is_text(kind) or _is_number(kind)


def _is_text(kind: Any) -> bool:
    return bool(pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind))


def _is_number(kind: Any) -> bool:
    types = pyarrow.types
    return bool(
        types.is_integer(kind) or types.is_float32(kind) or types.is_float64(kind) or types.is_null(kind)
    )


def _coded(column: Any) -> Coded:
    """Text or integers."""
    types = pyarrow.types
    if types.is_null(column.type):
        return Coded([None], np.zeros(len(column), np.int64))
    if types.is_integer(column.type) or types.is_string(column.type):
        column = column.dictionary_encode()
    elif not (types.is_dictionary(column.type) and types.is_string(column.type.value_type)):
        raise _NotPlainError
    used = column.indices.unique()
    codes = pyarrow.compute.index_in(column.indices, used)
    return Coded(column.dictionary.take(used).to_pylist(), codes.to_numpy().astype(np.int64))


def _indices(column: Any) -> IntArray:
    if not pyarrow.types.is_integer(column.type) or column.null_count:
        raise _NotPlainError
    indices = np.asarray(column.cast(pyarrow.int64()), np.int64)
    if len(indices) and not 0 <= indices.min() <= indices.max() <= MAX_INDEX:
        raise _NotPlainError
    return indices


def _experts(column: Any) -> Lists:
    if not _is_list(column.type) or column.null_count:
        raise _NotPlainError
    return Lists(_sizes(column), _indices(column.flatten()))


def _weights(column: Any) -> IntArray:
    if pyarrow.types.is_null(column.type):
        return np.full(len(column), -1, np.int64)
    if not _is_list(column.type) or column.flatten().null_count:
        raise _NotPlainError
    return _sizes(column)


def _sizes(column: Any) -> IntArray:
    """Lengths of lists, -1 where there is none."""
    return np.asarray(pyarrow.compute.list_value_length(column).fill_null(-1), np.int64)
