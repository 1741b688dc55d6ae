"""The Lagrangian dual and the subgradient method: a proven bound, and placements that servers choose.

Every relaxed row r of the form ``cover`` has a multiplier mu[r] >= 0. Then

    L(mu) = sum over r of max(reward[r] - mu[r], 0) + sum over subproblems of the most that each can save,

(subproblems of servers, of unions of servers, and of groups: ``group_patterns``)

where multipliers are weights of the subproblems' AND-terms, bounds the optimal saving from above for every mu
(docs/MODEL.md, section 7). Each maximum is the one-server subproblem over integer caches, so the least L(mu)
is never above the linear relaxation's bound, and far below it where groups are large.

It is a bound in floating point, too: whatever multipliers are computed, L bounds the saving at them, and is
a sum of numbers >= 0. Each maximum is ``raised`` by what its sums may be off, and so is
their sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from slimbench.formulations.lagrangian.group_patterns import best_patterns
from slimbench.formulations.lagrangian.relaxation import Relaxation
from slimbench.formulations.lagrangian.subproblem import SubproblemSolver
from slimbench.formulations.tolerances import raised
from slimbench.instances import Instance
from slimbench.instances.kernels import compiled
from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray

DEFLECTION: Final = 0.7  # weight of the last direction in the next one
SHORTER: Final = 0.7  # factor of the step where it does not help any more
PAIRWISE: Final = 128  # additions that a summand of NumPy's sum takes part in, at most
MEMORY: Final = 0.95  # weight of the earlier choices in their average


@dataclass(frozen=True)
class Steps:
    """How long the subgradient method goes on.

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
class DualBound:
    """What the subgradient method has found so far.

    Attributes
    ----------
    bound_s : float
        Proven: no placement saves more, seconds per token.
    multipliers : (R,) float64
        Those that prove it.
    holds : (N, X) bool
        The caches that the servers chose under the current multipliers, a feasible placement.
    shares : (N, X) float64
        How often each server has chosen each expert, recent choices counting most: close to a solution of
        the relaxation that the multipliers are the dual of.
    """

    bound_s: float
    multipliers: FloatArray
    holds: BoolArray
    shares: FloatArray


class LagrangianDual:
    """The function L of the multipliers.

    Parameters
    ----------
    max_exact_experts : int
        Layers that name more in groups are bounded by a split instead of being enumerated.
    """

    def __init__(self, instance: Instance, relaxation: Relaxation, max_exact_experts: int) -> None:
        self.instance, self.relaxation = instance, relaxation
        groups_vary = relaxation.patterns is not None
        self.solvers = tuple(
            SubproblemSolver(instance, subproblem, max_exact_experts, groups_vary=groups_vary)
            for subproblem in relaxation.subproblems
        )
        self._nothing_forced = np.zeros(instance.n_experts, np.int64)

    @property
    def can_force(self) -> bool:
        """Whether all subproblems are solved exactly with experts forced in or out."""
        return all(solver.can_force for solver in self.solvers)

    def value(
        self, multipliers: FloatArray, status: IntArray | None = None
    ) -> tuple[float, FloatArray, BoolArray]:
        """L(multipliers) or a little more, a subgradient (R,), and the caches (N, X) that servers choose.

        Parameters
        ----------
        multipliers : (R,) float64, >= 0
        status : (N, X) int64, optional
            Experts that servers must hold (``ALWAYS``) or must not (``NEVER``); L is then a bound on the
            placements that agree, -inf where none is feasible.
        """
        rewards = self.relaxation.rewards
        value = float(np.maximum(rewards - multipliers, 0.0).sum())
        subgradient = np.where(rewards > multipliers, -1.0, 0.0)
        if self.relaxation.patterns is not None:
            value += float(best_patterns(self.relaxation.patterns, multipliers, subgradient).sum())
        holds = np.zeros((self.instance.n_servers, self.instance.n_experts), np.bool_)
        together = np.zeros(self.instance.n_experts, np.bool_)
        for b, solver in enumerate(self.solvers):
            server = b < len(holds)
            forced = status[b] if server and status is not None else self._nothing_forced
            value += solver.best(multipliers, forced, subgradient, holds[b] if server else together)
        if value > -np.inf:
            value = raised(value, value, 2 * PAIRWISE + len(self.solvers))
        return value, subgradient, holds

    def subproblem_value(self, b: int, multipliers: FloatArray) -> float:
        """A bound on what subproblem ``b`` can save under multipliers (R,), seconds per token."""
        cached = np.zeros(self.instance.n_experts, np.bool_)
        return self.solvers[b].best(multipliers, self._nothing_forced, np.zeros_like(multipliers), cached)


