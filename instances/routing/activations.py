"""Build activations: merge equal groups, and take out what devices hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

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
from slimbench.instances.problem.validation import MAX_LATENCIES
from slimbench.instances.routing.losses import Losses
from slimbench.instances.zoo import ZooModel


@dataclass(frozen=True, eq=False)
class Activations:
    """What users call: A rows, each a group of distinct experts of one layer, as ``Instance`` has them.

    A rate is the expected number of occurrences per token that the whole system generates: the user's share
    of the tokens, times the model's share of the user's tokens, times the probability of the group. So the
    rates of one layer of the only model, added over all users, are 1; of several models, the model's share.

    Parameters
    ----------
    users, models, layers : (A,) int32
    rates : (A,) float64, occurrences per generated token
    group_offsets : (A + 1,) int64
    group_indices : (G,) int32
        Experts as index within their layer, ascending within a group.
    base_latency_s : float
        Seconds per token of the groups that devices serve alone.
    """

    users: IndexArray
    models: IndexArray
    layers: IndexArray
    rates: FloatArray
    group_offsets: IntArray
    group_indices: IndexArray
    base_latency_s: float = 0.0

    @property
    def groups(self) -> IndexArray:
        """(A, largest group) int32, filled up with -1."""
        return padded_groups(self.group_offsets, self.group_indices)

    def where(self, kept: BoolArray) -> Activations:
        """The rows of the mask ``kept`` (A,)."""
        groups = self.groups[kept]
        return Activations(
            self.users[kept],
            self.models[kept],
            self.layers[kept],
            self.rates[kept],
            offsets_of((groups >= 0).sum(axis=1)),
            groups[groups >= 0],
            self.base_latency_s,
        )

    def without_device_experts(
        self, held: BoolArray, device_latency_s: FloatArray, models: Sequence[Model]
    ) -> Activations:
        """Reduce each group to the experts that its user's device does not hold.

        A group that the device holds wholly becomes rate times device latency in ``base_latency_s``. The
        device's share of other groups runs while the rest is away, and costs nothing.

        Parameters
        ----------
        held : (U, X) bool
            Experts numbered through by (model, layer, index).
        device_latency_s : (M,) float64
            Seconds that a device takes for one layer's group.
        models : (M,) Model
        """
        sizes = np.diff(self.group_offsets)
        away = ~held[np.repeat(self.users, sizes), self._experts(models)]
        groups = padded_groups(self.group_offsets, np.where(away, self.group_indices, -1))
        rest = (groups >= 0).any(axis=1)
        alone_s = float(np.sum(self.rates[~rest] * device_latency_s[self.models[~rest]]))
        return merged(
            self.users[rest], self.models[rest], self.layers[rest], self.rates[rest], groups[rest],
            self.base_latency_s + alone_s,
        )  # fmt: skip

    def most_used(self, count: int, users: int, models: Sequence[Model]) -> BoolArray:
        """(U, X) bool: the ``count`` experts of every layer that each user calls most, ties by index."""
        starts = _layer_starts(models)
        experts = int(starts[-1])
        if users * experts > MAX_LATENCIES:
            raise InstanceError(
                "routing.device_experts",
                f"would look at {users} users times {experts} experts, expected at most {MAX_LATENCIES}",
            )
        sizes = np.diff(self.group_offsets)
        calls = np.repeat(self.users, sizes).astype(np.int64) * experts + self._experts(models)
        uses = np.bincount(calls, np.repeat(self.rates, sizes), users * experts).reshape(users, experts)
        uses = np.round(uses, 12)  # the order of a sum must not decide a tie
        held = np.zeros((users, experts), np.bool_)
        for first, end in pairwise(starts):
            best = np.argsort(-uses[:, first:end], axis=1, kind="stable")[:, :count]
            np.put_along_axis(held[:, first:end], best, True, axis=1)
        return held

    def _experts(self, models: Sequence[Model]) -> IntArray:
        """(G,) int64, experts numbered through."""
        model_starts = offsets_of(np.array([m.layers for m in models]))
        firsts = _layer_starts(models)[model_starts[self.models] + self.layers]
        return np.asarray(np.repeat(firsts, np.diff(self.group_offsets)) + self.group_indices, np.int64)


@dataclass(frozen=True, eq=False)
class Routed:
    """Activations with the models and users they speak of.

    ``zoo_models`` are the facts of ``models``, in the same order. ``note`` is one line on what was measured,
    what is drawn, and what was left out; ``losses`` is what of it can only be told in seconds, of the
    instance made.
    """

    activations: Activations
    models: tuple[Model, ...]
    zoo_models: tuple[ZooModel, ...]
    user_names: tuple[str, ...]
    note: str
    losses: Losses | None = None


def merged(
    users: npt.ArrayLike,
    models: npt.ArrayLike,
    layers: npt.ArrayLike,
    rates: npt.ArrayLike,
    groups: npt.ArrayLike,
    base_latency_s: float = 0.0,
) -> Activations:
    """Activations sorted by (user, model, layer, group), equal ones as a single row with the sum of rates.

    Parameters
    ----------
    users, models, layers : (A,) int
    rates : (A,) float
    groups : (A, W) int
        Experts of each row in any order; -1 is no expert.
    base_latency_s : float
    """
    table = np.sort(np.asarray(groups, np.int32), axis=1)
    keys = np.column_stack([np.asarray(key, np.int32) for key in (users, models, layers)] + [table])
    order = np.lexsort(keys.T[::-1])
    keys = keys[order]
    first = np.ones(len(keys), np.bool_)
    first[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    numbers = np.cumsum(first) - 1
    sums = np.bincount(numbers, np.asarray(rates, np.float64)[order])  # one after another, in order
    keys = keys[first]
    members = keys[:, 3:]
    return Activations(
        keys[:, 0],
        keys[:, 1],
        keys[:, 2],
        np.asarray(sums, np.float64),
        offsets_of((members >= 0).sum(axis=1)),
        members[members >= 0],
        base_latency_s,
    )


def _layer_starts(models: Sequence[Model]) -> IntArray:
    """First expert of each layer, layers and experts of all models numbered through."""
    return offsets_of(np.repeat([m.experts_per_layer for m in models], [m.layers for m in models]))
