"""Successive decomposition: servers in turn, each filled as well as possible given the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from slimbench.formulations.heuristics.sweep import sweep
from slimbench.formulations.single_server.solve import ServerCache
from slimbench.formulations.terms.and_terms import AndTerms, and_terms
from slimbench.instances import Instance, Placement
from slimbench.instances.problem.arrays import FloatArray

BestCache = Callable[[Instance, AndTerms, int], ServerCache]
"""Solves one server's subproblem: (instance, terms, capacity in bytes) -> cache."""


@dataclass(frozen=True)
class Decomposition:
    """A placement made server by server.

    Attributes
    ----------
    placement : Placement
    alpha : float
        Worst proven quality, saving / bound, of the subproblems; 1 when all were solved exactly, 0 when
        the deadline left a server empty.
    """

    placement: Placement
    alpha: float


def fill_servers(
    instance: Instance, best_cache: BestCache, expired: Callable[[], bool] = lambda: False
) -> Decomposition:
    """Fill the servers in their order, each given the ones before it; stop where ``expired()``.

    N subproblems. With each solved within alpha of its optimum the saving is at least alpha / (1 + alpha) of
    the optimum for ``single``, ``serial`` and K = 1 (docs/MODEL.md, fact 4), and for ``parallel`` there is
    no such constant (fact 5).

    References
    ----------
    Fisher, Nemhauser, Wolsey, An analysis of approximations for maximizing submodular set functions II,
    Mathematical Programming Study 8, 1978. Goundan, Schulz, Revisiting the greedy approach to submodular set
    function maximization, 2007.
    """
    holds = np.zeros((instance.n_servers, instance.n_experts), np.bool_)
    alpha = 1.0
    for n, capacity in enumerate(instance.capacities_bytes.tolist()):
        if expired():
            return Decomposition(Placement(holds), 0.0)
        cache = best_cache(instance, and_terms(instance, holds, n), capacity)
        holds[n] = cache.cached
        if cache.bound_s > 0:
            alpha = min(alpha, cache.saving_s / cache.bound_s)
    return Decomposition(Placement(holds), alpha)


def sweep_servers(
    instance: Instance,
    start: Placement,
    best_cache: BestCache,
    on_improvement: Callable[[Placement], None] = lambda _: None,
    expired: Callable[[], bool] = lambda: False,
    servers: Sequence[int] | None = None,
    prices: FloatArray | None = None,
) -> Placement:
    """Re-optimise servers in turn, given all others, until a whole round improves none of them.

    The objective is  saving(X) - sum over n, e of prices[n, e] x[n, e].  Never worse than ``start``: a
    server's cache is replaced only by one of larger marginal objective. Ends in a local optimum (``sweep``);
    there is no useful bound on the number of rounds.

    Parameters
    ----------
    servers : sequence of int, optional
        Those that may change; all by default.
    prices : (N, X) float64, seconds per token, >= 0, optional
        Of caching an expert; a server's subproblem remains one over AND-terms.
    """
    holds = start.holds.copy()
    turn = range(instance.n_servers) if servers is None else servers

    def improves(move: int) -> bool:
        n = turn[move]
        terms = and_terms(instance, holds, n)
        if prices is not None:
            terms = terms.priced(instance.expert_layers, prices[n], holds[n])
        cached = best_cache(instance, terms, int(instance.capacities_bytes[n])).cached
        if not terms.improves(holds[n], cached):
            return False
        holds[n] = cached
        on_improvement(Placement(holds))
        return True

    sweep(len(turn), improves, expired, settles=True)
    return Placement(holds)
