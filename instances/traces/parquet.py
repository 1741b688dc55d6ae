"""Batches of a Parquet trace as columns."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.types

from slimbench.instances.problem.arrays import IntArray
from slimbench.instances.traces.columns import Coded, Lists, NotPlainError, TraceColumns
from slimbench.instances.traces.parquet_batches import is_list, parquet_batches, records_of
from slimbench.instances.traces.rows import IDENTITY, Row, naming_row


@dataclass(frozen=True)
class ParquetBlock:
    """A batch of Arrow's."""

    batch: Any
    dropped: ClassVar[int] = 0

    def columns(self) -> TraceColumns:
        """All rows as columns."""
        columns = dict(zip(self.batch.schema.names, self.batch.columns, strict=True))
        weights = columns.get("weights")
        try:
            return TraceColumns(
                {name: _coded(columns[name]) for name in IDENTITY if name in columns},
                _integers(columns["layer"]),
                _experts(columns["experts"]),
                None if weights is None else _weights(weights),
            )
        except pyarrow.ArrowException as error:
            raise NotPlainError from error

    def rows(self, first: int) -> Iterator[tuple[str, Row]]:
        """One row after another with its place, numbered from ``first``."""
        for number, record in enumerate(records_of(self.batch), first):
            with naming_row(place := f"row {number}"):
                row = msgspec.convert(record, Row)
            yield place, row


def parquet_blocks(
    path: Path, max_rows: int, check_names: Callable[[Sequence[str]], None]
) -> Generator[ParquetBlock, None, None]:
    """A Parquet file of at most so many rows, batch by batch."""
    for batch in parquet_batches(path, max_rows, check_names):
        yield ParquetBlock(batch)


def _coded(column: Any) -> Coded:
    """Text or integers."""
    types = pyarrow.types
    if types.is_null(column.type):
        return Coded([None], np.zeros(len(column), np.int64))
    if types.is_integer(column.type) or types.is_string(column.type):
        column = column.dictionary_encode()
    elif not (types.is_dictionary(column.type) and types.is_string(column.type.value_type)):
        raise NotPlainError
    used = column.indices.unique()
    codes = pyarrow.compute.index_in(column.indices, used)
    return Coded(column.dictionary.take(used).to_pylist(), codes.to_numpy().astype(np.int64))


def _integers(column: Any) -> IntArray:
    if not pyarrow.types.is_integer(column.type) or column.null_count:
        raise NotPlainError
    return np.asarray(column.cast(pyarrow.int64()), np.int64)


def _experts(column: Any) -> Lists:
    if not is_list(column.type) or column.null_count:
        raise NotPlainError
    return Lists(_sizes(column), _integers(column.flatten()))


def _weights(column: Any) -> IntArray:
    if pyarrow.types.is_null(column.type):
        return np.full(len(column), -1, np.int64)
    if not is_list(column.type) or column.flatten().null_count:
        raise NotPlainError
    return _sizes(column)


def _sizes(column: Any) -> IntArray:
    """Lengths of lists, -1 where there is none."""
    return np.asarray(pyarrow.compute.list_value_length(column).fill_null(-1), np.int64)
