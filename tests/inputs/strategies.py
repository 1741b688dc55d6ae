"""Hypothesis strategies: instances, placements, and both together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from samples import build, with_fields

from slimbench.instances import DISPATCHES, Dispatch, Instance, Model, Placement

_TIMES = st.sampled_from([0.0, 0.01, 0.02, 0.05, 0.1]) | st.floats(0, 0.2, allow_subnormal=False)
_METRES = st.sampled_from([0.0, -1e9, 1e9]) | st.floats(-1e9, 1e9)
_RATES = st.sampled_from([0.0, 0.25, 1.0]) | st.floats(0, 2, allow_subnormal=False)


@st.composite
def instances(
    draw: st.DrawFn,
    *,
    dispatches: Sequence[Dispatch] = DISPATCHES,
    max_servers: int = 3,
    max_users: int = 3,
    max_models: int = 2,
    max_layers: int = 2,
    max_experts: int = 4,
    max_top_k: int = 3,
    max_activations: int = 6,
) -> Instance:
    """Small valid instances with the awkward cases in them.

    Ties and zeros in latencies, unreachable servers and ones slower than the cloud, zero rates, empty servers
    and ones with room for all, repeated (user, group) pairs, no activations at all, positions of servers or
    users that are known or not.
    """
    n_servers, n_users = draw(st.integers(1, max_servers)), draw(st.integers(1, max_users))
    models = []
    for m in range(draw(st.integers(1, max_models))):
        experts = draw(st.integers(1, max_experts))
        top_k = draw(st.integers(1, min(max_top_k, experts)))
        layers, size = draw(st.integers(1, max_layers)), draw(st.integers(1, 3))
        models.append(Model(f"m{m}", layers, experts, top_k, size))
    total = sum(m.layers * m.experts_per_layer * m.expert_bytes for m in models)

    @st.composite
    def activation(draw: st.DrawFn) -> tuple[int, int, int, list[int], float]:
        user, m = draw(st.integers(0, n_users - 1)), draw(st.integers(0, len(models) - 1))
        layer = draw(st.integers(0, models[m].layers - 1))
        indices = st.integers(0, models[m].experts_per_layer - 1)
        group = draw(st.lists(indices, min_size=1, max_size=models[m].top_k, unique=True))
        return user, m, layer, group, draw(_RATES)

    def table(cell: st.SearchStrategy[float], *shape: int) -> np.ndarray:
        count = math.prod(shape)
        return np.reshape(draw(st.lists(cell, min_size=count, max_size=count)), shape)

    capacity = st.sampled_from([0, total]) | st.integers(0, total)
    instance = build(
        dispatch=draw(st.sampled_from(list(dispatches))),
        capacities=draw(st.lists(capacity, min_size=n_servers, max_size=n_servers)),
        models=models,
        edge=table(_TIMES | st.just(math.inf), n_users, n_servers, len(models)),
        cloud=table(_TIMES, n_users, len(models)),
        activations=draw(st.lists(activation(), max_size=max_activations)),
        base=draw(st.sampled_from([0.0, 0.5])),
        name=draw(st.sampled_from(["test", "", "naïve 測試"])),
    )
    positions_m = {
        field: table(_METRES, count, 2)
        for field, count in (("server_positions_m", n_servers), ("user_positions_m", n_users))
        if draw(st.booleans())
    }
    return with_fields(instance, **positions_m)


@st.composite
def placements(draw: st.DrawFn, instance: Instance, *, feasible: bool = False) -> Placement:
    """Any set of experts on each server; with ``feasible``, only as many as there is room for."""
    shape = (instance.n_servers, instance.n_experts)
    count = math.prod(shape)
    holds = np.reshape(draw(st.lists(st.booleans(), min_size=count, max_size=count)), shape).astype(np.bool_)
    if feasible:
        for row, capacity in zip(holds, instance.capacities_bytes, strict=True):
            row[np.cumsum(row * instance.expert_bytes) > capacity] = False
    return Placement(holds)


@st.composite
def placed_instances(
    draw: st.DrawFn, *, dispatches: Sequence[Dispatch] = DISPATCHES, feasible: bool = False
) -> tuple[Instance, Placement]:
    """An instance together with a placement of it."""
    instance = draw(instances(dispatches=dispatches))
    return instance, draw(placements(instance, feasible=feasible))
