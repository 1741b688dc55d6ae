"""Rows of a trace folded into counts of groups, and the counts into activations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from slimbench.instances.files.files import naming_file
from slimbench.instances.problem.arrays import (
    BoolArray,
    FloatArray,
    IndexArray,
    IntArray,
    distinct,
    offsets_of,
)
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Model
from slimbench.instances.problem.validation import MAX_USERS
from slimbench.instances.routing.activations import Activations
from slimbench.instances.traces.batches import TraceBatch, TraceReader, UsersBy
from slimbench.instances.traces.tally import Tally

EVERYTHING: Final = (0.0, 1.0)  # the part of the tokens that is all of them
MAX_GROUPS: Final = 2**23  # a gigabyte while they are counted, where a key is one word
MAX_LOGGED: Final = 2**23  # layers of users
_WORD_BITS: Final = 63  # of an int64 without its sign


@dataclass(frozen=True, eq=False)
class TraceCounts:
    """How often each group was called: what remains of a trace, whatever its length.

    L logged layers, each of a user and a model, in ascending order; A groups, ascending within their layer.

    Parameters
    ----------
    user_names : (U,) str
        Of all rows, in the order of their first.
    n_rows, n_dropped : int
        Rows read, counted or not, and rows of a routing log that are its warm-up.
    layers_of_models : tuple of int64 arrays
        For each model the layers that rows name, counted or not, ascending.
    users, models, layers : (L,) int64
    rows : (L,) int64
        Rows counted of each logged layer: its groups' counts add up to that, but for what ``shortfall`` says.
    group_places : (A,) int64
        Logged layer of each group.
    groups : (A, W) int32
        Experts ascending, after as many -1 as there are fewer than W.
    counts : (A,) int64
    shortfall : int
        A count, and one that is not here at all, may be too low by so much (``Tally``).
    numbered : bool
        Whether every row tells its token.
    """

    user_names: tuple[str, ...]
    n_rows: int
    n_dropped: int
    layers_of_models: tuple[IntArray, ...]
    users: IntArray
    models: IntArray
    layers: IntArray
    rows: IntArray
    group_places: IntArray
    groups: IndexArray
    counts: IntArray
    shortfall: int
    numbered: bool

    @property
    def tokens(self) -> int:
        """Of all users and models: the rows of each one's most logged layer."""
        return int(self._tokens()[0].sum())

    def complete(self, models: Sequence[Model]) -> bool:
        """Whether every token was logged in every layer, as far as numbers of rows can tell."""
        tokens, pair = self._tokens()
        layers = np.array([model.layers for model in models])[self.models]
        return bool((tokens[pair] == self.rows).all() and (np.bincount(pair)[pair] == layers).all())

    def shares(self) -> FloatArray:
        """(L,) share of all tokens that are of the logged layer's user and model: the rate of its groups."""
        tokens, pair = self._tokens()
        return np.asarray((tokens / tokens.sum())[pair], np.float64)

    def scaling(self) -> FloatArray:
        """(L,) float64 >= 1, tokens of the logged layer's user and model over those logged in this layer.

        Rates are as if tokens that were not logged here had called what the others called.
        """
        tokens, pair = self._tokens()
        return np.asarray(tokens[pair] / self.rows, np.float64)

    def activations(self, min_support: int = 1) -> Activations:
        """The groups counted at least ``min_support`` times; the rates of the others are gone."""
        kept = self.counts >= min_support
        places, groups = self.group_places[kept], self.groups[kept]
        rates = self.counts[kept] * (self.shares() / self.rows)[places]
        users, models, layers = (
            keys[places].astype(np.int32) for keys in (self.users, self.models, self.layers)
        )
        sizes = (groups >= 0).sum(axis=1)
        return Activations(users, models, layers, rates, offsets_of(sizes), groups[groups >= 0])

    def counted(self, min_support: int = 1) -> IntArray:
        """(L,) rows of each logged layer that ``activations`` has."""
        kept = self.counts >= min_support
        counted = np.zeros(len(self.rows), np.int64)
        np.add.at(counted, self.group_places[kept], self.counts[kept])
        return counted

    def _tokens(self) -> tuple[IntArray, IntArray]:
        """Tokens of each user and model, and (L,) number of each logged layer's user and model."""
        n_models = int(self.models.max()) + 1
        pairs, pair = distinct(self.users * n_models + self.models, len(self.user_names) * n_models)
        tokens = np.zeros(len(pairs), np.int64)
        np.maximum.at(tokens, pair, self.rows)
        return tokens, pair


def count_trace(
    path: Path,
    models: Sequence[Model],
    by: UsersBy | None = None,
    part: tuple[float, float] = EVERYTHING,
    seed: int = 0,
    max_groups: int = MAX_GROUPS,
) -> TraceCounts:
    """Read a trace, once, and count its groups, in memory that does not grow with its rows.

    Parameters
    ----------
    path : Path
    models : sequence of Model
    by : {"user", "task", "prompt"}, optional
        The column that makes the users (``TraceReader``).
    part : (low, high)
        Only the tokens whose place (``TraceBatch.places``) is in [low, high), in all of their layers: parts
        that do not meet share no token. Users are those of the whole trace.
    seed : int
        Of the places.
    max_groups : int
        With more different groups, only the most frequent are kept, and their counts may be too low.

    Raises
    ------
    InstanceError
        Naming file, row and field of the first fault, or if no row is in the part.
    """
    reader = TraceReader(path, models, by)
    with naming_file(path):
        return _count(reader, models, part, seed, max_groups)


