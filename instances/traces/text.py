"""Read traces of CSV and JSON lines, a block of rows at a time.

Rows are split by Python's csv and decoded by msgspec. pyarrow does neither as traces need it: its CSV reader
tells of no line that is not UTF-8 and refuses rows that end before empty columns, its JSON reader refuses a
column of both numbers and texts and reads two rows of one line (test_text.py).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from slimbench.instances.files.bounded import MAX_TRACE_BYTES, read_lines
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.routing.log import RoutingLog, is_routing_log
from slimbench.instances.traces.columns import Coded, Lists, TraceColumns
from slimbench.instances.traces.rows import IDENTITY, REQUIRED, WANTED, Row, columns_of, naming_row
from slimbench.instances.zoo import published_as

MAX_DIGITS: Final = 18  # of an integer, which is then one of int64; leading zeros are read
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


def json_columns(path: Path, models: Collection[str]) -> Generator[TraceColumns, None, None]:
    """Rows of a file of JSON lines: of a trace, or of a routing log of one of ``models``."""
    with closing(_Lines(path)) as lines:
        unread = iter(lines)
        first = next(unread, "")
        everything = chain([first] if first else [], unread)
        if not is_routing_log(first):
            number = 1
            for rows in _in_blocks(_json_rows(everything), lines):
                yield columns_of(rows, number)
                number += len(rows)
            return
        log = RoutingLog(everything)
        model = published_as(log.facts.model_id, models)
        if model is None:
            raise InstanceError(
                "line 1: model_id",
                f"is {log.facts.model_id!r}, expected one that begins with one of {', '.join(models)}",
            )
        for routes in _in_blocks(iter(log), lines):
            requests = Coded.of((route.req_id for _, route in routes), len(routes))
            yield TraceColumns(
                {
                    "model": Coded([model], np.zeros(len(routes), np.int64)),
                    "user": requests,
                    "prompt": requests,
                    "token": Coded.of((route.token_idx for _, route in routes), len(routes)),
                },
                np.array([route.layer for _, route in routes], np.int64),
                Lists.of([route.topk_ids for _, route in routes]),
                lines=[line for line, _ in routes],
                dropped=log.dropped,
            )


def _json_rows(lines: Iterable[str]) -> Iterator[Row]:
    decode = msgspec.json.Decoder(Row).decode
    for number, line in enumerate(lines, 1):
        try:
            row = decode(line)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            with naming_row(f"row {number}"):
                raise
        yield row


def csv_columns(
    path: Path, check_names: Callable[[Sequence[str]], None]
) -> Generator[TraceColumns, None, None]:
    """Rows of a CSV file; empty lines are no rows."""
    with closing(_Lines(path)) as lines:
        records = _csv_records(lines)
        header = next(records, [])
        check_names(header)
        first = 1
        for block in _in_blocks(_as_wide_as(header, records), lines):
            yield from _csv_block(header, block, first)
            first += len(block)


def _csv_records(lines: _Lines) -> Iterator[list[str]]:
    reader = csv.reader(lines)
    try:
        yield from filter(None, reader)
    except csv.Error as error:
        raise InstanceError(f"line {reader.line_num}", f"is not CSV ({error})") from None


def _as_wide_as(header: list[str], records: Iterable[list[str]]) -> Iterator[list[str]]:
    """The records; those that end early have empty values there."""
    width = len(header)
    for number, record in enumerate(records, 1):
        if len(record) > width:
            raise InstanceError(
                f"row {number}",
                f"has {len(record)} values, expected {width} as in the header, "
                "where several experts are one value, separated by spaces",
            )
        if missing := [name for name in header[len(record) :] if name in REQUIRED]:
            raise InstanceError(f"row {number}: {missing[0]}", f"is missing, expected {WANTED}")
        yield record if len(record) == width else record + [""] * (width - len(record))


def _csv_block(header: list[str], records: list[list[str]], first: int) -> Iterator[TraceColumns]:
    """Records as columns, each different text converted once; those before a fault, then the fault."""
    coded = {
        name: Coded.of(column, len(records))
        for name, column in zip(header, zip(*records, strict=True), strict=True)
    }
    faults = []
    for name, (convert, expected) in _NUMBERS.items():
        if name in coded:
            texts, codes = coded[name]
            values: list[Any] = []
            try:
                values.extend(map(convert, texts))
            except ValueError:  # of the text after these values
                text, row = texts[len(values)], int(np.argmax(codes == len(values)))
                problem = f"is {text!r}, expected {expected}"
                faults.append((row, InstanceError(f"row {first + row}: {name}", problem)))
            coded[name] = Coded(values, codes)
    if faults:
        row, fault = min(faults, key=itemgetter(0))
        if row:
            yield from _csv_block(header, records[:row], first)
        raise fault
    layers, experts, weights = coded["layer"], coded["experts"], coded.get("weights")
    yield TraceColumns(
        {
            name: Coded([text or None for text in coded[name].values], coded[name].codes)
            for name in IDENTITY
            if name in coded
        },
        np.array(layers.values, np.int64)[layers.codes],
        Lists.of(experts.values).rows(experts.codes),
        None if weights is None else np.array(weights.values, np.int64)[weights.codes],
        first,
    )


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


def _number(text: str) -> int:
    if len(text) > MAX_DIGITS or not (text.isascii() and text.isdecimal()):
        raise ValueError
    return int(text)


_NUMBERS: Final[dict[str, tuple[Callable[[str], Any], str]]] = {  # columns that are no names
    "layer": (_number, "an integer >= 0"),
    "experts": (
        lambda text: [_number(word) for word in text.split()],
        "integers >= 0 separated by spaces, such as 8 36",
    ),
    "weights": (  # how many there are
        lambda text: len([float(word) for word in text.split()]) if text else -1,
        "numbers separated by spaces, such as 0.7 0.3",
    ),
}
