"""What is told of a shipped trace: which experts are called, and how that differs between kinds of text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from slimbench.instances.problem.arrays import FloatArray
from slimbench.instances.problem.instance import Model
from slimbench.instances.traces.traces import read_trace

DECIMALS = 3


def expert_loads(trace: Path, model: Model) -> tuple[FloatArray, tuple[str, ...]]:
    """(users, layers, experts) float64, shares of a user's calls in a layer, and the users' names."""
    activations, users = read_trace(trace, [model])
    loads = np.zeros((len(users), model.layers, model.experts_per_layer))
    sizes = np.diff(activations.group_offsets)
    users_of, layers_of = np.repeat(activations.users, sizes), np.repeat(activations.layers, sizes)
    cells = np.ravel_multi_index((users_of, layers_of, activations.group_indices), loads.shape)
    np.add.at(loads.reshape(-1), cells, np.repeat(activations.rates, sizes))
    return loads / loads.sum(axis=2, keepdims=True), users


def distances(loads: FloatArray, kinds: Sequence[str]) -> tuple[float, float]:
    """Mean total-variation distance of two users' expert loads: of users of one kind, and of different kinds.

    TV(p, q) = sum |p - q| / 2: the share of calls that would have to go elsewhere.
    """
    within: list[float] = []
    between: list[float] = []
    for u, v in combinations(range(len(kinds)), 2):
        distance = float(np.abs(loads[u] - loads[v]).sum(axis=1).mean() / 2)
        (within if kinds[u] == kinds[v] else between).append(distance)
    return float(np.mean(within)), float(np.mean(between))


def most_called(loads: FloatArray) -> float:
    """Share of the most called expert of a layer, mean over users and layers."""
    return float(loads.max(axis=2).mean())


def load_figures(trace: Path, model: Model) -> dict[str, object]:
    """What the README of the data tells of a trace's loads; users are named ``kind-number``."""
    loads, users = expert_loads(trace, model)
    kinds = [user.rpartition("-")[0] for user in users]
    within, between = distances(loads, kinds)
    rows = {kind: [u for u, other in enumerate(kinds) if other == kind] for kind in dict.fromkeys(kinds)}
    return {
        "distance_within_kinds": round(within, DECIMALS),
        "distance_between_kinds": round(between, DECIMALS),
        "most_called": {kind: round(most_called(loads[users_]), DECIMALS) for kind, users_ in rows.items()},
    }
