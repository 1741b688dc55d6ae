"""Initial instances of an attack: random recipes cut down, scattered numbers, and traps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from slimbench.bench.attack.draft import (
    EXPERT_BYTES,
    LATENCIES_S,
    RATES,
    Activation,
    Draft,
    Limits,
    pick,
    rounded,
)
from slimbench.bench.attack.traps import traps
from slimbench.instances import Dispatch, Instance, Model
from slimbench.instances.generators.generate import Recipe, make_instance
from slimbench.instances.network import Network
from slimbench.instances.problem.arrays import FloatArray
from slimbench.instances.routing.recipe import ZipfRouting

SCATTERED_SHARE: Final = 0.5
UNREACHABLE: Final = 0.3  # probability that a user of a scattered instance cannot reach a server
MODELS: Final = (
    ("mixtral-8x7b",), ("switch-base-8",), ("moe-llava-phi2-2.7b-4e",), ("mixtral-8x7b", "switch-base-8"),
)  # fmt: skip
NETWORKS: Final[Mapping[str, Sequence[float]]] = {
    "area_side_m": (200.0, 400.0, 800.0),
    "coverage_radius_m": (100.0, 200.0, 400.0),
    "backhaul_delay_s": (1e-3, 2e-3, 1e-2, math.inf),
    "cloud_round_trip_s": (0.01, 0.05, 0.09),
    "capacity_share": (0.1, 0.25, 0.4, 0.6),
    "capacity_spread": (0.0, 0.2, 1.0),
}
ROUTINGS: Final[Mapping[str, Sequence[float]]] = {
    "zipf_exponent": (0.0, 0.65, 1.5, 3.0),
    "user_taste": (0.0, 0.3, 1.0),
    "tokens": (2, 4, 16),
    "device_experts": (0, 1),
}
"""Parameters of the generators and the values that they take; servers, users and the seed vary freely."""


# Recipes


def drawn_recipe(dispatch: Dispatch, limits: Limits, rng: np.random.Generator) -> Recipe:
    """Draw all parameters of a recipe."""
    models, layers = pick(MODELS, rng), pick((1, 2), rng)
    network: dict[str, Any] = {name: pick(values, rng) for name, values in NETWORKS.items()}
    routing: dict[str, Any] = {name: pick(values, rng) for name, values in ROUTINGS.items()}
    servers, users, seed = (
        int(rng.integers(1, most, endpoint=True)) for most in (limits.servers, limits.users, 2**16)
    )
    return Recipe(
        name="drawn",
        dispatch=dispatch,
        seed=seed,
        models=models,
        layers=layers,
        network=Network(**network, servers=servers, users=users),
        routing=ZipfRouting(**routing),
    )


def cut_down(instance: Instance, limits: Limits) -> Draft:
    """Keep the first servers, users, models, layers and experts, and the calls of the highest rates.

    Groups lose the experts that are left out. Sizes become small integers, capacities keep their share of
    all bytes, and other numbers are clipped to their ranges.
    """
    unit = min(model.expert_bytes for model in instance.models)
    low, high = EXPERT_BYTES
    models = [
        Model(
            model.name,
            min(model.layers, limits.layers),
            min(model.experts_per_layer, limits.experts),
            min(model.experts_per_layer, limits.top_k),
            min(max(round(model.expert_bytes / unit), low), high),
        )
        for model in instance.models[: limits.models]
    ]
    n, u, m = limits.servers, limits.users, len(models)
    draft = Draft(
        instance.dispatch,
        [],
        models,
        _in_range(instance.edge_latency_s[:u, :n, :m]),
        _in_range(instance.cloud_latency_s[:u, :m]),
        _cut_calls(instance, models, limits),
        ("recipe",),
    )
    shares = instance.capacities_bytes[:n] / instance.expert_bytes.sum()
    draft.capacities_bytes = [math.floor(share * draft.total_bytes) for share in shares]
    return draft


def _cut_calls(instance: Instance, models: list[Model], limits: Limits) -> list[Activation]:
    calls = []
    for a in np.argsort(-instance.rates, kind="stable").tolist():
        user, m = int(instance.activation_users[a]), int(instance.activation_models[a])
        layer = int(instance.activation_layers[a])
        if user >= limits.users or m >= len(models) or layer >= models[m].layers:
            continue
        group = instance.group_indices[instance.group_offsets[a] : instance.group_offsets[a + 1]]
        experts = group[group < models[m].experts_per_layer].tolist()[: models[m].top_k]
        if experts:
            calls.append(Activation(user, m, layer, experts, rounded(float(instance.rates[a]), *RATES)))
    return calls[: limits.activations]


def _in_range(latencies_s: FloatArray) -> FloatArray:
    values = [t if math.isinf(t) else rounded(t, *LATENCIES_S) for t in latencies_s.ravel().tolist()]
    return np.array(values, np.float64).reshape(latencies_s.shape)


# Scattered instances


def scattered(dispatch: Dispatch, limits: Limits, rng: np.random.Generator) -> Draft:
    """Draw an instance as large as the limits allow, with log-uniform rates and latencies."""
    n, u, m = limits.servers, limits.users, int(rng.integers(1, limits.models, endpoint=True))
    low, high = EXPERT_BYTES
    models = [
        Model(f"m{i}", 1, limits.experts, limits.top_k, int(rng.integers(low, high, endpoint=True)))
        for i in range(m)
    ]
    edge = _spread(LATENCIES_S, (u, n, m), rng)
    edge[rng.random((u, n)) < UNREACHABLE] = math.inf
    rates = _spread(RATES, (limits.activations,), rng)
    calls = [
        Activation(
            int(rng.integers(u)),
            int(rng.integers(m)),
            0,
            sorted(rng.permutation(limits.experts)[: rng.integers(1, limits.top_k, endpoint=True)].tolist()),
            float(rate),
        )
        for rate in rates
    ]
    draft = Draft(dispatch, [], models, edge, np.full((u, m), LATENCIES_S[1]), calls, ("scattered",))
    draft.capacities_bytes = rng.integers(draft.total_bytes // 2, size=n, endpoint=True).tolist()
    return draft


def _spread(ends: tuple[float, float], shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    low, high = (math.log(end) for end in ends)
    exponents = rng.uniform(low, high, math.prod(shape))
    return np.array([rounded(float(np.exp(x)), *ends) for x in exponents]).reshape(shape)


# The first generation


def first_starts(dispatch: Dispatch, limits: Limits, rng: np.random.Generator, count: int) -> list[Draft]:
    """Return the traps and ``count`` drawn instances."""
    return [*traps(dispatch, limits), *(drawn_start(dispatch, limits, rng) for _ in range(count))]


def drawn_start(dispatch: Dispatch, limits: Limits, rng: np.random.Generator) -> Draft:
    """Draw an instance of a recipe, cut down to the limits, or a scattered one.

    Half and half: on networks as they are, heuristics that fill servers in turn are nearly always optimal.
    """
    if rng.random() < SCATTERED_SHARE:
        return scattered(dispatch, limits, rng)
    while True:
        draft = cut_down(make_instance(drawn_recipe(dispatch, limits, rng))[0], limits)
        if limits.admit(draft):
            return draft
