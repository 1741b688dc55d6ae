"""A row of a trace, and all that can be wrong with it: the words for what arrays only tell to be wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, NamedTuple

import msgspec
import numpy as np

from slimbench.instances.files.records import naming_field, refuse_twice
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Model
from slimbench.instances.problem.validation import MAX_NAME
from slimbench.instances.traces.columns import Coded, Lists, TraceColumns

IDENTITY: Final = ("model", "user", "task", "prompt", "token")  # what tells one token from another

_Index = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_Name = str | int | None


class Row(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A row as a JSON line has it."""

    model: str
    layer: _Index
    experts: list[_Index]
    user: _Name = None
    task: _Name = None
    prompt: _Name = None
    weights: list[float] | None = None
    token: _Name = None


COLUMNS: Final = Row.__struct_fields__
REQUIRED: Final = ("model", "layer", "experts")
WANTED: Final = (
    "the columns model, layer, experts, and user or task; prompt, token and weights if there are any"
)
_PANDAS_INDEX: Final = "__index_level_"


class UserColumn(NamedTuple):
    """The column whose values are the users, and whether it was asked for: if not, no other may be it."""

    name: str
    asked: bool

    @property
    def other(self) -> str:
        """What must be empty where the column was not asked for."""
        return "task" if self.name == "user" else "user"


def check_header(names: Sequence[str], by: UserColumn | None) -> None:
    """Refuse a table whose columns are not those of a trace.

    Parameters
    ----------
    by : UserColumn, optional
        Without it, any column of users will do.
    """
    for number, name in enumerate(names, 1):
        if not name or name.startswith(_PANDAS_INDEX):
            place = f"header: {name or f'column {number}'}"
            problem = "is an index of pandas" if name else "has no name, such as an index of pandas"
            raise InstanceError(place, f"{problem} (left out by index=False), expected {WANTED}")
        if name not in COLUMNS:
            raise InstanceError(f"header: {name}", f"is no column of a trace, expected {WANTED}")
    refuse_twice("header", names, "different columns")
    for required in (*REQUIRED, *([by.name] if by else [])):
        if required not in names:
            raise InstanceError(f"header: {required}", f"is missing, expected {WANTED}")
    if not by and not {"user", "task"} & set(names):
        raise InstanceError("header: user", f"is missing, expected {WANTED}")


@contextlib.contextmanager
def naming_row(place: str) -> Iterator[None]:
    """Turn what msgspec refuses of a row into an ``InstanceError``, with the columns wanted."""
    try:
        with naming_field(place):
            yield
    except InstanceError as error:
        if error.problem in {"is missing", "is not a field of this format"}:
            raise InstanceError(error.field, f"{error.problem}, expected {WANTED}") from None
        raise


def check_row(row: Row, models: Mapping[str, Model], by: UserColumn, here: str) -> None:
    """Refuse a row that is at fault; ``here`` is its place in the file."""
    if row.model not in models:
        raise InstanceError(f"{here}: model", f"is {row.model!r}, expected one of {', '.join(models)}")
    model, experts = models[row.model], row.experts
    if row.layer >= model.layers:
        raise InstanceError(f"{here}: layer", f"is {row.layer}, expected 0 to {model.layers - 1}")
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
    user = getattr(row, by.name)
    if user is None and by.asked:
        raise InstanceError(f"{here}: {by.name}", "is missing, expected one in every row to make users of")
    if user is None or not (by.asked or getattr(row, by.other) is None):
        raise InstanceError(
            f"{here}: {by.name}",
            "expected one of user and task, the same in every row (or routing.by to say which of both)",
        )
    if len(str(user)) > MAX_NAME:
        raise InstanceError(
            f"{here}: {by.name}", f"has {len(str(user))} characters, expected at most {MAX_NAME}"
        )


def columns_of(rows: Sequence[Row]) -> TraceColumns:
    """Rows as columns."""
    weights = [-1 if row.weights is None else len(row.weights) for row in rows]
    return TraceColumns(
        {name: Coded.of((getattr(row, name) for row in rows), len(rows)) for name in IDENTITY},
        np.fromiter((row.layer for row in rows), np.int64, count=len(rows)),
        Lists.of([row.experts for row in rows]),
        np.array(weights, np.int64),
    )
