"""Mutations of a small instance: one rate, latency, capacity, group, expert, layer, model, server or user."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeVar

import numpy as np

from slimbench.bench.attack.draft import EXPERT_BYTES, LATENCIES_S, RATES, Activation, Draft, Limits, rounded

FACTORS: Final = (0.1, 0.5, 0.9, 0.99, 1.01, 1.1, 2.0, 10.0)
UNREACHABLE_SHARE: Final = 0.25  # of changes of an edge latency: in and out of reach
TRIES: Final = 50

T = TypeVar("T")
Change = Callable[[Draft, np.random.Generator], None]
"""Changes a draft in place; what comes of it may lie outside the limits, or be what it was."""


def mutated(draft: Draft, limits: Limits, rng: np.random.Generator) -> tuple[Draft, str]:
    """A copy with one change that stays within the limits, and the change's name.

    Where no such change is found in ``TRIES`` draws the copy is as it was, and the name is empty.
    """
    names = list(CHANGES)
    for _ in range(TRIES):
        name, changed = names[rng.integers(len(names))], draft.copy()
        CHANGES[name](changed, rng)
        changed.capacities_bytes = [min(room, changed.total_bytes) for room in changed.capacities_bytes]
        if limits.admit(changed) and not _same(changed, draft):
            return changed, name
    return draft.copy(), ""


# Numbers


def _rate(draft: Draft, rng: np.random.Generator) -> None:
    call = _pick(draft.activations, rng)
    call.rate = _other(call.rate, [other.rate for other in draft.activations], RATES, rng)


def _edge_latency(draft: Draft, rng: np.random.Generator) -> None:
    edge = draft.edge_latency_s
    place = tuple(int(rng.integers(size)) for size in edge.shape)
    reachable = [t for t in edge.ravel().tolist() if math.isfinite(t)]
    now = float(edge[place])
    if math.isinf(now):
        edge[place] = _pick(reachable or [LATENCIES_S[0]], rng)
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
    size = _pick(draft.models, rng).expert_bytes
    now = draft.capacities_bytes[n]
    draft.capacities_bytes[n] = _pick(
        [0, now - size, now + size, now - 1, now + 1, size, *draft.capacities_bytes], rng
    )


def _expert_bytes(draft: Draft, rng: np.random.Generator) -> None:
    m = int(rng.integers(len(draft.models)))
    low, high = EXPERT_BYTES
    draft.models[m] = dataclasses.replace(
        draft.models[m], expert_bytes=int(rng.integers(low, high, endpoint=True))
    )


# Activations


def _group(draft: Draft, rng: np.random.Generator) -> None:
    """One expert joins the group, leaves it, or takes another's place."""
    call = _pick(draft.activations, rng)
    model = draft.models[call.model]
    outside = [e for e in range(model.experts_per_layer) if e not in call.experts]
    leaves = len(call.experts) > 1 and rng.random() < 0.5
    joins = bool(outside) and (not leaves or rng.random() < 0.5)
    if joins and not leaves and len(call.experts) == model.top_k:
        leaves = True
    if leaves:
        call.experts.remove(_pick(call.experts, rng))
    if joins:
        call.experts = sorted([*call.experts, _pick(outside, rng)])


def _caller(draft: Draft, rng: np.random.Generator) -> None:
    _pick(draft.activations, rng).user = int(rng.integers(len(draft.cloud_latency_s)))


def _layer(draft: Draft, rng: np.random.Generator) -> None:
    """A call moves to another layer of its model, maybe to one more than there are."""
    call = _pick(draft.activations, rng)
    model = draft.models[call.model]
    call.layer = int(rng.integers(model.layers, endpoint=True))
    if call.layer == model.layers:
        draft.models[call.model] = dataclasses.replace(model, layers=model.layers + 1)


def _more_calls(draft: Draft, rng: np.random.Generator) -> None:
    """A second call like one that there is, by another user or of another group."""
    call = _pick(draft.activations, rng)
    twin = Activation(call.user, call.model, call.layer, list(call.experts), call.rate)
    draft.activations.append(twin)
    twin.user = int(rng.integers(len(draft.cloud_latency_s)))
    free = [e for e in range(draft.models[call.model].experts_per_layer) if e not in call.experts]
    if free and rng.random() < 0.5:
        twin.experts[int(rng.integers(len(twin.experts)))] = _pick(free, rng)
        twin.experts.sort()


def _fewer_calls(draft: Draft, rng: np.random.Generator) -> None:
    del draft.activations[int(rng.integers(len(draft.activations)))]


# Models


