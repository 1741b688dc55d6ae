"""Counting keys that stream by, in memory bounded by the number of different ones, or by a stated maximum."""

from __future__ import annotations

import secrets
from typing import Final

import numpy as np

from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import IntArray

_LEAST_SLOTS: Final = 2**10


class Tally:
    """How often each key was seen: a hash table, at most half full, of linear probing.

    With more than ``most`` different keys, the counts are those of Misra and Gries: as soon as there would be
    twice as many, and at the end, the count of rank ``most`` + 1 is taken off all of them, and keys with
    nothing left are dropped. A count is then never too high, and too low by ``shortfall`` at most, which is
    at most (keys seen - sum of the counts) / (``most`` + 1).

    Parameters
    ----------
    n_words : int
        int64 words of a key.
    most : int, at least 1
        Counts kept at the end; until then there is memory for twice as many.

    Attributes
    ----------
    n_keys : int
        Different keys that are counted now.
    shortfall : int

    References
    ----------
    Misra and Gries, Finding repeated elements, 1982. Agarwal, Cormode, Huang, Phillips, Wei and Yi, Mergeable
    summaries, PODS 2012: the bound holds however the counts of parts are merged.
    """

    def __init__(self, n_words: int, most: int) -> None:
        self.n_keys = self.shortfall = 0
        self._most = most
        # No order of rows or keys decides a result; drawn anew, so that no file makes all of its keys collide
        self._salt = np.uint64(secrets.randbits(64))
        self._empty_table(_LEAST_SLOTS, n_words)

    def add(self, keys: IntArray) -> None:
        """Count each of the keys (n, words) once."""
        if self.n_keys + len(keys) > 2 * self._most:
            self._reduce()
        self._insert(keys, np.ones(len(keys), np.int64))

    def counted(self) -> tuple[IntArray, IntArray]:
        """Keys (n_keys, words) in ascending order, the first word first, and their counts (n_keys,)."""
        self._reduce()
        full = self._counts > 0
        keys, counts = self._keys[full], self._counts[full]
        order = np.lexsort(keys.T[::-1])
        return keys[order], counts[order]

    def _reduce(self) -> None:
        """Leave at most ``most`` keys."""
        if self.n_keys <= self._most:
            return
        full = self._counts > 0
        keys, counts = self._keys[full], self._counts[full]
        rank = len(counts) - self._most - 1
        taken = np.partition(counts, rank)[rank]
        left = counts > taken
        self.shortfall += int(taken)
        self.n_keys = 0
        self._empty_table(len(self._counts), keys.shape[1])
        self._insert(keys[left], counts[left] - taken)

    def _insert(self, keys: IntArray, counts: IntArray) -> None:
        if (needed := 2 * (self.n_keys + len(keys))) > len(self._counts):
            former_keys, former_counts = self._keys, self._counts
            self._empty_table(1 << (needed - 1).bit_length(), keys.shape[1])
            _add(self._keys, self._counts, former_keys, former_counts, self._salt)
        self.n_keys += _add(self._keys, self._counts, keys, counts, self._salt)

    def _empty_table(self, slots: int, n_words: int) -> None:
        self._keys = np.zeros((slots, n_words), np.int64)
        self._counts = np.zeros(slots, np.int64)


@compiled
def _same(key: IntArray, other: IntArray) -> bool:
    word = 0
    while word < len(key) and key[word] == other[word]:  # an array of truth values takes four times as long
        word += 1
    return word == len(key)


@compiled
def _add(table: IntArray, totals: IntArray, keys: IntArray, counts: IntArray, salt: np.uint64) -> int:
    """Add counts (n,) of keys (n, words) to a table of 2^b slots; returns how many keys are new.

    Keys of count 0 are passed over: a table is added to another as it is.
    """
    last = np.uint64(len(totals) - 1)
    new = 0
    for i in range(len(keys)):
        if counts[i] == 0:
            continue
        mixed = salt
        for word in keys[i]:
            mixed = (mixed ^ np.uint64(word)) * np.uint64(0xBF58476D1CE4E5B9)
            mixed ^= mixed >> np.uint64(29)
        slot = mixed & last
        while totals[slot] != 0 and not _same(table[slot], keys[i]):
            slot = (slot + np.uint64(1)) & last
        if totals[slot] == 0:
            table[slot] = keys[i]
            new += 1
        totals[slot] += counts[i]
    return new
