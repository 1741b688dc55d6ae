"""A row of a trace, and all that can be wrong with it: the words for what arrays only tell to be wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, NamedTuple

import msgspec
import numpy as np

from slimbench.instances.errors import InstanceError
from slimbench.instances.instance import Model
from slimbench.instances.trace_columns import Coded, Lists, TraceColumns
from slimbench.instances.validation import MAX_NAME

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


class UserColumn(NamedTuple):
    """The column whose values are the users, and whether it was asked for: if not, no other may be it."""

    name: str
    asked: bool

    @property
    def other(self) -> str:
        """What must be empty where the column was not asked for."""
        return "task" if self.name == "user" else "user"


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
