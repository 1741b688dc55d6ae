"""Read traces (Parquet, CSV or JSON lines) as a stream of checked batches of rows."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal

import numpy as np

from slimbench.instances.files.bounded import MAX_TRACE_ROWS
from slimbench.instances.files.files import naming_file
from slimbench.instances.problem.arrays import FloatArray, IndexArray, IntArray
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Model
from slimbench.instances.problem.validation import MAX_USERS
from slimbench.instances.traces.columns import Coded, TraceColumns
from slimbench.instances.traces.rows import IDENTITY, UserColumn, check_header, check_rows
from slimbench.instances.traces.sample import token_places
from slimbench.instances.traces.text import csv_columns, json_columns
from slimbench.instances.zoo import zoo

SUFFIXES: Final = (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz")

UsersBy = Literal["user", "task", "prompt"]


@dataclass(frozen=True)
class TraceBatch:
    """Some rows of a trace, each a token in a layer, all of them checked.

    Parameters
    ----------
    users, models, layers : (rows,) int64
        Users as numbers into ``TraceReader.user_names``.
    groups : (rows, largest group) int32
        Experts in ascending order, after as many -1 as a row has fewer than the largest group.
    names : dict of Coded
        The columns that name a token.
    """

    users: IntArray
    models: IntArray
    layers: IntArray
    groups: IndexArray
    names: dict[str, Coded]

    @property
    def numbered(self) -> bool:
        """Whether every row tells its token."""
        return "token" in self.names and None not in self.names["token"].values

    def places(self, seed: int) -> FloatArray:
        """(rows,) float64 in [0, 1), drawn by ``seed`` and the same for all rows of a token.

        So the rows with a place in [low, high) are whole tokens, about the share high - low of all. A token
        is named by its model, user, task, prompt and number; without a number the whole prompt is one.

        Raises
        ------
        InstanceError
            If a row has neither a token nor a prompt.
        """
        unnamed = np.ones(len(self.users), np.bool_)
        for name in ("token", "prompt"):
            if (column := self.names.get(name)) is not None:
                unnamed &= column.missing()
        if unnamed.any():
            raise InstanceError("token", "is missing, expected a token or a prompt in every row to draw some")
        return token_places(seed, map(self.names.get, IDENTITY), len(self.users))


class TraceReader:
    """The batches of a trace, in order of its rows, and its users.

    Columns: ``user``, ``task``, ``prompt`` (who or what generated the token), ``model`` (a name of
    ``models``), ``layer``, ``experts`` (ids, 1 to top_k, all different; in CSV separated by spaces),
    optionally ``weights`` (one an expert; not used) and ``token``. Others are refused. Row 1 is the first one
    after a header, and in JSON lines the first line. Files of JSON lines may also be routing logs
    (``RoutingLog``), in which every request is a user.

    Memory is bounded by a batch, which has some ten thousand rows, and by the names of the users.

    Parameters
    ----------
    path : Path
    models : sequence of Model
    by : {"user", "task", "prompt"}, optional
        The column that makes the users; without it ``user`` or ``task``, whichever of the two is there.

    Attributes
    ----------
    n_rows, n_dropped : int
        Rows read so far, and rows of a routing log that were dropped as its warm-up.
    """

    def __init__(self, path: Path, models: Sequence[Model], by: UsersBy | None = None) -> None:
        self.n_rows = self.n_dropped = 0
        self._path, self._by = path, UserColumn(by, asked=True) if by else None
        self._models = {model.name: model for model in models}
        self._users: dict[str, int] = {}

    @property
    def user_names(self) -> tuple[str, ...]:
        """In the order of their first row, as far as has been read."""
        return tuple(self._users)

    def __iter__(self) -> Iterator[TraceBatch]:
        """Read the file, once.

        Raises
        ------
        InstanceError
            Naming file, row and field of the first fault.
        """
        with naming_file(self._path), closing(_read_columns(self._path, self._models, self._by)) as stream:
            for columns in stream:
                yield self._batch(columns)
            if not self.n_rows:
                raise InstanceError("", "has no rows, expected one per token and layer")

    def _batch(self, columns: TraceColumns) -> TraceBatch:
        """The rows, checked, and counted."""
        if self._by is None:
            user = columns.names.get("user")
            by_task = user is None or user.values[user.codes[0]] is None
            self._by = UserColumn("task" if by_task else "user", asked=False)
        models, groups, users = check_rows(columns, self._models, self._by)
        numbers = np.array([self._users.setdefault(name, len(self._users)) for name in users.values])
        if len(self._users) > MAX_USERS:
            raise InstanceError(self._by.name, f"has more than {MAX_USERS} values, expected at most that")
        self.n_dropped = columns.dropped
        self.n_rows += len(models)
        if self.n_rows > MAX_TRACE_ROWS:
            raise InstanceError(
                f"row {MAX_TRACE_ROWS + 1}", f"is one too many, expected at most {MAX_TRACE_ROWS} rows"
            )
        return TraceBatch(numbers[users.codes], models, columns.layers, groups, columns.names)


def named_models(path: Path, by: UsersBy | None = None) -> list[str]:
    """Models that the first rows of a trace name, or the model of the zoo that a routing log is of.

    Raises
    ------
    InstanceError
        As ``TraceReader``, as far as can be told without knowing the models.
    """
    user = UserColumn(by, asked=True) if by else None
    with naming_file(path), closing(_read_columns(path, zoo(), user)) as stream:
        for columns in stream:
            return list(columns.names["model"].values)
    return []


def _read_columns(
    path: Path, models: Collection[str], by: UserColumn | None
) -> Generator[TraceColumns, None, None]:
    """Rows as columns, some at a time; rows before one of wrong types come before its ``InstanceError``."""
    check_names = partial(check_header, by=by)
    if path.name.endswith(".parquet"):
        from slimbench.instances.traces.parquet import parquet_columns  # noqa: PLC0415  (loads pyarrow)

        yield from parquet_columns(path, MAX_TRACE_ROWS, check_names)
    elif path.name.endswith((".csv", ".csv.gz")):
        yield from csv_columns(path, check_names)
    elif path.name.endswith((".jsonl", ".jsonl.gz")):
        yield from json_columns(path, models)
    else:
        raise InstanceError("", f"has an unknown file type, expected {', '.join(SUFFIXES)}")
