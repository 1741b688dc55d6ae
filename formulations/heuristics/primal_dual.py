"""A bracket of the optimum that closes from both ends: placements raise the lower, prices lower the upper.

What servers choose under prices starts placements, and a better placement sets prices their aim.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Final

import numpy as np

from slimbench.formulations.heuristics.decomposition import BestCache, fill_servers, sweep_servers
from slimbench.formulations.heuristics.neighbourhoods import neighbours
from slimbench.formulations.heuristics.pairs import PairMoves, sweep_pairs
from slimbench.formulations.lagrangian.relaxation import coupling
from slimbench.formulations.lagrangian.rewards import merged_rewards
from slimbench.formulations.lagrangian.subgradient import PricedBound, PricedCoupling, Steps, priced_bounds
from slimbench.formulations.single_server.solve import best_cache
from slimbench.instances import Instance, Placement, evaluate
from slimbench.instances.problem.arrays import FloatArray

FEW_STEPS: Final = Steps(patience=2)  # where layers are split, one step may take a second
PROOF_GAP: Final = 5e-7  # relative; half of what two exact methods may differ by


class BracketSearch:
    """The best placement and the least bound of one instance so far.

    Parameters
    ----------
    exact_experts : int
        Layers that name more experts in groups are bracketed by an even split.
    expired : callable
        Whether to stop.
    report : callable
        Called with every better placement, or None, and every lower bound, or None.
    """

    def __init__(
        self,
        instance: Instance,
        *,
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

    def wanted_s(self) -> float:
        """What a placement must save to be worth finding; anything at all while nothing is saved."""
        return self.saving_s * (1 + PROOF_GAP) or self._least_reward_s

    @cached_property
    def _least_reward_s(self) -> float:
        """No placement that saves something saves less."""
        weights = merged_rewards(self.instance).weights
        return float(weights[weights > 0].min(initial=math.inf)) * (1 - PROOF_GAP)

    def settle(self) -> None:
        """Take note that no placement saves what is wanted."""
        self.lower(self.saving_s * (1 + PROOF_GAP))

    def offer(self, placement: Placement) -> None:
        """Take a placement if it is feasible and saves more than the best one."""
        saving = evaluate(self.instance, placement).saving_s
        if saving > self.saving_s and placement.violation(self.instance) is None:
            self.placement, self.saving_s = placement, saving
            self._report(placement, None)

    def lower(self, bound_s: float) -> None:
        """Take a bound if it is less than the least one."""
        if bound_s < self.bound_s:
            self.bound_s = bound_s
            self._report(None, bound_s)

    def fill(self) -> None:
        """Fill the servers one after another, and improve that."""
        self.improve(fill_servers(self.instance, self.best_cache, self.expired).placement)

    def descend(self, iterations: int, first_rounding: int) -> tuple[PricedCoupling, PricedBound | None]:
        """Lower the bound by prices; now and then make placements of what servers choose.

        Parameters
        ----------
        iterations : int
        first_rounding : int
            Iterations before the first placements are made; each time it takes twice as many.

        Returns
        -------
        priced : PricedCoupling
        last : PricedBound or None
            The last step; None if there was no time for any.
        """
        priced = PricedCoupling(self.instance, coupling(self.instance), self._exact_experts)
        last, next_rounding = None, first_rounding
        steps = Steps() if all(block.exact for block in priced.blocks) else FEW_STEPS
        found = priced_bounds(priced, lambda: self.saving_s, steps=steps)
        for step in itertools.islice(found, iterations):
            last = step
            self.lower(step.bound_s)
            self.iterations += 1
            if self.iterations == next_rounding:
                self._round(step)
                next_rounding *= 2
            if self.proven or self.expired():
                return priced, last
        if last is not None:
            self._round(last)
        return priced, last

    def neighbours(self, rng: np.random.Generator) -> Iterator[Placement]:
        """Local optima near the best placement so far and their successors; endless."""
        return neighbours(self.moves, self.placement, self.best_cache, rng, self.expired)

    def look_around(
        self, near: Iterator[Placement], *, seconds: float = math.inf, patience: float = math.inf
    ) -> int:
        """Offer neighbours for a time, or until ``patience`` in a row are no better; how many there were."""
        if self.proven:
            return 0
        last_s, stop = self.saving_s, time.monotonic() + seconds
        tried = in_vain = 0
        for placement in near:
            self.offer(placement)
            tried += 1
            in_vain = 0 if self.saving_s > last_s else in_vain + 1
            last_s = self.saving_s
            if in_vain >= patience or time.monotonic() >= stop or self.proven or self.expired():
                break
        return tried

    def _round(self, step: PricedBound) -> None:
        """Make placements of what servers chose last, and of what they chose most."""
        self.improve(Placement(step.holds))
        self.improve(rounded(self.instance, step.shares))

    def improve(self, placement: Placement) -> None:
        """Fill single servers, then pairs, until neither helps; pairs alone where they cover single ones."""
        self.offer(placement)
        if not self.moves.complete:
            placement = sweep_servers(self.instance, placement, self.best_cache, lambda _: None, self.expired)
            self.offer(placement)
        sweep_pairs(self.moves, placement, self.offer, self.expired)


def rounded(instance: Instance, shares: FloatArray, rng: np.random.Generator | None = None) -> Placement:
    """Every server caches the experts of the largest share per byte that fit.

    Parameters
    ----------
    shares : (N, X) float64, how much of each expert a relaxation would cache
    rng : numpy.random.Generator, optional
        To draw experts one after another instead, in proportion to their share per byte (by the largest
        log(u) / weight, u uniform in (0, 1): Efraimidis, Spirakis, Information Processing Letters 97, 2006).
    """
    holds = np.zeros(shares.shape, np.bool_)
    density = shares / instance.expert_bytes
    if rng is not None:
        density = np.divide(np.log(rng.random(shares.shape)), density, where=shares > 0, out=density)
    for n, room in enumerate(instance.capacities_bytes.tolist()):
        for e in np.argsort(-density[n], kind="stable"):
            if shares[n, e] > 0 and instance.expert_bytes[e] <= room:
                holds[n, e] = True
                room -= int(instance.expert_bytes[e])  # noqa: PLW2901  # what is left of this server's room
    return Placement(holds)
