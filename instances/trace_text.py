"""CSV and JSON lines of traces, a block of rows at a time."""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from slimbench.instances.bounded import MAX_TRACE_BYTES, read_lines
from slimbench.instances.errors import InstanceError
from slimbench.instances.records import naming_field, refuse_twice
from slimbench.instances.trace_columns import Coded, Lists, NotPlainError, TraceColumns
from slimbench.instances.trace_rows import COLUMNS, IDENTITY, Row, columns_of

MAX_DIGITS: Final = 20  # of an integer; leading zeros are read
_BLOCK_ROWS: Final = 2**15
_BLOCK_CHARACTERS: Final = 2**22

_Item = TypeVar("_Item")


class _Lines:
    """Lines of a file, and how many characters of it have been given out."""

    def __init__(self, path: Path) -> None:
        self.given = 0
        self._lines = read_lines(path, MAX_TRACE_BYTES)

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.given += len(line)
            yield line

    def close(self) -> None:
        self._lines.close()


@dataclass(frozen=True)
class JsonBlock:
    """Some lines of JSON."""

    lines: list[str]

    def columns(self) -> TraceColumns:
        """All rows as columns."""
        try:
            return columns_of(list(map(_DECODER.decode, self.lines)))
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            raise NotPlainError from error

    def rows(self, first: int) -> Iterator[Row]:
        """One row after another, numbered from ``first`` in what is said of a fault."""
        for number, line in enumerate(self.lines, first):
            with naming_field(f"row {number}"):
                yield _DECODER.decode(line)


@dataclass(frozen=True)
class CsvBlock:
    """Some records of CSV, none of them empty."""

    header: list[str]
    records: list[list[str]]

    def columns(self) -> TraceColumns:
        """All rows as columns; each different text is converted once."""
        n_rows = len(self.records)
        whole = {len(record) for record in self.records} == {len(self.header)}
        if not whole or not {"model", "layer", "experts"} <= set(self.header) <= set(COLUMNS):
            raise NotPlainError
        coded = {
            name: Coded.of(column, n_rows).converted(partial(_csv_value, name))
            for name, column in zip(self.header, zip(*self.records, strict=True), strict=True)
        }
        layers, experts, weights = coded["layer"], coded["experts"], coded.get("weights")
        if not all(type(layer) is int for layer in layers.values):
            raise NotPlainError
        if not all(type(expert) is int for group in experts.values for expert in group):
            raise NotPlainError
        if weights and not all(type(w) is float for group in weights.values for w in group or ()):
            raise NotPlainError
        try:
            return TraceColumns(
                {name: coded[name] for name in IDENTITY if name in coded},
                np.array(layers.values, np.int64)[layers.codes],
                Lists.of(experts.values).rows(experts.codes),
                weights and np.array([-1 if w is None else len(w) for w in weights.values])[weights.codes],
            )
        except OverflowError as error:
            raise NotPlainError from error

    def rows(self, first: int) -> Iterator[Row]:
        """One row after another, numbered from ``first`` in what is said of a fault."""
        for number, record in enumerate(self.records, first):
            texts = dict(zip(self.header, record, strict=False))
            values = {name: _csv_value(name, texts.get(name)) for name in self.header}
            if len(record) > len(self.header):
                values["one value more than the header"] = record[len(self.header) :]
            with naming_field(f"row {number}"):
                yield msgspec.convert(values, Row)


_DECODER: Final = msgspec.json.Decoder(Row)


def json_blocks(path: Path) -> Generator[JsonBlock, None, None]:
    """A file of JSON lines, block by block."""
    with closing(_Lines(path)) as lines:
        for block in _in_blocks(iter(lines), lines):
            yield JsonBlock(block)


def csv_blocks(path: Path) -> Generator[CsvBlock, None, None]:
    """A CSV file, block by block; empty lines are no rows."""
    with closing(_Lines(path)) as lines:
        reader = csv.reader(lines)
        records = _csv_records(reader)
        header = next(records, [])
        refuse_twice(header)
        for block in _in_blocks(records, lines):
            yield CsvBlock(header, block)


def _csv_records(reader: Any) -> Iterator[list[str]]:
    try:
        yield from filter(None, reader)
    except csv.Error as error:
        raise InstanceError(f"line {reader.line_num}", f"is not CSV ({error})") from None


def _in_blocks(items: Iterator[_Item], lines: _Lines) -> Iterator[list[_Item]]:
    """Items by the block; those before a fault come before it, so that the first fault is told."""
    block: list[_Item] = []
    fault = None
    end = lines.given + _BLOCK_CHARACTERS
    try:
        for item in items:
            block.append(item)
            if len(block) == _BLOCK_ROWS or lines.given > end:
                yield block
                block, end = [], lines.given + _BLOCK_CHARACTERS
    except InstanceError as error:
        fault = error
    if block:
        yield block
    if fault:
        raise fault


def _csv_value(column: str, text: str | None) -> Any:
    """A CSV field as the value that JSON has there; what is no number is left for the check to refuse."""
    match column:
        case "layer":
            return _number(text or "")
        case "experts":
            return [_number(word) for word in (text or "").split()]
        case "weights":
            return [_decimal(word) for word in text.split()] if text else None
        case _:
            return text or None


def _number(text: str) -> int | str:
    short = len(text) <= MAX_DIGITS  # Python refuses to convert thousands of digits
    return int(text) if short and text.isascii() and text.isdecimal() else text


def _decimal(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
