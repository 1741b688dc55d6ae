"""CSV and JSON lines of traces, a block of rows at a time."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

import msgspec
import numpy as np

from slimbench.instances.files.bounded import MAX_TRACE_BYTES, read_lines
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.routing.log import RoutingLog, is_routing_log
from slimbench.instances.traces.columns import Coded, Lists, NotPlainError, TraceColumns
from slimbench.instances.traces.rows import IDENTITY, Row, columns_of, naming_row
from slimbench.instances.zoo import published_as

MAX_DIGITS: Final = 20  # of an integer; leading zeros are read
_BLOCK_ROWS: Final = 2**15
_BLOCK_CHARACTERS: Final = 2**22
_NUMBERS: Final = ("layer", "experts", "weights")  # columns that are no names

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
    dropped: ClassVar[int] = 0

    def columns(self) -> TraceColumns:
        """All rows as columns."""
        try:
            return columns_of(list(map(_DECODER.decode, self.lines)))
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            raise NotPlainError from error

    def rows(self, first: int) -> Iterator[tuple[str, Row]]:
        """One row after another with its place, numbered from ``first``."""
        for number, line in enumerate(self.lines, first):
            with naming_row(place := f"row {number}"):
                row = _DECODER.decode(line)
            yield place, row


@dataclass(frozen=True)
class LogBlock:
    """Some rows of a routing log with their places, and how many were dropped as warm-up before them."""

    placed: list[tuple[str, Row]]
    dropped: int

    def columns(self) -> TraceColumns:
        """All rows as columns."""
        return columns_of([row for _, row in self.placed])

    def rows(self, _first: int) -> Iterator[tuple[str, Row]]:
        """One row after another with its place."""
        return iter(self.placed)


@dataclass(frozen=True)
class CsvBlock:
    """Some records of CSV, none of them empty."""

    header: list[str]
    records: list[list[str]]
    dropped: ClassVar[int] = 0

    def columns(self) -> TraceColumns:
        """All rows as columns; each different text is converted once."""
        n_rows = len(self.records)
        whole = {len(record) for record in self.records} == {len(self.header)}
        if not whole:
            raise NotPlainError
        coded = {
            name: Coded.of(column, n_rows).converted(partial(_csv_value, name))
            for name, column in zip(self.header, zip(*self.records, strict=True), strict=True)
        }
        layers, experts, weights = coded["layer"], coded["experts"], coded.get("weights")
        if any(_expected(name, v) for name in _NUMBERS if name in coded for v in coded[name].values):
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

    def rows(self, first: int) -> Iterator[tuple[str, Row]]:
        """One row after another with its place, numbered from ``first``."""
        for number, record in enumerate(self.records, first):
            place = f"row {number}"
            if len(record) > len(self.header):
                raise InstanceError(
                    place,
                    f"has {len(record)} values, expected {len(self.header)} as in the header, "
                    "where several experts are one value, separated by spaces",
                )
            values = {}
            for name, text in zip(self.header, record, strict=False):
                values[name] = _csv_value(name, text)
                if expected := _expected(name, values[name]):
                    raise InstanceError(f"{place}: {name}", f"is {text!r}, expected {expected}")
            with naming_row(place):
                row = msgspec.convert(values, Row)
            yield place, row


_DECODER: Final = msgspec.json.Decoder(Row)


def json_blocks(path: Path, models: Collection[str]) -> Generator[JsonBlock | LogBlock, None, None]:
    """A file of JSON lines, block by block: rows of a trace, or a routing log of one of ``models``."""
    with closing(_Lines(path)) as lines:
        unread = iter(lines)
        first = next(unread, "")
        everything = chain([first] if first else [], unread)
        if not is_routing_log(first):
            for block in _in_blocks(everything, lines):
                yield JsonBlock(block)
            return
        log = RoutingLog(everything)
        model = published_as(log.facts.model_id, models)
        if model is None:
            expected = ", ".join(models)
            raise InstanceError(
                "line 1: model_id",
                f"is {log.facts.model_id!r}, expected one that begins with one of {expected}",
            )
        for placed in _in_blocks(_log_rows(log, model), lines):
            yield LogBlock(placed, log.dropped)


def _log_rows(log: RoutingLog, model: str) -> Iterator[tuple[str, Row]]:
    """A request is a user and a prompt."""
    for line, route in log:
        request = route.req_id
        yield (
            f"line {line}",
            Row(model, route.layer, route.topk_ids, user=request, prompt=request, token=route.token_idx),
        )


def csv_blocks(path: Path, check_names: Callable[[Sequence[str]], None]) -> Generator[CsvBlock, None, None]:
    """A CSV file, block by block; empty lines are no rows."""
    with closing(_Lines(path)) as lines:
        reader = csv.reader(lines)
        records = _csv_records(reader)
        header = next(records, [])
        check_names(header)
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


def _csv_value(column: str, text: str) -> Any:
    """A CSV field as the value that JSON has there; what is no number is left for the check to refuse."""
    match column:
        case "layer":
            return _number(text)
        case "experts":
            return [_number(word) for word in text.split()]
        case "weights":
            return [_decimal(word) for word in text.split()] if text else None
        case _:
            return text or None


def _expected(column: str, value: Any) -> str:
    """What a CSV field should have been, by its value; nothing where it is that."""
    match column:
        case "layer" if type(value) is not int:
            return "an integer >= 0"
        case "experts" if any(type(word) is not int for word in value):
            return "integers >= 0 separated by spaces, such as 8 36"
        case "weights" if any(type(word) is not float for word in value or ()):
            return "numbers separated by spaces, such as 0.7 0.3"
        case _:
            return ""


def _number(text: str) -> int | str:
    short = len(text) <= MAX_DIGITS  # Python refuses to convert thousands of digits
    return int(text) if short and text.isascii() and text.isdecimal() else text


def _decimal(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
