"""Instances that trip heuristics, and how a solver is run on one in the process of the tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from oracles import plain_saving
from samples import build, random_instance, two_cells, with_fields

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.registry import find_solvers
from slimbench.instances import Dispatch, Instance, Model, Placement

SOLVERS = find_solvers()


def run(name: str, instance: Instance, *, seed: int = 0, **parameters: Any) -> tuple[Placement, SolveContext]:
    """A solver's placement, and the context with what it recorded."""
    context = SolveContext(np.random.default_rng(seed))
    return SOLVERS[name](instance, context, **parameters), context


def run_expired(name: str, instance: Instance, **parameters: Any) -> Placement:
    """A solver's placement when its deadline has passed before it starts."""
    return SOLVERS[name](instance, SolveContext(np.random.default_rng(0), deadline=0.0), **parameters)


def saving_of(name: str, instance: Instance, **parameters: Any) -> float:
    """What a solver's placement saves, by the plain evaluator."""
    return plain_saving(instance, run(name, instance, **parameters)[0])


def guaranteed_ratio(name: str, instance: Instance, context: SolveContext, **given: Any) -> float | None:
    """The bound that a solver declares for this very run."""
    plugin = SOLVERS[name]
    assert plugin.guarantee is not None
    parameters = {p.name: p.default for p in plugin.parameters.values()} | given
    return plugin.guarantee.ratio(instance, parameters, context.figures)


def one_giant(dispatch: Dispatch) -> Instance:
    """An expert that fills a server and saves little a byte, beside small ones that never save as much."""
    models = [Model("giant", 1, 1, 1, 100), Model("small", 1, 3, 2, 1)]
    return build(
        dispatch=dispatch,
        capacities=[100, 99],
        models=models,
        edge=[[[0.01, 0.01], [0.02, 0.02]]],
        cloud=[[0.1, 0.1]],
        activations=[(0, 0, 0, (0,), 1.0), (0, 1, 0, (0,), 0.02), (0, 1, 0, (1, 2), 0.02)],
    )


def twins(dispatch: Dispatch) -> Instance:
    """Three servers that nothing tells apart."""
    instance = random_instance(3, dispatch=dispatch, unreachable=0.0, on_device=0.3)
    first = np.repeat(instance.edge_latency_s[:, :1], instance.n_servers, axis=1)
    return with_fields(instance, edge_latency_s=first, capacities_bytes=np.full(3, 2))


def all_tied(dispatch: Dispatch) -> Instance:
    """Every server, user, group and expert is worth the same."""
    calls = [(u, 0, 0, group, 0.5) for u in range(2) for group in [(0, 1), (2, 3), (0,), (1,), (2,), (3,)]]
    return build(
        dispatch=dispatch,
        capacities=[2, 2],
        models=[Model("m", 1, 4, 2, 1)],
        edge=np.full((2, 2, 1), 0.0625),
        cloud=np.full((2, 1), 0.125),
        activations=calls,
    )


def far_server(dispatch: Dispatch) -> Instance:
    """The first server, the roomiest, reaches no one."""
    instance = random_instance(5, dispatch=dispatch, on_device=0.3)
    edge = instance.edge_latency_s.copy()
    edge[:, 0] = np.inf
    return with_fields(instance, edge_latency_s=edge, capacities_bytes=np.array([5, 2, 2]))


def silent(dispatch: Dispatch) -> Instance:
    """No activations."""
    model = Model("m", layers=2, experts_per_layer=3, top_k=2, expert_bytes=1)
    edge, cloud = np.full((1, 2, 1), 0.1), [[0.2]]
    return build(dispatch=dispatch, capacities=[1, 2], models=[model], edge=edge, cloud=cloud, activations=[])


ADVERSARIAL: dict[str, Callable[[Dispatch], Instance]] = {
    "zero marginals": lambda d: random_instance(1, dispatch=d, top_k=2),
    "groups of three": lambda d: random_instance(2, dispatch=d, top_k=3, capacity=0.7),
    "ties": all_tied,
    "a giant": one_giant,
    "no room": lambda d: with_fields(two_cells(d), capacities_bytes=np.zeros(2, np.int64)),
    "room for all": lambda d: with_fields(
        random_instance(4, dispatch=d), capacities_bytes=np.full(3, 10**15)
    ),
    "identical servers": twins,
    "a server that reaches no one": far_server,
    "no activations": silent,
    "no calls": lambda d: with_fields(two_cells(d), rates=np.zeros(3)),
    "everything slower than the cloud": lambda d: with_fields(
        two_cells(d), cloud_latency_s=np.full((2, 1), 0.001)
    ),
    "three sizes": lambda d: random_instance(
        6, dispatch=d, servers=2, models=3, experts=3, equal_sizes=False, capacity=0.4, on_device=0.4
    ),
    "one expert a group": lambda d: random_instance(7, dispatch=d, top_k=1),
    "sizes without a common divisor": lambda d: with_fields(
        random_instance(8, dispatch=d, servers=2, models=2, experts=3, on_device=0.4),
        models=[Model("a", 1, 3, 2, 1_000_003), Model("b", 1, 3, 2, 999_983)],
        capacities_bytes=np.array([2_000_006 + 999_983, 2_000_005]),
    ),
}
