"""One block of a coupling under many prices, as price methods ask for it."""

from __future__ import annotations

from itertools import pairwise
from typing import Final, Protocol

import numpy as np

from slimbench.formulations.lagrangian.relaxation import Block
from slimbench.formulations.rounding import slack
from slimbench.formulations.single_server.forced_experts import forced_values
from slimbench.formulations.single_server.layer_dp import (
    NO_SET,
    Layers,
    best_under_prices,
    bound_of_sums,
    chain_layers,
    chosen_members,
    layer_profiles,
    roundings,
    unwind_layers,
)
from slimbench.formulations.single_server.model_knapsack import best_counts
from slimbench.formulations.single_server.priced_terms import (
    PricedTerms,
    complete_terms,
    mark_choice,
    priced_weights,
)
from slimbench.formulations.single_server.profiles import subset_sums
from slimbench.formulations.single_server.splitting import SPLIT_SWEEPS, SPLIT_TOLERANCE, even_split
from slimbench.instances import Instance
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray, csr_rows, offsets_of

MORE_SWEEPS: Final = 3  # of a split whose weights have changed a little
KEPT_SUMS: Final = 2**25  # subset sums that one block may keep between calls: 256 MB


class PricedBlock(Protocol):
    """A block whose best cache is asked for under many prices.

    Attributes
    ----------
    terms : PricedTerms
    exact : bool
        Whether ``best`` is the most that the block saves, not just a bound on it.
    can_force : bool
        Whether ``forced`` is known.
    """

    terms: PricedTerms
    exact: bool
    can_force: bool

    def best(self, prices: FloatArray, status: IntArray, slope: FloatArray, cached: BoolArray) -> float:
        """A bound on what the block saves under prices (R,), and the cache that it would choose.

        It is a bound in floating point too (``enumerated.bound_of_sums``).

        Parameters
        ----------
        prices : (R,) float64, >= 0
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

    def forced(self, prices: FloatArray, status: IntArray) -> tuple[float, FloatArray, FloatArray] | None:
        """What the block saves at least, and what a cache saves at most with and without each expert.

        Returns
        -------
        least : float
            Some cache saves as much.
        inside, outside : (X,) float64
            No cache that has the expert (has not) saves more; -inf where no such cache fits the status.

        None if they are not known.
        """


def priced_block(
    instance: Instance, block: Block, max_exact_experts: int, *, groups_vary: bool = True
) -> PricedBlock:
    """Prepare a block.

    Layers that name at most ``max_exact_experts`` experts or have only single ones are solved exactly; wider
    ones are bounded by an even split of their groups' weights (docs of ``profiles``).

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
    named_layers = instance.expert_layers[named].astype(np.int64)
    counts = np.bincount(named_layers, minlength=instance.n_layers)
    wide = grouped & (counts > max_exact_experts)
    if wide.any():
        split = _Split(priced, layers, named_layers, wide)
        narrow = _layers(split.offsets, split.members, split.layers, counts, grouped & ~wide)
        return _Block(instance, block, priced, narrow, split)
    enumerable = _layers(priced.offsets, priced.members, layers, counts, grouped)
    if not groups_vary:
        enumerable = _with_kept_sums(enumerable, priced.weights)
    return _Block(instance, block, priced, enumerable, None)


class _Split:
    """Layers too wide to enumerate: every group's weight is split over its members, which then stand alone.

    The split moves on from where the last prices left it.

    Attributes
    ----------
    offsets, members : int64, terms as CSR: those of narrow layers, and every expert of a wide one alone
    layers : int64, the layer of each, never falling
    """

    def __init__(self, terms: PricedTerms, layers: IntArray, named_layers: IntArray, wide: BoolArray) -> None:
        sizes = np.diff(terms.offsets)
        self._wide = np.flatnonzero(wide[layers])
        self._wide_offsets = offsets_of(sizes[self._wide])
        self._wide_members = terms.members[np.repeat(wide[layers], sizes)].astype(np.int32)
        self._shares = np.zeros(len(self._wide_members))
        self._sweeps = SPLIT_SWEEPS
        self._n_named = len(named_layers)
        narrow, alone = np.flatnonzero(~wide[layers]), np.flatnonzero(wide[named_layers])
        by_layer = np.argsort(np.concatenate([layers[narrow], named_layers[alone]]), kind="stable")
        self._source = np.concatenate([narrow, len(sizes) + alone])[by_layer]
        all_offsets = np.concatenate([terms.offsets, terms.offsets[-1] + 1 + np.arange(self._n_named)])
        all_members = np.concatenate([terms.members, np.arange(self._n_named)])
        self.offsets = offsets_of(np.diff(all_offsets)[self._source])
        self.members = all_members[csr_rows(all_offsets, self._source)[1]]
        self.layers = np.concatenate([layers, named_layers])[self._source]

    def weights(self, weights: FloatArray) -> FloatArray:
        """Weights of the terms that are left, by those of all terms (T,)."""
        totals = even_split(
            weights[self._wide],
            self._wide_offsets,
            self._wide_members,
            self._n_named,
            self._shares,
            self._sweeps,
            SPLIT_TOLERANCE,
        )
        self._sweeps = MORE_SWEEPS
        return np.asarray(np.concatenate([weights, totals])[self._source])

    def complete(self, inside: BoolArray, complete: FloatArray) -> None:
        """Write how far terms of wide layers are complete: the share of their weight on chosen experts.

        That is the slope of the bound while the proportions of the split stay.
        """
        if len(self._wide):
            starts = self._wide_offsets[:-1]
            carried = np.add.reduceat(self._shares * inside[self._wide_members], starts)
            whole = np.add.reduceat(self._shares, starts)
            np.divide(carried, whole, where=whole > 0, out=carried)
            complete[self._wide] = np.where(whole > 0, carried, complete[self._wide])


