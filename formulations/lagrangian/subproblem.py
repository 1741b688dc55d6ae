"""One subproblem of the Lagrangian relaxation under many multipliers, by the layer DP."""

from __future__ import annotations

from typing import Final

import numpy as np

from slimbench.formulations.lagrangian.relaxation import Subproblem
from slimbench.formulations.single_server.forced_experts import forced_values
from slimbench.formulations.single_server.layer_dp import (
    NO_SET,
    Layers,
    best_of_one_size,
    layer_profiles,
    layers_of,
    mark_sets,
    subset_sums,
)
from slimbench.formulations.single_server.max_plus import EVERY_PAIR_LAST, join_layers, unwound
from slimbench.formulations.single_server.model_knapsack import model_knapsack
from slimbench.formulations.single_server.splitting import SPLIT_SWEEPS, min_norm_split
from slimbench.formulations.terms.and_terms import AndTerms
from slimbench.formulations.tolerances import SPLIT_MOVE, slack
from slimbench.instances import Instance
from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray, csr_rows, offsets_of

MORE_SWEEPS: Final = 3  # of a split whose weights have changed a little
KEPT_SUMS: Final = 2**25  # subset sums that one subproblem may keep between calls: 256 MB


class SubproblemSolver:
    """A subproblem whose best cache is asked for under many multipliers.

    Layers that name at most ``max_exact_experts`` experts or have only single ones are solved exactly; wider
    ones are bounded by a split of their groups' weights (``splitting``).

    Parameters
    ----------
    max_exact_experts : int
    groups_vary : bool
        Whether multipliers change the weights of groups, or of single experts only, so that the subset sums
        of groups can be kept.

    Attributes
    ----------
    exact : bool
        Whether ``best`` is the most that the subproblem saves, not just a bound on it.
    can_force : bool
        Whether ``forced`` is known: not where experts differ in size or layers are split.
    """

    def __init__(
        self, instance: Instance, subproblem: Subproblem, max_exact_experts: int, *, groups_vary: bool = True
    ) -> None:
        self._instance, self._subproblem = instance, subproblem
        terms, layers = subproblem.terms, layers_of(subproblem.terms, max_exact_experts)
        self._split = _Split(terms, layers) if layers.wide.any() else None
        if self._split is not None:
            layers = layers_of(self._split.terms, max_exact_experts)
        elif not groups_vary:
            layers = _with_kept_sums(layers, terms.weights)
        self._layers = layers
        self._sizes = np.array([model.expert_bytes for model in instance.models])
        self.exact = self._split is None
        self.can_force = self.exact and len(set(self._sizes.tolist())) == 1
        self._all_layers = np.array([0, instance.n_layers])
        # Multipliers of its rows are added to a weight, it joins others of its set (or its share of an expert
        # does), goes to all larger sets by one addition for each expert, or in sorted layers for each expert
        # before it, and passes one addition for each layer and model.
        additions = 2 * len(terms.weights) + len(subproblem.rows) + len(terms.members) + 2 * instance.n_layers
        self._rounding = slack(additions)

    def weights(self, multipliers: FloatArray) -> FloatArray:
        """(T,) weights of the terms under multipliers (R,)."""
        return under_multipliers(self._subproblem, multipliers)[0]

    def best(
        self, multipliers: FloatArray, status: IntArray, subgradient: FloatArray, cached: BoolArray
    ) -> float:
        """A bound on what is saved under multipliers, in floating point too, and the cache that is chosen.

        O(k 2^k) a layer of k experts in groups, and O(C k) to join it where C experts fit.

        Parameters
        ----------
        multipliers : (R,) float64, >= 0
        status : (X,) int64
            Experts that must be in (``ALWAYS``) or out (``NEVER``); others are free.
        subgradient : (R,) float64
            The part of this subproblem is added to it.
        cached : (X,) bool
            The named experts of the cache are written to it.

        Returns
        -------
        float
            Seconds per token; -inf where no cache fits the status, and nothing is written then.
        """
        if self.can_force:
            room = self._subproblem.capacity_bytes // int(self._sizes[0])
            return best_under_multipliers(
                self._subproblem, multipliers, self._layers, self._all_layers, status, room, self._rounding,
                subgradient, cached,
            )  # fmt: skip
        problem, layers = self._subproblem, self._layers
        own, costs = under_multipliers(problem, multipliers)
        split = own if self._split is None else self._split.weights(own)
        profiles = layer_profiles(split, layers, status[layers.named], False)
        models, limits = self._instance.model_layer_starts, problem.capacity_bytes // self._sizes
        joined, starts, splits, offsets = join_layers(
            profiles.savings, layers.starts, models, limits, EVERY_PAIR_LAST, 0.0
        )
        of_models = np.split(joined, starts[1:-1])
        found = model_knapsack(of_models, self._sizes.tolist(), problem.capacity_bytes)
        if found.bound_s == NO_SET:
            return NO_SET
        mark_sets(layers, profiles, unwound(splits, offsets, models, np.array(found.counts)), cached)
        complete = problem.terms.complete(cached).astype(np.float64)
        if self._split is not None:
            self._split.complete(cached, complete)
        np.add.at(subgradient, problem.rows, problem.sign * complete[problem.row_terms])
        return found.bound_s + self._rounding * (found.bound_s + 2.0 * costs)

    def forced(
        self, multipliers: FloatArray, status: IntArray
    ) -> tuple[float, FloatArray, FloatArray] | None:
        """What is saved at least, and what a cache saves at most with and without each expert.

        O(k 2^k + C^2) a layer (``forced_values``).

        Returns
        -------
        least : float
            Some cache saves as much.
        inside, outside : (X,) float64
            No cache that has the expert (has not) saves more; -inf where no such cache fits the status.

        None if they are not known.
        """
        if not self.can_force:
            return None
        weights, named = self.weights(multipliers), self._layers.named
        room = self._subproblem.capacity_bytes // int(self._sizes[0])
        values = forced_values(weights, self._layers, status[named], room)
        most, costs = float(np.max(values, initial=0.0)), -2.0 * float(np.minimum(weights, 0.0).sum())
        values += self._rounding * (values + costs)
        # An expert that no term names is not worth its room.
        inside = np.full(self._instance.n_experts, -np.inf)
        outside = np.full(self._instance.n_experts, np.max(values, initial=0.0))
        inside[named], outside[named] = values
        return most - self._rounding * (most + costs), inside, outside


