"""The rules of a trace: its columns, the types of a row, and what a row's values must be."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Final, NamedTuple

import msgspec
import numpy as np

from slimbench.instances.files.records import naming_field, refuse_twice
from slimbench.instances.problem.arrays import BoolArray, IndexArray, IntArray, offsets_of, padded_groups
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Model
from slimbench.instances.problem.validation import MAX_NAME
from slimbench.instances.traces.columns import Coded, Lists, TraceColumns

IDENTITY: Final = ("model", "user", "task", "prompt", "token")  # what tells one token from another

MAX_INDEX: Final = 2**31 - 1
_Index = Annotated[int, msgspec.Meta(ge=0, le=MAX_INDEX)]
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


def columns_of(rows: Sequence[Row], first: int) -> TraceColumns:
    """Rows as columns; the first one is row ``first``."""
    return TraceColumns(
        {name: Coded.of((getattr(row, name) for row in rows), len(rows)) for name in IDENTITY},
        np.fromiter((row.layer for row in rows), np.int64, count=len(rows)),
        Lists.of([row.experts for row in rows]),
        np.array([-1 if row.weights is None else len(row.weights) for row in rows], np.int64),
        first,
    )


class Checked(NamedTuple):
    """What rows that follow all rules call.

    Attributes
    ----------
    models : (rows,) int64
        Numbers of their models.
    groups : (rows, largest group) int32
        Experts in ascending order, after as many -1 as a row has fewer than the largest group.
    users : Coded
        Text.
    """

    models: IntArray
    groups: IndexArray
    users: Coded


def check_rows(columns: TraceColumns, models: Mapping[str, Model], by: UserColumn) -> Checked:
    """Check rows against every rule, in the order of the rules.

    Raises
    ------
    InstanceError
        Of the first row at fault, and the first rule that it breaks.
    """
    fault: InstanceError | None = None
    rows = len(columns.layers)  # the first ones, which follow all rules so far

    def expect(field: str, broken: BoolArray, problem: Callable[[int], str]) -> None:
        nonlocal fault, rows
        if broken[:rows].any():
            rows = int(broken[:rows].argmax())
            fault = InstanceError(f"{columns.place(rows)}: {field}", problem(rows))

    model = columns.names["model"]
    numbers = {name: number for number, name in enumerate(models)}
    numbered = np.array([numbers.get(name, -1) for name in model.values], np.int64)[model.codes]
    expect("model", model.missing(), lambda _: f"is missing, expected one of {', '.join(models)}")
    expect(
        "model",
        numbered < 0,
        lambda row: f"is {model.values[model.codes[row]]!r}, expected one of {', '.join(models)}",
    )
    known = list(models.values())
    layers, top_k, n_experts = (
        np.array([getattr(each, name) for each in known], np.int64)[numbered]
        for name in ("layers", "top_k", "experts_per_layer")
    )
    expect(
        "layer",
        columns.layers >= layers,
        lambda row: f"is {columns.layers[row]}, expected 0 to {layers[row] - 1}",
    )
    sizes = columns.experts.sizes
    expect(
        "experts",
        (sizes < 1) | (sizes > top_k),
        lambda row: f"has {sizes[row]} experts, expected 1 to top_k = {top_k[row]}",
    )

    offsets = offsets_of(sizes[:rows])  # lists of any size may follow
    members = columns.experts.members[: offsets[-1]]

    def experts_of(row: int) -> list[int]:
        return members[offsets[row] : offsets[row + 1]].tolist()

    largest = np.maximum.reduceat(members, offsets[:-1]) if rows else members
    expect(
        "experts",
        largest >= n_experts[:rows],
        lambda row: f"names expert {largest[row]}, expected 0 to {n_experts[row] - 1}",
    )
    offsets = offsets[: rows + 1]
    groups = np.sort(padded_groups(offsets, members[: offsets[-1]]), axis=1)
    expect(
        "experts",
        ((groups[:, 1:] == groups[:, :-1]) & (groups[:, 1:] >= 0)).any(axis=1),
        lambda row: f"is {experts_of(row)}, expected distinct experts",
    )
    if (weights := columns.weights) is not None:
        expect(
            "weights",
            (weights != sizes) & (weights != -1),
            lambda row: f"has {weights[row]} entries, expected {sizes[row]}, one an expert",
        )
    nobody = Coded([None], np.zeros(len(sizes), np.int64))
    user = columns.names.get(by.name, nobody)
    if by.asked:
        expect(
            by.name,
            user.missing(),
            lambda _: "is missing, expected one in every row to make users of",
        )
    else:
        expect(
            by.name,
            user.missing() | ~columns.names.get(by.other, nobody).missing(),
            lambda _: (
                "expected one of user and task, the same in every row (or routing.by to say which of both)"
            ),
        )
    users = [str(value) for value in user.values]
    lengths = np.array([len(text) for text in users], np.int64)[user.codes]
    expect(
        by.name,
        lengths > MAX_NAME,
        lambda row: f"has {lengths[row]} characters, expected at most {MAX_NAME}",
    )
    if fault:
        raise fault
    return Checked(numbered, groups, Coded(users, user.codes))