def run_subgradient(
    dual: LagrangianDual,
    best_saving: Callable[[], float],
    multipliers: FloatArray | None = None,
    status: IntArray | None = None,
    steps: Steps = Steps(),
) -> Iterator[DualBound]:
    """Lower the bound step by step; ends when the steps have become too short to matter.

    Deflected subgradients with Polyak steps towards the best known saving,

        d' = 0.7 d + 0.3 g,    mu' = mu - step * (L(mu) - best) / |d'|^2 * d',

    restarted from the best multipliers with shorter steps where they stop helping.

    Parameters
    ----------
    best_saving : callable
        Seconds per token of the best placement known so far; ends when the bound is not above it.
    multipliers : (R,) float64, optional
        To start from.
    status : (N, X) int64, optional
        As ``LagrangianDual.value`` takes it.

    References
    ----------
    Polyak, Minimization of unsmooth functionals, 1969; Camerini, Fratta, Maffioli, On improving relaxation
    methods by modified gradient techniques, Mathematical Programming Study 3, 1975; Barahona, Anbil, The
    volume algorithm, Mathematical Programming 87, 2000 (averages of the choices).
    """
    bounds = dual.relaxation.multiplier_bounds
    multipliers = best = dual.relaxation.first_multipliers if multipliers is None else multipliers
    least = mark = np.inf
    direction = np.zeros_like(multipliers)
    shares: FloatArray | None = None
    step, waited = steps.first, 0
    while step > steps.last:
        value, subgradient, holds = dual.value(multipliers, status)
        shares = holds.astype(np.float64) if shares is None else MEMORY * shares + (1 - MEMORY) * holds
        if value < least:
            least, best = value, multipliers
        yield DualBound(least, best, holds, shares)
        waited += 1
        if least < mark * (1 - steps.progress):
            mark, waited = least, 0
        if waited > steps.patience:
            step, waited = step * SHORTER, 0
            multipliers, direction = best, np.zeros_like(multipliers)
            continue
        excess = value - best_saving()
        if excess <= 0:
            return
        moved = _moved(multipliers, subgradient, direction, step * excess, bounds)
        if moved is None:
            return
        multipliers, direction = moved


@compiled
def _moved(
    multipliers: FloatArray,
    subgradient: FloatArray,
    direction: FloatArray,
    excess: float,
    bounds: FloatArray,
) -> tuple[FloatArray, FloatArray] | None:
    """Multipliers after a step by which the value would fall by ``excess`` along the new direction, and it.

    None where the direction is 0. Multipliers do not leave [0, bounds], nor does the direction point out of
    it more than the last one did.
    """
    turned, moved = np.empty(len(multipliers)), np.empty(len(multipliers))
    length = 0.0
    for r in range(len(multipliers)):
        turned[r] = DEFLECTION * direction[r]
        outward = (multipliers[r] <= 0 and subgradient[r] > 0) or (
            multipliers[r] >= bounds[r] and subgradient[r] < 0
        )
        if not outward:
            turned[r] += (1 - DEFLECTION) * subgradient[r]
        length += turned[r] * turned[r]
    if length <= 0:
        return None
    for r in range(len(multipliers)):
        moved[r] = min(max(multipliers[r] - excess / length * turned[r], 0.0), bounds[r])
    return moved, turned