@compiled
def under_multipliers(subproblem: Subproblem, multipliers: FloatArray) -> tuple[FloatArray, float]:
    """(T,) weights of a subproblem's terms under multipliers (R,), and minus the sum of the negative ones."""
    weights, rows, row_terms = subproblem.terms.weights.copy(), subproblem.rows, subproblem.row_terms
    for i in range(len(rows)):
        weights[row_terms[i]] += subproblem.sign * multipliers[rows[i]]
    costs = 0.0
    for weight in weights:
        costs -= min(weight, 0.0)
    return weights, costs


@compiled
def best_under_multipliers(
    subproblem: Subproblem,
    multipliers: FloatArray,
    layers: Layers,
    all_layers: IntArray,
    status: IntArray,
    room: int,
    rounding: float,
    subgradient: FloatArray,
    cached: BoolArray,
) -> float:
    """``SubproblemSolver.best`` for experts of one size, of which ``room`` fit; see ``tolerances.raised``."""
    weights, costs = under_multipliers(subproblem, multipliers)
    saving = best_of_one_size(weights, layers, all_layers, status, room, cached)
    if saving > NO_SET:
        terms, rows = subproblem.terms, subproblem.rows
        complete = np.ones(len(weights))
        for term in range(len(complete)):
            for j in range(terms.offsets[term], terms.offsets[term + 1]):
                if not cached[terms.members[j]]:
                    complete[term] = 0.0
                    break
        for i in range(len(rows)):
            subgradient[rows[i]] += subproblem.sign * complete[subproblem.row_terms[i]]
        saving += rounding * (saving + 2.0 * costs)
    return saving


