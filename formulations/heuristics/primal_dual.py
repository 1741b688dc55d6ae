"""Primal-dual search: Lagrangian bounds from above, local search from below.

What servers choose under the multipliers starts placements, and a better placement sets the subgradient steps
their aim.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from functools import cached_property, partial

import numpy as np

from slimbench.formulations.heuristics.decomposition import BestCache, fill_servers, sweep_servers
from slimbench.formulations.heuristics.fill import fill_in_order
from slimbench.formulations.heuristics.neighbourhoods import neighbours
from slimbench.formulations.heuristics.pairs import PairMoves, sweep_pairs
from slimbench.formulations.lagrangian.relaxation import relaxation
from slimbench.formulations.lagrangian.subgradient import DualBound, LagrangianDual, Steps, run_subgradient
from slimbench.formulations.milp.levels import merged_rewards
from slimbench.formulations.single_server.solve import best_cache
from slimbench.formulations.tolerances import PROOF_GAP
from slimbench.instances import Instance, Placement, evaluate
from slimbench.instances.problem.arrays import FloatArray

FEW_STEPS = Steps(patience=2)  # where layers are split, one step may take a second


class PrimalDualSearch:
    """The best placement and the least bound of one instance so far.

    Parameters
    ----------
    exact_experts : int
        Layers that name more experts in groups are bounded by a split.
    expired : callable
        Whether to stop.
    report : callable
        Called with every better placement, or None, and every lower bound, or None.
    """

    def __init__(
        self,
        instance: Instance,
        exact_experts: int,
        expired: Callable[[], bool],
        report: Callable[[Placement | None, float | None], None],
    ) -> None:
        self.instance, self.expired, self._report = instance, expired, report
        self.best_cache: BestCache = partial(best_cache, max_exact_experts=exact_experts)
        self._exact_experts = exact_experts
        self.moves = PairMoves(instance)
        self.placement, self.saving_s, self.bound_s = Placement.empty(instance), 0.0, math.inf
        self.iterations = 0

    @property
    def proven(self) -> bool:
        """Whether no placement saves more, to ``PROOF_GAP``."""
        return self.bound_s <= self.saving_s * (1 + PROOF_GAP)

    def cutoff_s(self) -> float:
        """What a placement must save to be worth finding; anything at all while nothing is saved."""
        return self.saving_s * (1 + PROOF_GAP) or self._least_reward_s

    @cached_property
    def _least_reward_s(self) -> float:
        """No placement that saves something saves less."""
        weights = merged_rewards(self.instance).weights
        return float(weights[weights > 0].min(initial=math.inf)) * (1 - PROOF_GAP)

    def prove_optimal(self) -> None:
        """Take note that no placement saves ``cutoff_s``."""
        self.update_bound(self.saving_s * (1 + PROOF_GAP))

    def update_incumbent(self, placement: Placement) -> None:
        """Take a placement if it is feasible and saves more than the best one."""
        saving = evaluate(self.instance, placement).saving_s
        if saving > self.saving_s and placement.violation(self.instance) is None:
            self.placement, self.saving_s = placement, saving
            self._report(placement, None)

    def update_bound(self, bound_s: float) -> None:
        """Take a bound if it is less than the least one."""
        if bound_s < self.bound_s:
            self.bound_s = bound_s
            self._report(None, bound_s)

    def fill(self) -> None:
        """Fill the servers one after another, and improve that."""
        self.improve(fill_servers(self.instance, self.best_cache, self.expired).placement)

    def run_subgradient(
        self, iterations: int, first_rounding: int
    ) -> tuple[LagrangianDual, DualBound | None]:
        """Lower the bound by multipliers; now and then make placements of what servers choose.

        Parameters
        ----------
        iterations : int
        first_rounding : int
            Iterations before the first placements are made; each time it takes twice as many.

        Returns
        -------
        dual : LagrangianDual
        last : DualBound or None
            The last step; None if there was no time for any.
        """
        dual = LagrangianDual(self.instance, relaxation(self.instance), self._exact_experts)
        last, next_rounding = None, first_rounding
        steps = Steps() if all(solver.exact for solver in dual.solvers) else FEW_STEPS
        found = run_subgradient(dual, lambda: self.saving_s, steps=steps)
        for step in itertools.islice(found, iterations):
            last = step
            self.update_bound(step.bound_s)
            self.iterations += 1
            if self.iterations == next_rounding:
                self._round(step)
                next_rounding *= 2
            if self.proven or self.expired():
                return dual, last
        if last is not None:
            self._round(last)
        return dual, last

    def neighbours(self, rng: np.random.Generator) -> Iterator[Placement]:
        """Local optima near the best placement so far and their successors; endless."""
        return neighbours(self.moves, self.placement, self.best_cache, rng, self.expired)

    def run_neighbourhoods(
        self, near: Iterator[Placement], *, seconds: float = math.inf, patience: float = math.inf
    ) -> int:
        """Try neighbours for a time, or until ``patience`` in a row are no better; how many there were."""
        if self.proven:
            return 0
        last_s, stop = self.saving_s, time.monotonic() + seconds
        tried = in_vain = 0
        for placement in near:
            self.update_incumbent(placement)
            tried += 1
            in_vain = 0 if self.saving_s > last_s else in_vain + 1
            last_s = self.saving_s
            if in_vain >= patience or time.monotonic() >= stop or self.proven or self.expired():
                break
        return tried

    def improve(self, placement: Placement) -> None:
        """Fill single servers, then pairs, until neither helps; pairs alone where they cover single ones."""
        self.update_incumbent(placement)
        if not self.moves.complete:
            placement = sweep_servers(self.instance, placement, self.best_cache, expired=self.expired)
            self.update_incumbent(placement)
        sweep_pairs(self.moves, placement, self.update_incumbent, self.expired)

    def _round(self, step: DualBound) -> None:
        """Make placements of what servers chose last, and of what they chose most."""
        self.improve(Placement(step.holds))
        self.improve(rounded(self.instance, step.shares))


def rounded(instance: Instance, shares: FloatArray, rng: np.random.Generator | None = None) -> Placement:
    """Every server caches the experts of the largest share per byte that fit; O(N X log X), no guarantee.

    Parameters
    ----------
    shares : (N, X) float64, how much of each expert a relaxation would cache
    rng : numpy.random.Generator, optional
        To draw experts one after another instead, in proportion to their share per byte (by the largest
        log(u) / weight, u uniform in (0, 1)).

    References
    ----------
    Efraimidis, Spirakis, Weighted random sampling with a reservoir, Information Processing Letters 97, 2006.
    """
    holds = np.zeros(shares.shape, np.bool_)
    density = shares / instance.expert_bytes
    if rng is not None:
        density = np.divide(np.log(rng.random(shares.shape)), density, where=shares > 0, out=density)
    for n, capacity in enumerate(instance.capacities_bytes.tolist()):
        order = np.argsort(-density[n], kind="stable")
        fill_in_order(instance, holds[n], order[shares[n, order] > 0], capacity)
    return Placement(holds)
