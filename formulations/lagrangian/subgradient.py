"""A proven bound, and good placements: prices decouple the servers.

Every coupling row r of the form ``cover`` carries a price mu[r] >= 0. Then

    L(mu) = sum over r of max(reward[r] - mu[r], 0) + sum over blocks of the most that each can save,

where prices are weights of the blocks' AND-terms, bounds the optimal saving from above for every mu
(docs/MODEL.md, section 7). Each block's maximum is the one-server subproblem over integer caches, so the
least L(mu) is never above the linear relaxation's bound, and far below it where groups are large.

It is a bound in floating point, too: whatever prices are computed, L bounds the saving at those prices, and
is a sum of numbers >= 0. Each block's maximum is raised by what its sums may be off, and so is the sum of
them all (``rounding``, ``enumerated.bound_of_sums``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from slimbench.formulations.lagrangian.relaxation import Coupling
from slimbench.formulations.lagrangian.subproblem import PricedBlock, priced_block
from slimbench.formulations.rounding import raised
from slimbench.instances import Instance
from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray

DEFLECTION: Final = 0.7  # weight of the last direction in the next one
SHORTER: Final = 0.7  # factor of the step where it does not help any more
PAIRWISE: Final = 128  # additions that a summand of NumPy's sum takes part in, at most
MEMORY: Final = 0.95  # weight of the earlier choices in their average


@dataclass(frozen=True)
class Steps:
    """How long the price method goes on.

    Attributes
    ----------
    first, last : float
        Lengths of the first and the shortest step, as a share of the Polyak step.
    patience : int
        Iterations without progress before the step is shortened.
    progress : float
        Relative; a bound that falls by less is no progress.
    """

    first: float = 1.0
    last: float = 1e-3
    patience: int = 30
    progress: float = 1e-6


@dataclass(frozen=True)
class PricedBound:
    """What the price method has found so far.

    Attributes
    ----------
    bound_s : float
        Proven: no placement saves more, seconds per token.
    prices : (R,) float64
        Those that prove it.
    holds : (N, X) bool
        The caches that the servers chose under the current prices, a feasible placement.
    shares : (N, X) float64
        How often each server has chosen each expert, recent choices counting most: close to a solution of
        the relaxation that the prices are the dual of.
    """

    bound_s: float
    prices: FloatArray
    holds: BoolArray
    shares: FloatArray


class PricedCoupling:
    """The blocks of a coupling, ready to be solved under many prices.

    Parameters
    ----------
    max_exact_experts : int
        Layers that name more in groups are bounded by an even split instead of being enumerated.
    """

    def __init__(self, instance: Instance, rows: Coupling, max_exact_experts: int) -> None:
        self.instance, self.rows = instance, rows
        groups_vary = bool(rows.rewards.any())
        self.blocks: tuple[PricedBlock, ...] = tuple(
            priced_block(instance, block, max_exact_experts, groups_vary=groups_vary) for block in rows.blocks
        )
        self._nothing_forced = np.zeros(instance.n_experts, np.int64)

    def dual_value(
        self, prices: FloatArray, status: IntArray | None = None
    ) -> tuple[float, FloatArray, BoolArray]:
        """L(prices) or a little more, its slope (R,), and the caches (N, X) that the servers choose.

        Parameters
        ----------
        prices : (R,) float64, >= 0
        status : (N, X) int64, optional
            Experts that servers must hold (``ALWAYS``) or must not (``NEVER``); L is then a bound on the
            placements that agree, -inf where none is feasible.
        """
        rewards = self.rows.rewards
        value = float(np.maximum(rewards - prices, 0.0).sum())
        slope = np.where(rewards > prices, -1.0, 0.0)
        holds = np.zeros((self.instance.n_servers, self.instance.n_experts), np.bool_)
        together = np.empty(self.instance.n_experts, np.bool_)
        for b, block in enumerate(self.blocks):
            server = b < len(holds)
            forced = status[b] if server and status is not None else self._nothing_forced
            value += block.best(prices, forced, slope, holds[b] if server else together)
        if value > -np.inf:
            value = raised(value, value, PAIRWISE + len(self.blocks))
        return value, slope, holds

    def block_value(self, b: int, prices: FloatArray) -> float:
        """A bound on what block ``b`` can save under prices (R,), seconds per token."""
        cached = np.empty(self.instance.n_experts, np.bool_)
        return self.blocks[b].best(prices, self._nothing_forced, np.zeros_like(prices), cached)


def priced_bounds(
    priced: PricedCoupling,
    best_saving: Callable[[], float],
    prices: FloatArray | None = None,
    status: IntArray | None = None,
    steps: Steps = Steps(),
) -> Iterator[PricedBound]:
    """Lower the bound step by step; ends when the steps have become too short to matter.

    Deflected subgradients with Polyak steps towards the best known saving, restarted from the best prices
    with shorter steps where they stop helping.

    Parameters
    ----------
    best_saving : callable
        Seconds per token of the best placement known so far; ends when the bound is not above it.
    prices : (R,) float64, optional
        To start from.
    status : (N, X) int64, optional
        As ``dual_value`` takes it.

    References
    ----------
    Polyak, Minimization of unsmooth functionals, 1969; Camerini, Fratta, Maffioli, On improving relaxation
    methods by modified gradient techniques, Mathematical Programming Study 3, 1975; Barahona, Anbil, The
    volume algorithm, Mathematical Programming 87, 2000 (averages of the choices).
    """
    ceilings = priced.rows.ceilings
    prices = best_prices = priced.rows.first_prices if prices is None else prices
    least = mark = np.inf
    direction = np.zeros_like(prices)
    shares: FloatArray | None = None
    step, waited = steps.first, 0
    while step > steps.last:
        value, slope, holds = priced.dual_value(prices, status)
        shares = holds.astype(np.float64) if shares is None else MEMORY * shares + (1 - MEMORY) * holds
        if value < least:
            least, best_prices = value, prices
        yield PricedBound(least, best_prices, holds, shares)
        waited += 1
        if least < mark * (1 - steps.progress):
            mark, waited = least, 0
        if waited > steps.patience:
            step, waited = step * SHORTER, 0
            prices, direction = best_prices, np.zeros_like(prices)
            continue
        excess = value - best_saving()
        if excess <= 0:
            return
        moved = _moved(prices, slope, direction, step * excess, ceilings)
        if moved is None:
            return
        prices, direction = moved


@compiled
def _moved(
    prices: FloatArray, slope: FloatArray, direction: FloatArray, excess: float, ceilings: FloatArray
) -> tuple[FloatArray, FloatArray] | None:
    """Prices after a step by which the value would fall by ``excess`` along the new direction, and it.

    None where the direction is 0. Prices do not leave [0, ceilings], nor does the direction point out of it
    more than the last one did.
    """
    turned, moved = np.empty(len(prices)), np.empty(len(prices))
    length = 0.0
    for r in range(len(prices)):
        turned[r] = DEFLECTION * direction[r]
        outward = (prices[r] <= 0 and slope[r] > 0) or (prices[r] >= ceilings[r] and slope[r] < 0)
        if not outward:
            turned[r] += (1 - DEFLECTION) * slope[r]
        length += turned[r] * turned[r]
    if length <= 0:
        return None
    for r in range(len(prices)):
        moved[r] = min(max(prices[r] - excess / length * turned[r], 0.0), ceilings[r])
    return moved, turned