def _count(
    reader: TraceReader, models: Sequence[Model], part: tuple[float, float], seed: int, max_groups: int
) -> TraceCounts:
    layout = _KeyLayout(models)
    logged, groups = Tally(1, MAX_LOGGED), Tally(layout.n_words, max_groups)
    low, high = part
    numbered = True
    named = np.zeros(layout.n_layers, np.bool_)
    for batch in reader:
        named[layout.layers(batch)] = True
        keys = layout.keys(batch)
        logged_keys = layout.logged(batch)[:, None]
        if part != EVERYTHING:
            places = batch.places(seed)
            kept = (low <= places) & (places < high)
            keys, logged_keys = keys[kept], logged_keys[kept]
        numbered &= batch.numbered
        logged.add(logged_keys)
        groups.add(keys)
        if logged.shortfall:
            break
    logged_keys, rows = logged.counted()
    if logged.shortfall:
        raise InstanceError("", f"has more than {MAX_LOGGED} layers of users, expected at most that")
    if not len(rows):
        raise InstanceError("", f"has no token in the part [{low:g}, {high:g}) of its {reader.n_rows} rows")
    group_keys, counts = groups.counted()
    users, model_numbers, layers = layout.of_logged(logged_keys[:, 0])
    group_logged, experts = layout.of_keys(group_keys)
    return TraceCounts(
        user_names=reader.user_names,
        n_rows=reader.n_rows,
        n_dropped=reader.n_dropped,
        layers_of_models=layout.of_models(named),
        users=users,
        models=model_numbers,
        layers=layers,
        rows=rows,
        group_places=np.searchsorted(logged_keys[:, 0], group_logged),
        groups=experts,
        counts=counts,
        shortfall=groups.shortfall,
        numbered=numbered,
    )


class _KeyLayout:
    """Rows as keys of as few int64 words as hold a user, a layer and a group; keys order as rows do.

    The digits of a key, most significant first: the logged layer, that is the user and the layer, layers of
    all models numbered through; then as many experts as the largest group may have, as index + 1, with 0 in
    front where a group has fewer. A word takes as many digits as fit.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        self._starts = offsets_of(np.array([model.layers for model in models]))
        self._layer_bits = int(self._starts[-1]).bit_length()
        self._width = max(model.top_k for model in models)
        expert_bits = max(model.experts_per_layer for model in models).bit_length()
        self._words: list[list[int]] = [[]]  # bits of each digit
        for bits in [MAX_USERS.bit_length() + self._layer_bits] + [expert_bits] * self._width:
            if sum(self._words[-1]) + bits > _WORD_BITS:
                self._words.append([])
            self._words[-1].append(bits)

    @property
    def n_words(self) -> int:
        return len(self._words)

    @property
    def n_layers(self) -> int:
        return int(self._starts[-1])

    def layers(self, batch: TraceBatch) -> IntArray:
        """(rows,) layers of all models, numbered through."""
        return self._starts[batch.models] + batch.layers

    def of_models(self, named: BoolArray) -> tuple[IntArray, ...]:
        """The layers of a mask (n_layers,), for each model."""
        return tuple(np.flatnonzero(named[first:end]) for first, end in pairwise(self._starts))

    def logged(self, batch: TraceBatch) -> IntArray:
        """(rows,) logged layers."""
        return (batch.users << self._layer_bits) | self.layers(batch)

    def keys(self, batch: TraceBatch) -> IntArray:
        """(rows, n_words)."""
        missing = [np.zeros(1, np.int64)] * (self._width - batch.groups.shape[1])
        digits = iter([self.logged(batch), *missing, *(batch.groups.T.astype(np.int64) + 1)])
        keys = np.zeros((len(batch.users), self.n_words), np.int64)
        for word, digit_bits in enumerate(self._words):
            for bits in digit_bits:
                keys[:, word] = (keys[:, word] << bits) | next(digits)
        return keys

    def of_logged(self, logged: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Users, models and layers of logged layers."""
        layers = logged & ((1 << self._layer_bits) - 1)
        models = np.searchsorted(self._starts, layers, side="right") - 1
        return logged >> self._layer_bits, models, layers - self._starts[models]

    def of_keys(self, keys: IntArray) -> tuple[IntArray, IndexArray]:
        """Logged layers (n,) and groups (n, largest group)."""
        digits: Iterator[IntArray] = (
            (word >> low) & ((1 << bits) - 1)
            for word, digit_bits in zip(keys.T, self._words, strict=True)
            for bits, low in zip(digit_bits, np.cumsum(digit_bits[::-1])[::-1] - digit_bits, strict=True)
        )
        logged = next(digits)
        groups = np.empty((len(keys), self._width), np.int32)
        for rank, digit in enumerate(digits):  # one at a time: there may be millions of keys
            groups[:, rank] = digit - 1
        return logged, groups
