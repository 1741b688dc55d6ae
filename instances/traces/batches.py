"""Traces as batches of checked rows: Parquet, CSV or JSON lines, read once, never held as a whole."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal, Protocol

import numpy as np

from slimbench.instances.files.bounded import MAX_TRACE_ROWS
from slimbench.instances.files.files import naming_file
from slimbench.instances.problem.arrays import (
    BoolArray,
    FloatArray,
    IndexArray,
    IntArray,
    offsets_of,
    padded_groups,
)
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Model
from slimbench.instances.problem.validation import MAX_NAME, MAX_USERS
from slimbench.instances.traces.columns import Coded, NotPlainError, TraceColumns
from slimbench.instances.traces.rows import IDENTITY, Row, UserColumn, check_header, check_row, columns_of
from slimbench.instances.traces.sample import token_places
from slimbench.instances.traces.text import csv_blocks, json_blocks
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
                unnamed &= np.array([value is None for value in column.values])[column.codes]
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
        self._model_numbers = {model.name: m for m, model in enumerate(models)}
        self._users: dict[str, int] = {}
        self._layers, self._top_k, self._experts = (
            np.array([getattr(model, field) for model in models])
            for field in ("layers", "top_k", "experts_per_layer")
        )

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
        with naming_file(self._path), closing(_blocks(self._path, self._models, self._by)) as blocks:
            for block in blocks:
                batch = self._checked(block)
                self.n_dropped = block.dropped
                self.n_rows += len(batch.users)
                if self.n_rows > MAX_TRACE_ROWS:
                    raise InstanceError(
                        f"row {MAX_TRACE_ROWS + 1}",
                        f"is one too many, expected at most {MAX_TRACE_ROWS} rows",
                    )
                yield batch
            if not self.n_rows:
                raise InstanceError("", "has no rows, expected one per token and layer")

    def _checked(self, block: _Block) -> TraceBatch:
        try:
            return self._batch(block.columns())
        except NotPlainError:
            rows = []
            for place, row in block.rows(self.n_rows + 1):
                self._by = self._by or UserColumn("task" if row.user is None else "user", asked=False)
                check_row(row, self._models, self._by, place)
                rows.append(row)
            return self._batch(columns_of(rows))

    def _batch(self, columns: TraceColumns) -> TraceBatch:
        """Rows of which arrays tell that none is at fault.

        Raises
        ------
        NotPlainError
            If one is.
        """
        model = columns.names["model"]
        if not self._models.keys() >= set(model.values):
            raise NotPlainError
        models = np.array([self._model_numbers[name] for name in model.values])[model.codes]
        sizes, members = columns.experts
        most = self._experts[models]
        _expect(columns.layers >= 0, columns.layers < self._layers[models])
        _expect(sizes >= 1, sizes <= self._top_k[models])
        _expect(members >= 0, members < np.repeat(most, sizes))
        if columns.weights is not None:
            _expect((columns.weights == sizes) | (columns.weights == -1))
        groups = np.sort(padded_groups(offsets_of(sizes), members), axis=1)
        _expect((groups[:, 1:] > groups[:, :-1]) | (groups[:, 1:] == -1))
        return TraceBatch(self._numbered(columns.names), models, columns.layers, groups, columns.names)

    def _numbered(self, names: dict[str, Coded]) -> IntArray:
        """Numbers of the rows' users."""
        nobody = Coded([None], np.zeros(len(names["model"].codes), np.int64))
        if self._by is None:
            user = names.get("user", nobody)
            self._by = UserColumn("task" if user.values[user.codes[0]] is None else "user", asked=False)
        column = names.get(self._by.name, nobody)
        if None in column.values:
            raise NotPlainError
        if not self._by.asked and any(name is not None for name in names.get(self._by.other, nobody).values):
            raise NotPlainError
        texts = [str(name) for name in column.values]
        if max(map(len, texts)) > MAX_NAME:
            raise NotPlainError
        numbers = np.array([self._users.setdefault(text, len(self._users)) for text in texts])
        if len(self._users) > MAX_USERS:
            raise InstanceError(self._by.name, f"has more than {MAX_USERS} values, expected at most that")
        return np.asarray(numbers[column.codes], np.int64)


def named_models(path: Path, by: UsersBy | None = None) -> list[str]:
    """Models that the first rows of a trace name, or the model of the zoo that a routing log is of.

    Raises
    ------
    InstanceError
        As ``TraceReader``, as far as can be told without knowing the models.
    """
    user = UserColumn(by, asked=True) if by else None
    with naming_file(path), closing(_blocks(path, zoo(), user)) as blocks:
        for block in blocks:
            try:
                return list(block.columns().names["model"].values)
            except NotPlainError:
                return list({row.model: None for _, row in block.rows(1)})
    return []


class _Block(Protocol):
    """Some rows of a file; ``dropped`` ones before them are none of the routing."""

    @property
    def dropped(self) -> int: ...

    def columns(self) -> TraceColumns:
        """All rows as columns, or ``NotPlainError``."""

    def rows(self, first: int) -> Iterator[tuple[str, Row]]:
        """Row by row with its place, which takes long, or the ``InstanceError`` of the first fault."""


def _blocks(path: Path, models: Collection[str], by: UserColumn | None) -> Generator[_Block, None, None]:
    check_names = partial(check_header, by=by)
    if path.name.endswith(".parquet"):
        from slimbench.instances.traces.parquet import parquet_blocks  # noqa: PLC0415  (loads pyarrow)

        yield from parquet_blocks(path, MAX_TRACE_ROWS, check_names)
    elif path.name.endswith((".csv", ".csv.gz")):
        yield from csv_blocks(path, check_names)
    elif path.name.endswith((".jsonl", ".jsonl.gz")):
        yield from json_blocks(path, models)
    else:
        raise InstanceError("", f"has an unknown file type, expected {', '.join(SUFFIXES)}")


def _expect(*conditions: BoolArray) -> None:
    if not all(condition.all() for condition in conditions):
        raise NotPlainError