class _Split:
    """Layers too wide to enumerate: every group's weight is split over its members, which then stand alone.

    The split moves on from where the last multipliers left it.

    Attributes
    ----------
    terms : AndTerms
        Those of narrow layers, and every expert of a wide one alone; its weights mean nothing.
    """

    def __init__(self, terms: AndTerms, layers: Layers) -> None:
        n_layers, sizes = len(layers.wide), np.diff(terms.offsets)
        of_terms = np.repeat(np.arange(n_layers), np.diff(terms.layer_offsets))
        of_named = np.repeat(np.arange(n_layers), np.diff(layers.firsts))
        self._wide = np.flatnonzero(layers.wide[of_terms])
        self._wide_members = terms.members[np.repeat(layers.wide[of_terms], sizes)]
        positions = np.searchsorted(layers.named, self._wide_members).astype(np.int32)
        self._wide_terms = AndTerms(
            terms.weights[self._wide], offsets_of(sizes[self._wide]), positions, terms.layer_offsets
        )
        self._shares, self._sweeps = np.zeros(len(self._wide_members)), SPLIT_SWEEPS
        self._n_named = len(layers.named)
        narrow, alone = np.flatnonzero(~layers.wide[of_terms]), np.flatnonzero(layers.wide[of_named])
        of_all = np.concatenate([of_terms[narrow], of_named[alone]])
        by_layer = np.argsort(of_all, kind="stable")
        self._source = np.concatenate([narrow, len(sizes) + alone])[by_layer]
        offsets = np.concatenate([terms.offsets, terms.offsets[-1] + 1 + np.arange(self._n_named)])
        members = np.concatenate([terms.members, layers.named])[csr_rows(offsets, self._source)[1]]
        starts = offsets_of(np.bincount(of_all, minlength=n_layers))
        self.terms = AndTerms(
            np.zeros(len(self._source)), offsets_of(np.diff(offsets)[self._source]), members, starts
        )

    def weights(self, weights: FloatArray) -> FloatArray:
        """Weights of the terms that are left, by those of all terms (T,)."""
        wide = self._wide_terms._replace(weights=weights[self._wide])
        totals = min_norm_split(wide, self._n_named, self._shares, self._sweeps, SPLIT_MOVE)
        self._sweeps = MORE_SWEEPS
        return np.asarray(np.concatenate([weights, totals])[self._source])

    def complete(self, cached: BoolArray, complete: FloatArray) -> None:
        """Write how far terms of wide layers are complete: the share of their weight on chosen experts.

        That is the subgradient of the bound while the proportions of the split stay.
        """
        starts = self._wide_terms.offsets[:-1]
        carried = np.add.reduceat(self._shares * cached[self._wide_members], starts)
        whole = np.add.reduceat(self._shares, starts)
        np.divide(carried, whole, where=whole > 0, out=carried)
        complete[self._wide] = np.where(whole > 0, carried, complete[self._wide])


def _with_kept_sums(layers: Layers, weights: FloatArray) -> Layers:
    """The same with the subset sums of groups, unless they take too much memory."""
    counts = np.diff(layers.firsts)
    widest = int(counts[layers.by_bits].max(initial=0))
    if len(counts) << widest > KEPT_SUMS:
        return layers
    kept = np.zeros((len(counts), 1 << widest))
    fixed = np.where(layers.sets & (layers.sets - 1) != 0, weights, 0.0)
    for layer in np.flatnonzero(layers.by_bits):
        own = slice(layers.term_offsets[layer], layers.term_offsets[layer + 1])
        sums = kept[layer, : 1 << counts[layer]]
        np.add.at(sums, layers.sets[own], fixed[own])
        subset_sums(sums, int(counts[layer]))
    return layers._replace(kept=kept)
