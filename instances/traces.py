"""Routing traces: one row per token and layer, as Parquet, CSV or JSON lines (docs/FILES.md)."""

from __future__ import annotations

import csv
import os
from array import array
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from slimbench.instances.activations import Activations, merged
from slimbench.instances.arrays import FloatArray, IntArray, distinct, offsets_of, padded_groups
from slimbench.instances.bounded import MAX_TRACE_ROWS, read_lines
from slimbench.instances.errors import InstanceError
from slimbench.instances.files import naming_file
from slimbench.instances.instance import Model
from slimbench.instances.parquet_rows import parquet_rows
from slimbench.instances.records import naming_field, refuse_twice
from slimbench.instances.routing import Count

SUFFIXES: Final = (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz")

MAX_DIGITS: Final = 20  # of an integer; leading zeros are read

_Index = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class TraceRouting(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="trace"
):
    """Routing of a trace file; its users are the users, so that ``network.users`` is not used.

    Parameters
    ----------
    path : str
        ``.parquet``, ``.csv`` or ``.jsonl``, the latter two also ``.gz``; if there is none, a shipped one.
    size_of : str
        A model of the zoo: those of the trace get hidden states and experts of its size. Without it they
        have their own.
    device_experts : int
        Most-used experts of each layer that a device holds itself.
    """

    path: str
    size_of: str = ""
    device_experts: Count = 0


class _Row(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    model: str
    layer: _Index
    experts: list[_Index]
    user: str | int | None = None
    task: str | int | None = None
    weights: list[float] | None = None
    token: str | int | None = None


def read_trace(path: str | os.PathLike[str], models: Sequence[Model]) -> tuple[Activations, tuple[str, ...]]:
    """Read a routing trace.

    Columns: ``user`` (or ``task``), ``model`` (a name of ``models``), ``layer``, ``experts`` (ids, 1 to
    top_k, all different; in CSV separated by spaces), optionally ``weights`` (one an expert) and ``token``,
    neither of them used. Others are refused. Row 1 is the first one after a header, and in JSON lines the
    first line.

    A user's tokens of a model are the rows of its most logged layer, and their share of all users' and
    models' tokens is the user's share. The rate of a group is its count over the rows of the same user, model
    and layer, times that share; where every token is logged in every layer this is the count over all tokens.

    Returns
    -------
    activations : Activations
    user_names : (U,) str
        In the order of their first row.

    Raises
    ------
    InstanceError
        Naming file, row and field of the first fault.
    """
    path = Path(path)
    numbers = {model.name: m for m, model in enumerate(models)}
    users: dict[str, int] = {}
    column = ""
    keys, sizes, members = array("q"), array("q"), array("i")
    with naming_file(path), closing(_rows(path)) as rows:
        for number, row in enumerate(rows, 1):
            here = f"row {number}"
            if number > MAX_TRACE_ROWS:
                raise InstanceError(here, f"is one too many, expected at most {MAX_TRACE_ROWS} rows")
            if row.model not in numbers:
                raise InstanceError(
                    f"{here}: model", f"is {row.model!r}, expected one of {', '.join(numbers)}"
                )
            _check(row, models[numbers[row.model]], here)
            column = column or ("task" if row.user is None else "user")
            user = getattr(row, column)
            if user is None or (row.user is not None and row.task is not None):
                raise InstanceError(
                    f"{here}: {column}", "expected one of user and task, the same in every row"
                )
            keys.extend((users.setdefault(str(user), len(users)), numbers[row.model], row.layer))
            sizes.append(len(row.experts))
            members.extend(row.experts)
        if not keys:
            raise InstanceError("", "has no rows, expected one per token and layer")
    table = padded_groups(offsets_of(np.array(sizes)), np.array(members))
    user_of, model_of, layer_of = np.array(keys, np.int64).reshape(-1, 3).T
    rates = _rates(user_of, model_of, layer_of)
    return merged(user_of, model_of, layer_of, rates, table), tuple(users)


def _rates(users: IntArray, models: IntArray, layers: IntArray) -> FloatArray:
    """(rows,) share of the user and model among all tokens, over rows of the same user, model and layer."""
    n_models, n_layers = int(models.max()) + 1, int(layers.max()) + 1
    n_pairs = (int(users.max()) + 1) * n_models
    logged, place = distinct((users * n_models + models) * n_layers + layers, n_pairs * n_layers)
    counts = np.bincount(place)
    pairs, pair = distinct(logged // n_layers, n_pairs)
    tokens = np.zeros(len(pairs), np.int64)
    np.maximum.at(tokens, pair, counts)
    shares = tokens / tokens.sum()
    return np.asarray(shares[pair[place]] / counts[place], np.float64)


def _check(row: _Row, model: Model, here: str) -> None:
    if row.layer >= model.layers:
        raise InstanceError(f"{here}: layer", f"is {row.layer}, expected 0 to {model.layers - 1}")
    experts = row.experts
    if not 1 <= len(experts) <= model.top_k:
        raise InstanceError(
            f"{here}: experts", f"has {len(experts)} experts, expected 1 to top_k = {model.top_k}"
        )
    if max(experts) >= model.experts_per_layer:
        raise InstanceError(
            f"{here}: experts", f"names expert {max(experts)}, expected 0 to {model.experts_per_layer - 1}"
        )
    if len(set(experts)) < len(experts):
        raise InstanceError(f"{here}: experts", f"is {experts}, expected distinct experts")
    if row.weights is not None and len(row.weights) != len(experts):
        raise InstanceError(
            f"{here}: weights", f"has {len(row.weights)} entries, expected {len(experts)}, one an expert"
        )


def _rows(path: Path) -> Generator[_Row, None, None]:
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        decoder = msgspec.json.Decoder(_Row)
        with closing(read_lines(path)) as lines:
            for number, line in enumerate(lines, 1):
                with naming_field(f"row {number}"):
                    row = decoder.decode(line)
                yield row
        return
    with closing(_records(path)) as records:
        for number, record in enumerate(records, 1):
            with naming_field(f"row {number}"):
                row = msgspec.convert(record, _Row)
            yield row


def _records(path: Path) -> Generator[dict[str, Any], None, None]:
    if path.name.endswith(".parquet"):
        yield from parquet_rows(path, MAX_TRACE_ROWS)
    elif path.name.endswith((".csv", ".csv.gz")):
        yield from _csv_records(path)
    else:
        raise InstanceError("", f"has an unknown file type, expected {', '.join(SUFFIXES)}")


def _csv_records(path: Path) -> Iterator[dict[str, Any]]:
    with closing(read_lines(path)) as lines:
        reader = csv.DictReader(lines, restkey="one value more than the header")
        try:
            refuse_twice(reader.fieldnames or ())
            for record in reader:
                yield {name: _csv_value(name, text) for name, text in record.items()}
        except csv.Error as error:
            raise InstanceError(f"line {reader.reader.line_num}", f"is not CSV ({error})") from None


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
