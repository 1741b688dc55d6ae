"""One block of a coupling under many prices, as price methods ask for it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Final, Protocol

import numpy as np

from slimbench.formulations.and_terms import AndTerms
from slimbench.formulations.coupling import Block
from slimbench.formulations.enumerated import (
    NO_SET,
    Layers,
    PricedTerms,
    best_under_prices,
    chain_layers,
    chosen_members,
    forced_values,
    layer_profiles,
    mark_choice,
    priced_weights,
    unwind_layers,
)
from slimbench.formulations.errors import SolverError
from slimbench.formulations.profiles import subset_sums
from slimbench.formulations.subproblem import best_cache, best_counts
from slimbench.instances import Instance
from slimbench.instances.arrays import BoolArray, FloatArray, IntArray, offsets_of

KEPT_SUMS: Final = 2**25  # subset sums that one block may keep between calls: 256 MB


class PricedBlock(Protocol):
    """A block whose best cache is asked for under many prices.

    Attributes
    ----------
    terms : PricedTerms
    can_force : bool
        Whether experts can be forced in or out.
    """

    terms: PricedTerms
    can_force: bool

    def best(self, prices: FloatArray, status: IntArray, slope: FloatArray, cached: BoolArray) -> float:
        """A bound on what the block saves under prices (R,), and the cache that it would choose.

        Parameters
        ----------
        prices : (R,) float64
        status : (X,) int64
            Experts that must be in (``ALWAYS``) or out (``NEVER``); others are free.
        slope : (R,) float64
            The block's part of the slope is added to it.
        cached : (X,) bool
            The named experts of the cache are written to it.

        Returns
        -------
        float
            Seconds per token; -inf where no cache fits the status, and nothing is written then.
        """

    def forced(self, prices: FloatArray, status: IntArray) -> tuple[FloatArray, FloatArray] | None:
        """Most that a cache can save with each expert, (X,), and without it, (X,); None if not known."""


def priced_block(
    instance: Instance, block: Block, max_exact_experts: int, *, groups_vary: bool = True
) -> PricedBlock:
    """Prepare a block.

    Where every layer names at most ``max_exact_experts`` experts or has only single ones, all layers are
    solved and joined in compiled code; otherwise each call goes through ``best_cache``.

    Parameters
    ----------
    groups_vary : bool
        Whether prices change the weights of groups, or of single experts only, so that the subset sums of
        groups can be kept.
    """
    terms = block.terms
    layers = np.repeat(np.arange(instance.n_layers), np.diff(terms.layer_offsets))
    grouped = np.bincount(layers[np.diff(terms.offsets) > 1], minlength=instance.n_layers) > 0
    named, members = np.unique(terms.members, return_inverse=True)
    priced = PricedTerms(
        terms.weights,
        terms.offsets,
        members.ravel(),
        named.astype(np.int64),
        block.rows,
        block.row_terms,
        float(block.sign),
    )
    counts = np.bincount(instance.expert_layers[named], minlength=instance.n_layers)
    if counts[grouped].max(initial=0) > max_exact_experts:
        return _Bracketed(instance, block, priced, max_exact_experts)
    enumerable = _layers(priced, terms.layer_offsets, layers, counts, grouped)
    if not groups_vary:
        enumerable = _with_kept_sums(enumerable, priced.weights)
    return _Enumerated(instance, block, priced, enumerable)


class _Bracketed:
    """Layers too large to enumerate: their even split bounds them."""

    can_force = False

    def __init__(self, instance: Instance, block: Block, terms: PricedTerms, max_exact_experts: int) -> None:
        self._instance, self._block, self.terms = instance, block, terms
        self._max_exact_experts = max_exact_experts

    def best(self, prices: FloatArray, status: IntArray, slope: FloatArray, cached: BoolArray) -> float:
        """Through ``best_cache``.

        Raises
        ------
        SolverError
            If an expert is forced, which a split knows nothing of.
        """
        if status.any():
            raise SolverError("experts cannot be forced where layers are split")
        terms = _weighted(self._block.terms, priced_weights(self.terms, prices))
        found = best_cache(self._instance, terms, self._block.capacity_bytes, self._max_exact_experts)
        mark_choice(self.terms, found.cached[self.terms.named], slope, cached)
        return found.bound_s

    def forced(self, prices: FloatArray, status: IntArray) -> None:
        """Not known."""


class _Enumerated:
    """Layers that are enumerated, or have only single experts."""

    def __init__(self, instance: Instance, block: Block, terms: PricedTerms, layers: Layers) -> None:
        self._instance, self.terms, self._layers = instance, terms, layers
        self._capacity_bytes = block.capacity_bytes
        self._expert_bytes = [model.expert_bytes for model in instance.models]
        self.can_force = len(set(self._expert_bytes)) == 1

    def best(self, prices: FloatArray, status: IntArray, slope: FloatArray, cached: BoolArray) -> float:
        """Profiles of all layers, joined model by model."""
        if self.can_force:
            return best_under_prices(prices, self.terms, self._layers, status, self._room(), slope, cached)
        saving, inside = self._fill_models(priced_weights(self.terms, prices), status[self.terms.named])
        if saving > NO_SET:
            mark_choice(self.terms, inside, slope, cached)
        return saving

    def forced(self, prices: FloatArray, status: IntArray) -> tuple[FloatArray, FloatArray] | None:
        """By enumeration; not known where experts differ in size."""
        if not self.can_force:
            return None
        weights, named = priced_weights(self.terms, prices), self.terms.named
        values = forced_values(weights, self._layers, status[named], self._room())
        # An expert that no term names is not worth its room.
        inside = np.full(self._instance.n_experts, -np.inf)
        outside = np.full(self._instance.n_experts, np.max(values, initial=0.0))
        inside[named], outside[named] = values
        return inside, outside

    def _room(self) -> int:
        """How many experts of the one size fit."""
        return self._capacity_bytes // self._expert_bytes[0]

    def _fill_models(self, weights: FloatArray, status: IntArray) -> tuple[float, BoolArray]:
        counts = self._layers.counts
        best, arg, by_rank = layer_profiles(weights, self._layers, status)
        models = [slice(*pair) for pair in pairwise(self._instance.model_layer_starts)]
        chains = [
            chain_layers(best[layers], counts[layers], self._capacity_bytes // size)
            for layers, size in zip(models, self._expert_bytes, strict=True)
        ]
        chosen = best_counts([curve for curve, _ in chains], self._expert_bytes, self._capacity_bytes)
        used = np.zeros(self._instance.n_layers, np.int64)
        saving = 0.0
        for layers, (curve, splits), count in zip(models, chains, chosen, strict=True):
            saving += float(curve[count])
            unwind_layers(splits, count, used[layers])
        return saving, chosen_members(used, arg, by_rank, self._layers)


def _layers(
    terms: PricedTerms, term_offsets: IntArray, layers: IntArray, counts: IntArray, grouped: BoolArray
) -> Layers:
    """Number the named experts of every layer, and tell its terms by these numbers."""
    firsts, sizes = offsets_of(counts), np.diff(terms.offsets)
    positions = terms.members - firsts[np.repeat(layers, sizes)]
    # Experts of a layer without groups are told by number: there may be more of them than bits.
    sets = positions[terms.offsets[:-1]]
    in_groups = np.repeat(grouped[layers], sizes)
    bits = np.where(in_groups, np.left_shift(1, np.where(in_groups, positions, 0)), 0)
    if len(sizes):
        sets = np.where(grouped[layers], np.bitwise_or.reduceat(bits, terms.offsets[:-1]), sets)
    return Layers(sets, sizes, term_offsets, counts, firsts, grouped, kept=np.zeros((0, 1)))


def _with_kept_sums(layers: Layers, weights: FloatArray) -> Layers:
    """The same with the subset sums of groups, unless they take too much memory."""
    widest = int(layers.counts[layers.grouped].max(initial=0))
    if len(layers.counts) << widest > KEPT_SUMS:
        return layers
    kept = np.zeros((len(layers.counts), 1 << widest))
    fixed = np.where(layers.sizes > 1, weights, 0.0)
    for layer in np.flatnonzero(layers.grouped):
        own = slice(layers.term_offsets[layer], layers.term_offsets[layer + 1])
        sums = kept[layer, : 1 << layers.counts[layer]]
        np.add.at(sums, layers.sets[own], fixed[own])
        subset_sums(sums, int(layers.counts[layer]))
    return layers._replace(kept=kept)


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
