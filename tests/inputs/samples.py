"""Instances to test on: the documented example, random ones, and one like another but for some fields."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from slimbench.instances import Dispatch, Instance, Model


def build(
    *,
    dispatch: Dispatch,
    capacities: Sequence[int],
    models: Sequence[Model],
    edge: object,
    cloud: object,
    activations: Sequence[tuple[int, int, int, Sequence[int], float]],
    base: float = 0.0,
    name: str = "test",
) -> Instance:
    """An instance from (user, model, layer, experts, rate) rows, with servers s0.. and users u0.."""
    cloud_latency = np.asarray(cloud, np.float64)
    groups = [row[3] for row in activations]
    return Instance(
        name=name,
        dispatch=dispatch,
        base_latency_s=base,
        server_names=tuple(f"s{n}" for n in range(len(capacities))),
        capacities_bytes=np.array(capacities, np.int64),
        models=tuple(models),
        user_names=tuple(f"u{u}" for u in range(len(cloud_latency))),
        edge_latency_s=np.asarray(edge, np.float64),
        cloud_latency_s=cloud_latency,
        activation_users=np.array([row[0] for row in activations], np.int32),
        activation_models=np.array([row[1] for row in activations], np.int32),
        activation_layers=np.array([row[2] for row in activations], np.int32),
        rates=np.array([row[4] for row in activations], np.float64),
        group_offsets=np.cumsum([0, *map(len, groups)]),
        group_indices=np.array([e for g in groups for e in g], np.int32),
    )


def two_cells(dispatch: Dispatch = "single") -> Instance:
    """The example of docs/FILES.md: two servers, three experts, two users."""
    instance = build(
        dispatch=dispatch,
        capacities=(2, 1),
        models=[Model("toy", layers=1, experts_per_layer=3, top_k=2, expert_bytes=1)],
        edge=[[[0.01], [0.03]], [[0.02], [math.inf]]],
        cloud=[[0.10], [0.10]],
        activations=[(0, 0, 0, (0, 1), 0.5), (0, 0, 0, (2,), 0.2), (1, 0, 0, (1, 2), 0.4)],
    )
    return with_fields(instance, name="two-cells", server_names=("edge-0", "edge-1"))


TWO_CELLS_OPTIMA_S = {"single": 0.051, "parallel": 0.025, "serial": 0.038}  # latency, by hand
TWO_CELLS = {
    "format": "slimbench.instance", "version": 1, "name": "two-cells", "dispatch": "single",
    "base_latency_s": 0.0,
    "servers": [{"name": "edge-0", "capacity_bytes": 2}, {"name": "edge-1", "capacity_bytes": 1}],
    "models": [{"name": "toy", "layers": 1, "experts_per_layer": 3, "top_k": 2, "expert_bytes": 1}],
    "users": [{"name": "u0"}, {"name": "u1"}],
    "edge_latency_s": [[[0.01], [0.03]], [[0.02], [None]]],
    "cloud_latency_s": [[0.10], [0.10]],
    "activations": [
        {"user": 0, "model": 0, "layer": 0, "experts": [0, 1], "rate": 0.5},
        {"user": 0, "model": 0, "layer": 0, "experts": [2], "rate": 0.2},
        {"user": 1, "model": 0, "layer": 0, "experts": [1, 2], "rate": 0.4},
    ],
}  # fmt: skip
TWO_CELLS_PLACEMENT = {
    "format": "slimbench.placement", "version": 1, "instance": "two-cells",
    "experts": {"edge-0": [[0, 0, 0], [0, 0, 1]], "edge-1": [[0, 0, 2]]},
}  # fmt: skip


def placed(document: dict[str, Any]) -> dict[str, Any]:
    """A document of two servers and two users, with positions."""
    document = copy.deepcopy(document)
    for holders, positions_m in (("servers", [[0, 0], [120.5, -3]]), ("users", [[10.0, 0.25], [1e-3, 90]])):
        for holder, position_m in zip(document[holders], positions_m, strict=True):
            holder["position_m"] = position_m
    return document


def with_fields(instance: Instance, **changes: object) -> Instance:
    """A copy with some fields replaced (validated again)."""
    fields = {f: getattr(instance, f) for f in Instance.__dataclass_fields__}
    return Instance(**{**fields, **changes})


def random_instance(
    seed: int,
    *,
    dispatch: Dispatch = "single",
    servers: int = 3,
    users: int = 4,
    models: int = 1,
    layers: int = 1,
    experts: int = 5,
    top_k: int = 2,
    groups: int = 3,
    capacity: float = 0.5,
    on_device: float = 0.0,
    unreachable: float = 0.1,
    equal_sizes: bool = True,
    skew: float = 1.0,
    base: float = 0.0,
) -> Instance:
    """A small random instance, the same for the same arguments on every platform.

    Parameters
    ----------
    groups : int
        Groups drawn per user, model and layer; the same group may be drawn twice.
    capacity : float
        Mean room of a server as a share of the bytes of all experts; servers vary by a half around it.
    on_device : float
        Probability that a called expert is held by the device and leaves the group (one always stays).
    unreachable : float
        Probability that a user cannot reach a server. Some reachable ones are slower than the cloud.
    equal_sizes : bool
        One byte an expert; otherwise 2, 3, 4 ... bytes for the models in turn.
    skew : float
        Zipf exponent of the experts' popularity, in an order of each layer's own.
    """
    rng = np.random.default_rng(seed)
    sizes = [1 if equal_sizes else 2 + m for m in range(models)]
    described = [Model(f"m{m}", layers, experts, top_k, size) for m, size in enumerate(sizes)]
    total = layers * experts * sum(sizes)
    edge = rng.uniform(0.01, 0.11, (users, servers, models))
    edge[rng.random((users, servers)) < unreachable] = math.inf
    popularity = 1.0 / np.arange(1, experts + 1) ** skew
    orders = {(m, layer): rng.permutation(experts) for m in range(models) for layer in range(layers)}
    activations = []
    for u, m, layer in itertools.product(range(users), range(models), range(layers)):
        shares = rng.dirichlet(np.ones(groups))
        for share in shares:
            ranks = rng.choice(experts, top_k, replace=False, p=popularity / popularity.sum())
            called = orders[m, layer][ranks]
            left = called[rng.random(top_k) >= on_device]
            activations.append((u, m, layer, (left if left.size else called[:1]).tolist(), float(share)))
    return build(
        dispatch=dispatch,
        capacities=[round(capacity * total * rng.uniform(0.5, 1.5)) for _ in range(servers)],
        models=described,
        edge=edge,
        cloud=rng.uniform(0.06, 0.1, (users, models)),
        activations=activations,
        base=base,
        name=f"random-{seed}",
    )


def assert_same(a: Instance, b: Instance) -> None:
    """Equal to the last bit of every array."""
    for field in Instance.__dataclass_fields__:
        left, right = getattr(a, field), getattr(b, field)
        if isinstance(left, np.ndarray):
            assert (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes())
        else:
            assert left == right
    assert a.sha256 == b.sha256