def _fewer_experts(draft: Draft, rng: np.random.Generator) -> None:
    """The last expert of every layer of a model goes, and with it the calls that name it."""
    m = int(rng.integers(len(draft.models)))
    left = draft.models[m].experts_per_layer - 1
    if left < draft.models[m].top_k:
        return
    draft.models[m] = dataclasses.replace(draft.models[m], experts_per_layer=left)
    draft.activations = [call for call in draft.activations if call.model != m or left not in call.experts]


def _fewer_layers(draft: Draft, rng: np.random.Generator) -> None:
    m = int(rng.integers(len(draft.models)))
    left = draft.models[m].layers - 1
    if left < 1:
        return
    gone = int(rng.integers(left, endpoint=True))
    draft.models[m] = dataclasses.replace(draft.models[m], layers=left)
    draft.activations = [call for call in draft.activations if (call.model, call.layer) != (m, gone)]
    for call in draft.activations:
        call.layer -= call.model == m and call.layer > gone


def _fewer_models(draft: Draft, rng: np.random.Generator) -> None:
    gone = int(rng.integers(len(draft.models)))
    del draft.models[gone]
    draft.edge_latency_s = np.delete(draft.edge_latency_s, gone, axis=2)
    draft.cloud_latency_s = np.delete(draft.cloud_latency_s, gone, axis=1)
    _drop_calls(draft, "model", gone)


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
    """Two servers change places: ties and successive algorithms go by number."""
    i, j = (int(rng.integers(len(draft.capacities_bytes))) for _ in range(2))
    capacities, edge = draft.capacities_bytes, draft.edge_latency_s
    capacities[i], capacities[j] = capacities[j], capacities[i]
    edge[:, [i, j]] = edge[:, [j, i]]


def _more_users(draft: Draft, rng: np.random.Generator) -> None:
    """A user as far from everything as one that there is, with one call."""
    like = int(rng.integers(len(draft.cloud_latency_s)))
    draft.edge_latency_s = np.append(draft.edge_latency_s, draft.edge_latency_s[[like]], axis=0)
    draft.cloud_latency_s = np.append(draft.cloud_latency_s, draft.cloud_latency_s[[like]], axis=0)
    call = _pick(draft.activations, rng)
    user = len(draft.cloud_latency_s) - 1
    draft.activations.append(Activation(user, call.model, call.layer, list(call.experts), call.rate))


def _fewer_users(draft: Draft, rng: np.random.Generator) -> None:
    gone = int(rng.integers(len(draft.cloud_latency_s)))
    draft.edge_latency_s = np.delete(draft.edge_latency_s, gone, axis=0)
    draft.cloud_latency_s = np.delete(draft.cloud_latency_s, gone, axis=0)
    _drop_calls(draft, "user", gone)


CHANGES: Final[dict[str, Change]] = {
    "rate": _rate,
    "edge latency": _edge_latency,
    "cloud latency": _cloud_latency,
    "capacity": _capacity,
    "expert bytes": _expert_bytes,
    "group": _group,
    "caller": _caller,
    "layer": _layer,
    "more calls": _more_calls,
    "fewer calls": _fewer_calls,
    "fewer experts": _fewer_experts,
    "fewer layers": _fewer_layers,
    "fewer models": _fewer_models,
    "more servers": _more_servers,
    "fewer servers": _fewer_servers,
    "order of servers": _order_of_servers,
    "more users": _more_users,
    "fewer users": _fewer_users,
}


def _drop_calls(draft: Draft, field: Literal["user", "model"], gone: int) -> None:
    """Remove the calls of one user or model, and number the later ones anew."""
    draft.activations = [call for call in draft.activations if getattr(call, field) != gone]
    for call in draft.activations:
        number = getattr(call, field)
        setattr(call, field, number - (number > gone))


def _other(
    value: float, peers: Sequence[float], limits: tuple[float, float], rng: np.random.Generator
) -> float:
    """A multiple of the number, one of its peers (guarantees are tight where there are ties), or an end."""
    kind = rng.integers(4)
    if kind == 0:
        return _pick(list(peers), rng)
    if kind == 1:
        return _pick(list(limits), rng)
    return rounded(value * _pick(list(FACTORS), rng), *limits)


def _pick(values: Sequence[T], rng: np.random.Generator) -> T:
    return values[int(rng.integers(len(values)))]


def _same(a: Draft, b: Draft) -> bool:
    return (
        a.capacities_bytes == b.capacities_bytes
        and a.models == b.models
        and a.activations == b.activations
        and np.array_equal(a.edge_latency_s, b.edge_latency_s)
        and np.array_equal(a.cloud_latency_s, b.cloud_latency_s)
    )