class _Block:
    """Layers that are enumerated or have only single experts, after a split if need be."""

    def __init__(
        self, instance: Instance, block: Block, terms: PricedTerms, layers: Layers, split: _Split | None
    ) -> None:
        self._instance, self.terms, self._layers, self._split = instance, terms, layers, split
        self._capacity_bytes = block.capacity_bytes
        self._expert_bytes = [model.expert_bytes for model in instance.models]
        self.exact = split is None
        self.can_force = self.exact and len(set(self._expert_bytes)) == 1

    def best(self, prices: FloatArray, status: IntArray, slope: FloatArray, cached: BoolArray) -> float:
        """Profiles of all layers, joined model by model."""
        if self.can_force:
            return best_under_prices(prices, self.terms, self._layers, status, self._room(), slope, cached)
        weights = split = priced_weights(self.terms, prices)
        if self._split is not None:
            split = self._split.weights(weights)
        bound, inside = self._fill_models(split, status[self.terms.named])
        if bound > NO_SET:
            bound = bound_of_sums(bound, weights, self.terms, self._layers)
            complete = complete_terms(self.terms, inside)
            if self._split is not None:
                self._split.complete(inside, complete)
            mark_choice(self.terms, inside, complete, slope, cached)
        return bound

    def forced(self, prices: FloatArray, status: IntArray) -> tuple[float, FloatArray, FloatArray] | None:
        """By enumeration; not known where experts differ in size or layers are split."""
        if not self.can_force:
            return None
        weights, named = priced_weights(self.terms, prices), self.terms.named
        values = forced_values(weights, self._layers, status[named], self._room())
        most, costs = float(np.max(values, initial=0.0)), -2.0 * float(np.minimum(weights, 0.0).sum())
        rounding = slack(roundings(self.terms, self._layers))
        values += rounding * (values + costs)
        # An expert that no term names is not worth its room.
        inside = np.full(self._instance.n_experts, -np.inf)
        outside = np.full(self._instance.n_experts, np.max(values, initial=0.0))
        inside[named], outside[named] = values
        return most - rounding * (most + costs), inside, outside

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
        for layers, (_, splits), count in zip(models, chains, chosen.counts, strict=True):
            unwind_layers(splits, count, used[layers])
        return chosen.bound_s, chosen_members(used, arg, by_rank, self._layers)


def _layers(
    offsets: IntArray, members: IntArray, layers: IntArray, counts: IntArray, grouped: BoolArray
) -> Layers:
    """Number the named experts of every layer, and tell the terms, which are in order of layers, by them."""
    firsts, sizes = offsets_of(counts), np.diff(offsets)
    positions = members - firsts[np.repeat(layers, sizes)]
    # Experts of a layer without groups are told by number: there may be more of them than bits.
    sets = positions[offsets[:-1]]
    in_groups = np.repeat(grouped[layers], sizes)
    bits = np.where(in_groups, np.left_shift(1, np.where(in_groups, positions, 0)), 0)
    if len(sizes):
        sets = np.where(grouped[layers], np.bitwise_or.reduceat(bits, offsets[:-1]), sets)
    starts = offsets_of(np.bincount(layers, minlength=len(counts)))
    return Layers(sets, sizes, starts, counts, firsts, grouped, kept=np.zeros((0, 1)))


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
