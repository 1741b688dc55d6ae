"""Running compiled solvers before any clock starts: compile time is not the solver's."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from slimbench.bench.context import SolveContext
from slimbench.bench.plugin import Call, PluginError
from slimbench.formulations import SolverError
from slimbench.instances import DISPATCHES, Dispatch, Instance, Model, Placement
from slimbench.instances.kernels import on_first_compilation

WIDE_EXPERTS: Final = 18  # in one layer: enumerated by some solvers, too many for others
PATIENCE_S: Final = 0.2  # a solver that improves without end has run its kernels by then

_warm: set[str] = set()  # labels of calls


def warm_up(call: Call) -> None:
    """Run a compiled solver on tiny instances of every dispatch, with few and with many experts a layer.

    Once in a process and those that it forks. Refusals are the real run's to report.
    """
    if not call.solver.compiled or call.label in _warm:
        return
    _warm.add(call.label)

    def say() -> None:
        sys.stderr.write(f"slimbench: compiling {call.solver.name}, once on this machine\n")

    with on_first_compilation(say):
        for dispatch in DISPATCHES:
            for instance in (tiny_instance(dispatch), wide_instance(dispatch)):
                context = SolveContext(np.random.default_rng(0), deadline=time.monotonic() + PATIENCE_S)
                with contextlib.suppress(SolverError, PluginError):
                    call.solver(instance, context, **call.parameters)


def run_on_tiny_instances(function: Callable[..., Placement], parameters: Mapping[str, Any]) -> None:
    """Run a solver's function on a tiny instance of every dispatch."""
    for dispatch in DISPATCHES:
        function(tiny_instance(dispatch), SolveContext(np.random.default_rng(0)), **parameters)


def tiny_instance(dispatch: Dispatch) -> Instance:
    """Two servers, two users, two layers of three experts."""
    return _instance(
        dispatch,
        Model("tiny", layers=2, experts_per_layer=3, top_k=2, expert_bytes=1),
        users=[0, 0, 1, 1],
        layers=[0, 0, 0, 1],
        rates=[0.5, 0.2, 0.4, 0.1],
        groups=[[0, 1], [2], [1, 2], [0, 2]],
    )


def wide_instance(dispatch: Dispatch) -> Instance:
    """The same servers and users with one layer of 18 experts, called in pairs of neighbours."""
    pairs = [[e, (e + 1) % WIDE_EXPERTS] for e in range(WIDE_EXPERTS)]
    return _instance(
        dispatch,
        Model("wide", layers=1, experts_per_layer=WIDE_EXPERTS, top_k=2, expert_bytes=1),
        users=[e % 2 for e in range(WIDE_EXPERTS)],
        layers=[0] * WIDE_EXPERTS,
        rates=[1 / (e + 1) for e in range(WIDE_EXPERTS)],
        groups=pairs,
    )


def _instance(
    dispatch: Dispatch,
    model: Model,
    users: list[int],
    layers: list[int],
    rates: list[float],
    groups: list[list[int]],
) -> Instance:
    return Instance(
        name=model.name,
        dispatch=dispatch,
        base_latency_s=0.0,
        server_names=("edge-0", "edge-1"),
        capacities_bytes=np.array([2, 1]),
        models=(model,),
        user_names=("u0", "u1"),
        edge_latency_s=np.array([[[0.01], [0.03]], [[0.02], [np.inf]]]),
        cloud_latency_s=np.array([[0.10], [0.10]]),
        activation_users=np.array(users),
        activation_models=np.zeros(len(users), np.int64),
        activation_layers=np.array(layers),
        rates=np.array(rates),
        group_offsets=np.cumsum([0, *map(len, groups)]),
        group_indices=np.concatenate(groups),
    )
