"""Count keys of a stream: exactly, or by Misra and Gries when there are too many different ones."""

from __future__ import annotations

from typing import Final

import numpy as np

from slimbench.instances.problem.arrays import IntArray

_PENDING_ROWS: Final = 2**20  # sorted at once; fewer take longer


class Tally:
    """How often each key was seen: sorted keys, into which batches are merged.

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

    References
    ----------
    Misra and Gries, Finding repeated elements, 1982. Agarwal, Cormode, Huang, Phillips, Wei and Yi, Mergeable
    summaries, PODS 2012: the bound holds however the counts of parts are merged.
    """

    def __init__(self, n_words: int, most: int) -> None:
        self.shortfall = 0
        self._most = most
        self._keys, self._counts = np.empty((0, n_words), np.int64), np.empty(0, np.int64)
        self._pending: list[IntArray] = []
        self._n_pending = 0

    @property
    def n_keys(self) -> int:
        """Different keys that are counted now."""
        self._merge()
        return len(self._counts)

    def add(self, keys: IntArray) -> None:
        """Count each of the keys (n, words) once."""
        room = 2 * self._most - len(keys)
        if len(self._counts) + self._n_pending > room and self.n_keys > room:
            self._reduce()
        self._pending.append(keys)
        self._n_pending += len(keys)
        if self._n_pending > max(_PENDING_ROWS, len(self._counts) // 2):
            self._merge()

    def counted(self) -> tuple[IntArray, IntArray]:
        """Keys (n_keys, words) in ascending order, the first word first, and their counts (n_keys,)."""
        self._merge()
        self._reduce()
        return self._keys, self._counts

    def _reduce(self) -> None:
        """Leave at most ``most`` keys."""
        rank = len(self._counts) - self._most - 1
        if rank >= 0:
            taken = np.partition(self._counts, rank)[rank]
            left = self._counts > taken
            self._keys, self._counts = self._keys[left], self._counts[left] - taken
            self.shortfall += int(taken)

    def _merge(self) -> None:
        """Sort the pending keys into the others and add up the counts of equal ones."""
        if not self._pending:
            return
        keys = np.concatenate([self._keys, *self._pending])
        counts = np.concatenate([self._counts, np.ones(self._n_pending, np.int64)])
        self._pending, self._n_pending = [], 0
        order = np.lexsort(keys.T[::-1]) if keys.shape[1] > 1 else np.argsort(keys[:, 0], kind="stable")
        keys = keys[order]
        first = np.ones(len(keys), np.bool_)
        np.any(keys[1:] != keys[:-1], axis=1, out=first[1:])
        self._keys = keys[first]
        self._counts = np.add.reduceat(counts[order], np.flatnonzero(first))
