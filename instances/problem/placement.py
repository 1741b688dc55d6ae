"""Placements: which experts each server holds, and whether they fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from slimbench.instances.problem.arrays import BoolArray, IntArray, frozen
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Instance


@dataclass(frozen=True, eq=False)
class Placement:
    """The experts each server caches.

    Parameters
    ----------
    holds : (N, X) bool
        True where server n caches expert e, experts numbered through as in ``Instance``.
    """

    holds: BoolArray

    def __post_init__(self) -> None:
        if np.ndim(self.holds) != 2 or np.asarray(self.holds).dtype != np.bool_:
            raise InstanceError("holds", "expected a two-dimensional array of bool (servers, experts)")
        object.__setattr__(self, "holds", frozen(self.holds, np.bool_))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Placement) and np.array_equal(self.holds, other.holds)

    def __hash__(self) -> int:
        return hash(self.holds.tobytes())

    @classmethod
    def empty(cls, instance: Instance) -> Placement:
        """No expert on any server."""
        return cls(np.zeros((instance.n_servers, instance.n_experts), np.bool_))

    @classmethod
    def of(cls, instance: Instance, experts: Mapping[int, Iterable[tuple[int, int, int]]]) -> Placement:
        """From (model, layer, index) triples for each server number."""
        holds = np.zeros((instance.n_servers, instance.n_experts), np.bool_)
        for server, triples in experts.items():
            for triple in triples:
                holds[server, instance.expert(*triple)] = True
        return cls(holds)

    def used_bytes(self, instance: Instance) -> IntArray:
        """(N,) int64, bytes stored on each server."""
        # A row at a time: as int64, the whole matrix takes eight times its memory.
        return np.array([instance.expert_bytes[row].sum() for row in self.holds], np.int64)

    def violation(self, instance: Instance) -> str | None:
        """Why the placement is not feasible, in one line; None when it is. Counted in integer bytes."""
        expected = (instance.n_servers, instance.n_experts)
        if self.holds.shape != expected:
            return f"placement has shape {self.holds.shape}, expected {expected} (servers, experts)"
        used = self.used_bytes(instance)
        over = np.flatnonzero(used > instance.capacities_bytes)
        if not over.size:
            return None
        n = int(over[0])
        capacity = instance.capacities_bytes[n]
        return f"server {instance.server_names[n]} holds {used[n]} bytes, expected at most {capacity}"
