"""One server's subproblem for many weights of the same terms, as price methods ask for it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Final, Protocol

import numpy as np

from slimbench.formulations.and_terms import AndTerms
from slimbench.formulations.enumerated import (
    chain_layers,
    chosen_members,
    fill_equal_sizes,
    forced_values,
    layer_profiles,
    unwind_layers,
)
from slimbench.formulations.errors import SolverError
from slimbench.formulations.profiles import subset_sums
from slimbench.formulations.subproblem import ServerCache, best_cache, best_counts
from slimbench.instances import Instance
from slimbench.instances.arrays import BoolArray, FloatArray, IntArray, offsets_of

KEPT_SUMS: Final = 2**25  # subset sums that one subproblem may keep between calls: 256 MB


class RepeatedSubproblem(Protocol):
    """A subproblem to be solved for many weights of its terms.

    Attributes
    ----------
    can_force : bool
        Whether experts can be forced in or out.
    """

    can_force: bool

    def best(
        self, weights: FloatArray, capacity_bytes: int, status: IntArray | None = None
    ) -> ServerCache | None:
        """The best cache under weights (T,); None if no cache fits the status.

        Parameters
        ----------
        weights : (T,) float64; only those of single experts may be negative
        status : (X,) int64, optional
            Experts that must be in (``ALWAYS``) or out (``NEVER``).
        """

    def forced(
        self, weights: FloatArray, capacity_bytes: int, status: IntArray
    ) -> tuple[FloatArray, FloatArray] | None:
        """Most that a cache can save with each expert, (X,), and without it, (X,); None if not known."""


def repeated_subproblem(
    instance: Instance, terms: AndTerms, max_exact_experts: int, *, singles_vary: bool = False
) -> RepeatedSubproblem:
    """Prepare the subproblem with these terms.

    Where every layer names at most ``max_exact_experts`` experts or has only single ones, all layers are
    solved and joined in compiled code; otherwise each call goes through ``best_cache``.

    Parameters
    ----------
    singles_vary : bool
        Only the weights of single experts change from call to call; the others are those of ``terms``,
        whose subset sums are then kept.
    """
    layers = np.repeat(np.arange(instance.n_layers), np.diff(terms.layer_offsets))
    grouped = np.bincount(layers[np.diff(terms.offsets) > 1], minlength=instance.n_layers) > 0
    named = np.bincount(instance.expert_layers[np.unique(terms.members)], minlength=instance.n_layers)
    if named[grouped].max(initial=0) > max_exact_experts:
        return _Bracketed(instance, terms, max_exact_experts)
    return _Enumerated(instance, terms, layers, grouped, singles_vary)


class _Bracketed:
    """Layers too large to enumerate: their even split bounds them."""

    can_force = False

    def __init__(self, instance: Instance, terms: AndTerms, max_exact_experts: int) -> None:
        self._instance, self._terms, self._max_exact_experts = instance, terms, max_exact_experts

    def best(self, weights: FloatArray, capacity_bytes: int, status: IntArray | None = None) -> ServerCache:
        """Through ``best_cache``.

        Raises
        ------
        SolverError
            With a ``status``, which a split knows nothing of.
        """
        if status is not None:
            raise SolverError("experts cannot be forced where layers are split")
        terms = _weighted(self._terms, weights)
        return best_cache(self._instance, terms, capacity_bytes, self._max_exact_experts)

    def forced(self, weights: FloatArray, capacity_bytes: int, status: IntArray) -> None:
        """Not known."""


class _Enumerated:
    """Layers that are enumerated, or have only single experts."""

    def __init__(
        self, instance: Instance, terms: AndTerms, layers: IntArray, grouped: BoolArray, singles_vary: bool
    ) -> None:
        self._instance = instance
        self._named = np.unique(terms.members)
        counts = np.bincount(instance.expert_layers[self._named], minlength=instance.n_layers)
        firsts = offsets_of(counts)
        sizes = np.diff(terms.offsets)
        positions = np.searchsorted(self._named, terms.members) - firsts[np.repeat(layers, sizes)]
        # Experts of a layer without groups are told by number: there may be more of them than bits.
        sets = positions[terms.offsets[:-1]]
        in_groups = np.repeat(grouped[layers], sizes)
        bits = np.where(in_groups, np.left_shift(1, np.where(in_groups, positions, 0)), 0)
        if len(sizes):
            sets = np.where(grouped[layers], np.bitwise_or.reduceat(bits, terms.offsets[:-1]), sets)
        widest = int(counts[grouped].max(initial=0))
        kept = np.zeros((0, 1))
        if singles_vary and instance.n_layers << widest <= KEPT_SUMS:
            kept = np.zeros((instance.n_layers, 1 << widest))
            fixed = np.where(sizes > 1, terms.weights, 0.0)
            for layer in np.flatnonzero(grouped):
                own = slice(terms.layer_offsets[layer], terms.layer_offsets[layer + 1])
                sums = kept[layer, : 1 << counts[layer]]
                np.add.at(sums, sets[own], fixed[own])
                subset_sums(sums, int(counts[layer]))
        self._layers = (sets, sizes, terms.layer_offsets, counts, firsts, grouped, kept)
        self._free = np.zeros(len(self._named), np.int64)
        self._expert_bytes = [model.expert_bytes for model in instance.models]
        self.can_force = len(set(self._expert_bytes)) == 1

    def best(
        self, weights: FloatArray, capacity_bytes: int, status: IntArray | None = None
    ) -> ServerCache | None:
        """Profiles of all layers, joined model by model."""
        of_named = self._free if status is None else status[self._named]
        cached = np.zeros(self._instance.n_experts, np.bool_)
        if self.can_force:
            room = capacity_bytes // self._expert_bytes[0]
            saving, cached[self._named] = fill_equal_sizes(weights, *self._layers, of_named, room)
        else:
            saving, cached[self._named] = self._fill_models(weights, of_named, capacity_bytes)
        return ServerCache(cached, saving, saving) if np.isfinite(saving) else None

    def _fill_models(
        self, weights: FloatArray, status: IntArray, capacity_bytes: int
    ) -> tuple[float, BoolArray]:
        _, _, _, counts, firsts, grouped, _ = self._layers
        best, arg, by_rank = layer_profiles(weights, *self._layers, status)
        models = [slice(*pair) for pair in pairwise(self._instance.model_layer_starts)]
        chains = [
            chain_layers(best[layers], counts[layers], capacity_bytes // size)
            for layers, size in zip(models, self._expert_bytes, strict=True)
        ]
        chosen = best_counts([curve for curve, _ in chains], self._expert_bytes, capacity_bytes)
        used = np.zeros(self._instance.n_layers, np.int64)
        saving = 0.0
        for layers, (curve, splits), count in zip(models, chains, chosen, strict=True):
            saving += float(curve[count])
            unwind_layers(splits, count, used[layers])
        return saving, chosen_members(used, arg, by_rank, firsts, grouped)

    def forced(
        self, weights: FloatArray, capacity_bytes: int, status: IntArray
    ) -> tuple[FloatArray, FloatArray] | None:
        """By enumeration; not known where experts differ in size."""
        if not self.can_force:
            return None
        room = capacity_bytes // self._expert_bytes[0]
        values = forced_values(weights, *self._layers, status[self._named], room)
        # An expert that no term names is not worth its room.
        inside = np.full(self._instance.n_experts, -np.inf)
        outside = np.full(self._instance.n_experts, np.max(values, initial=0.0))
        inside[self._named], outside[self._named] = values
        return inside, outside


def _weighted(terms: AndTerms, weights: FloatArray) -> AndTerms:
    """The terms with these weights; those of weight 0 go, as ``AndTerms`` asks."""
    kept = weights != 0
    if kept.all():
        return replace(terms, weights=weights)
    sizes = np.diff(terms.offsets)
    return AndTerms(
        weights[kept],
        offsets_of(sizes[kept]),
        terms.members[np.repeat(kept, sizes)],
        offsets_of(kept.astype(np.int64))[terms.layer_offsets],
    )
