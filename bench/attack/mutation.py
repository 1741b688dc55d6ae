"""Mutations of a small instance: one rate, latency, capacity, group, expert, layer, model, server or user."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Literal

import numpy as np

from slimbench.bench.attack.draft import EXPERT_BYTES, LATENCIES_S, RATES, Draft, Limits, pick, rounded

FACTORS: Final = (0.1, 0.5, 0.9, 0.99, 1.01, 1.1, 2.0, 10.0)
UNREACHABLE_SHARE: Final = 0.25  # of changes of an edge latency: in and out of reach
TRIES: Final = 50

Change = Callable[[Draft, np.random.Generator], None]
"""Changes a draft in place; the result may be beyond the limits, or the same draft."""


def mutated(draft: Draft, limits: Limits, rng: np.random.Generator) -> Draft:
    """Return a copy with one change that stays within the limits; its name is added to the history.

    If no such change is found in ``TRIES`` draws, the copy is unchanged and the name is empty.
    """
    names = list(CHANGES)
    for _ in range(TRIES):
        name, changed = names[rng.integers(len(names))], draft.copy()
        CHANGES[name](changed, rng)
        changed.capacities_bytes = [min(room, changed.total_bytes) for room in changed.capacities_bytes]
        fields = zip(vars(changed).values(), vars(draft).values(), strict=True)
        if limits.admit(changed) and not all(np.array_equal(new, old) for new, old in fields):
            return replace(changed, history=(*draft.history, name))
    return replace(draft.copy(), history=(*draft.history, ""))


# Numbers


def _rate(draft: Draft, rng: np.random.Generator) -> None:
    call = pick(draft.activations, rng)
    call.rate = _other(call.rate, [other.rate for other in draft.activations], RATES, rng)


def _edge_latency(draft: Draft, rng: np.random.Generator) -> None:
    edge = draft.edge_latency_s
    place = tuple(int(rng.integers(size)) for size in edge.shape)
    reachable = [t for t in edge.ravel().tolist() if math.isfinite(t)]
    now = float(edge[place])
    if math.isinf(now):
        edge[place] = pick(reachable or [LATENCIES_S[0]], rng)
    elif rng.random() < UNREACHABLE_SHARE:
        edge[place] = math.inf
    else:
        edge[place] = _other(now, reachable, LATENCIES_S, rng)


def _cloud_latency(draft: Draft, rng: np.random.Generator) -> None:
    cloud = draft.cloud_latency_s
    place = tuple(int(rng.integers(size)) for size in cloud.shape)
    cloud[place] = _other(float(cloud[place]), cloud.ravel().tolist(), LATENCIES_S, rng)


def _capacity(draft: Draft, rng: np.random.Generator) -> None:
    n = int(rng.integers(len(draft.capacities_bytes)))
    size = pick(draft.models, rng).expert_bytes
    now = draft.capacities_bytes[n]
    others = [0, now - size, now + size, now - 1, now + 1, size, *draft.capacities_bytes]
    draft.capacities_bytes[n] = pick(others, rng)


def _expert_bytes(draft: Draft, rng: np.random.Generator) -> None:
    m = int(rng.integers(len(draft.models)))
    low, high = EXPERT_BYTES
    draft.models[m] = replace(draft.models[m], expert_bytes=int(rng.integers(low, high, endpoint=True)))


# Activations


def _group(draft: Draft, rng: np.random.Generator) -> None:
    """Add an expert to a group, remove one, or exchange one."""
    call = pick(draft.activations, rng)
    model = draft.models[call.model]
    outside = [e for e in range(model.experts_per_layer) if e not in call.experts]
    leaves = len(call.experts) > 1 and rng.random() < 0.5
    joins = bool(outside) and (not leaves or rng.random() < 0.5)
    if leaves or (joins and len(call.experts) == model.top_k):
        call.experts.remove(pick(call.experts, rng))
    if joins:
        call.experts = sorted([*call.experts, pick(outside, rng)])


def _caller(draft: Draft, rng: np.random.Generator) -> None:
    pick(draft.activations, rng).user = int(rng.integers(len(draft.cloud_latency_s)))


def _layer(draft: Draft, rng: np.random.Generator) -> None:
    """Move a call to another layer of its model, which may be a new one."""
    call = pick(draft.activations, rng)
    model = draft.models[call.model]
    call.layer = int(rng.integers(model.layers, endpoint=True))
    if call.layer == model.layers:
        draft.models[call.model] = replace(model, layers=model.layers + 1)


def _more_calls(draft: Draft, rng: np.random.Generator) -> None:
    """Repeat a call for another user, or of another group."""
    call = pick(draft.activations, rng)
    twin = copy.deepcopy(call)
    draft.activations.append(twin)
    twin.user = int(rng.integers(len(draft.cloud_latency_s)))
    free = [e for e in range(draft.models[call.model].experts_per_layer) if e not in call.experts]
    if free and rng.random() < 0.5:
        twin.experts[int(rng.integers(len(twin.experts)))] = pick(free, rng)
        twin.experts.sort()


def _fewer_calls(draft: Draft, rng: np.random.Generator) -> None:
    del draft.activations[int(rng.integers(len(draft.activations)))]


# Models


def _fewer_experts(draft: Draft, rng: np.random.Generator) -> None:
    """Remove the last expert of every layer of a model, with the calls that name it."""
    m = int(rng.integers(len(draft.models)))
    left = draft.models[m].experts_per_layer - 1
    if left >= draft.models[m].top_k:
        draft.models[m] = replace(draft.models[m], experts_per_layer=left)
        draft.activations = [c for c in draft.activations if c.model != m or left not in c.experts]


def _fewer_layers(draft: Draft, rng: np.random.Generator) -> None:
    m = int(rng.integers(len(draft.models)))
    left = draft.models[m].layers - 1
    if left < 1:
        return
    gone = int(rng.integers(left, endpoint=True))
    draft.models[m] = replace(draft.models[m], layers=left)
    draft.activations = [call for call in draft.activations if (call.model, call.layer) != (m, gone)]
    for call in draft.activations:
        call.layer -= call.model == m and call.layer > gone


def _fewer_models(draft: Draft, rng: np.random.Generator) -> None:
    gone = int(rng.integers(len(draft.models)))
    del draft.models[gone]
    _remove(draft, "model", gone)


# Servers and users


def _more_servers(draft: Draft, rng: np.random.Generator) -> None:
    n = len(draft.capacities_bytes)
    like, place = int(rng.integers(n)), int(rng.integers(n, endpoint=True))
    draft.capacities_bytes.insert(place, draft.capacities_bytes[like])
    draft.edge_latency_s = np.insert(draft.edge_latency_s, place, draft.edge_latency_s[:, like], axis=1)


def _fewer_servers(draft: Draft, rng: np.random.Generator) -> None:
    n = int(rng.integers(len(draft.capacities_bytes)))
    del draft.capacities_bytes[n]
    draft.edge_latency_s = np.delete(draft.edge_latency_s, n, axis=1)


def _order_of_servers(draft: Draft, rng: np.random.Generator) -> None:
    """Swap two servers: ties and successive algorithms go by number."""
    i, j = (int(rng.integers(len(draft.capacities_bytes))) for _ in range(2))
    capacities, edge = draft.capacities_bytes, draft.edge_latency_s
    capacities[i], capacities[j] = capacities[j], capacities[i]
    edge[:, [i, j]] = edge[:, [j, i]]


def _more_users(draft: Draft, rng: np.random.Generator) -> None:
    """Add a user with the latencies of another one, and one call."""
    like = int(rng.integers(len(draft.cloud_latency_s)))
    draft.edge_latency_s = np.append(draft.edge_latency_s, draft.edge_latency_s[[like]], axis=0)
    draft.cloud_latency_s = np.append(draft.cloud_latency_s, draft.cloud_latency_s[[like]], axis=0)
    draft.activations.append(copy.deepcopy(pick(draft.activations, rng)))
    draft.activations[-1].user = len(draft.cloud_latency_s) - 1


def _fewer_users(draft: Draft, rng: np.random.Generator) -> None:
    _remove(draft, "user", int(rng.integers(len(draft.cloud_latency_s))))


CHANGES: Final[dict[str, Change]] = {
    change.__name__.replace("_", " ").strip(): change
    for change in (
        _rate, _edge_latency, _cloud_latency, _capacity, _expert_bytes, _group, _caller, _layer, _more_calls,
        _fewer_calls, _fewer_experts, _fewer_layers, _fewer_models, _more_servers, _fewer_servers,
        _order_of_servers, _more_users, _fewer_users,
    )
}  # fmt: skip


def _remove(draft: Draft, field: Literal["user", "model"], gone: int) -> None:
    """Remove the latencies and calls of one user or model, and renumber the later ones."""
    edge_axis, cloud_axis = {"user": (0, 0), "model": (2, 1)}[field]
    draft.edge_latency_s = np.delete(draft.edge_latency_s, gone, edge_axis)
    draft.cloud_latency_s = np.delete(draft.cloud_latency_s, gone, cloud_axis)
    draft.activations = [call for call in draft.activations if getattr(call, field) != gone]
    for call in draft.activations:
        number = getattr(call, field)
        setattr(call, field, number - (number > gone))


def _other(
    value: float, peers: Sequence[float], limits: tuple[float, float], rng: np.random.Generator
) -> float:
    """Return a multiple of the number, one of its peers (guarantees are tight at ties), or an end."""
    kind = rng.integers(4)
    if kind < 2:
        return pick(peers if kind == 0 else limits, rng)
    return rounded(value * pick(FACTORS, rng), *limits)
