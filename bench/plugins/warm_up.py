"""Warm-up of compiled solvers before the clock starts, so that compile time is not measured."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import numpy as np

from slimbench.bench.plugins.context import SolveContext
from slimbench.bench.plugins.plugin import Call, PluginError
from slimbench.formulations import SolverError
from slimbench.instances import DISPATCHES, Dispatch, Instance, Model, Placement
from slimbench.instances.kernels import on_first_compilation

WIDTHS: Final = (8, 16, 18)  # experts of a layer: in the last too many for solvers that enumerate up to 16
PATIENCE_S: Final = 0.2  # a solver that improves without end has run its kernels by then

_warm: set[tuple[str, Dispatch, int]] = set()  # labels of calls, with a dispatch and a width


class Shape(msgspec.Struct, frozen=True):
    """The properties of an instance that decide which kernels a solver needs."""

    dispatch: Dispatch
    widest_layer: int

    @classmethod
    def of(cls, instance: Instance) -> Shape:
        """Return the shape of an instance."""
        return cls(instance.dispatch, max(model.experts_per_layer for model in instance.models))


def warm_up(call: Call, shape: Shape | None = None) -> None:
    """Run a compiled solver on tiny instances of a shape, or of every dispatch with few and many experts.

    A solver may enumerate layers up to some number of experts, so besides an instance of three experts a
    layer there is one about as wide as the shape. Done once in a process and those that it forks. Errors of
    a solver are ignored here; the real run reports them.
    """
    dispatches = DISPATCHES if shape is None else (shape.dispatch,)
    width = next((w for w in WIDTHS if shape is not None and w >= shape.widest_layer), WIDTHS[-1])
    cold = [dispatch for dispatch in dispatches if (call.label, dispatch, width) not in _warm]
    if not call.solver.compiled or not cold:
        return

    def say() -> None:
        sys.stderr.write(f"slimbench: compiling {call.solver.name}, once on this machine\n")

    with on_first_compilation(say):
        for dispatch in cold:
            _warm.add((call.label, dispatch, width))
            for instance in (tiny_instance(dispatch), wide_instance(dispatch, width)):
                context = SolveContext(np.random.default_rng(0), deadline=time.monotonic() + PATIENCE_S)
                with contextlib.suppress(SolverError, PluginError):
                    call.solver(instance, context, **call.parameters)


def run_on_tiny_instances(function: Callable[..., Placement], parameters: Mapping[str, Any]) -> None:
    """Run a solver's function on a tiny instance of every dispatch."""
    for dispatch in DISPATCHES:
        function(tiny_instance(dispatch), SolveContext(np.random.default_rng(0)), **parameters)


def tiny_instance(dispatch: Dispatch) -> Instance:
    """Two servers, two users, two layers of three experts."""
    model = Model("tiny", layers=2, experts_per_layer=3, top_k=2, expert_bytes=1)
    calls = [(0, 0, 0.5, [0, 1]), (0, 0, 0.2, [2]), (1, 0, 0.4, [1, 2]), (1, 1, 0.1, [0, 2])]
    return _instance(dispatch, model, calls)


def wide_instance(dispatch: Dispatch, width: int) -> Instance:
    """The same servers and users with one layer of ``width`` experts, called in pairs of neighbours."""
    model = Model("wide", layers=1, experts_per_layer=width, top_k=2, expert_bytes=1)
    return _instance(dispatch, model, [(e % 2, 0, 1 / (e + 1), [e, (e + 1) % width]) for e in range(width)])


def _instance(dispatch: Dispatch, model: Model, calls: list[tuple[int, int, float, list[int]]]) -> Instance:
    """Two servers and two users; each call is user, layer, rate and group."""
    users, layers, rates, groups = zip(*calls, strict=True)
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
        activation_models=np.zeros(len(calls), np.int64),
        activation_layers=np.array(layers),
        rates=np.array(rates),
        group_offsets=np.cumsum([0, *map(len, groups)]),
        group_indices=np.concatenate(groups),
    )
