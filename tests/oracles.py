"""What the tests hold the package against: a plain second evaluator, brute force, and random instances.

The evaluator and the enumeration are written from the problem statement (docs/MODEL.md, sections 2 and 3)
in loops over sets of (model, layer, index) triples; they use none of the package's evaluation.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from slimbench.instances import DISPATCHES, Dispatch, Instance, Model, Placement

Expert = tuple[int, int, int]  # model, layer, index


# The problem as plain Python


def all_experts(instance: Instance) -> list[Expert]:
    """Every expert, in the order of a placement's columns."""
    return [
        (m, layer, index)
        for m, model in enumerate(instance.models)
        for layer in range(model.layers)
        for index in range(model.experts_per_layer)
    ]


def groups_of(instance: Instance) -> list[list[Expert]]:
    """The experts that each activation calls."""
    groups = []
    for a in range(instance.n_activations):
        model, layer = int(instance.activation_models[a]), int(instance.activation_layers[a])
        first, last = int(instance.group_offsets[a]), int(instance.group_offsets[a + 1])
        groups.append([(model, layer, int(i)) for i in instance.group_indices[first:last]])
    return groups


def stored_experts(instance: Instance, placement: Placement) -> list[set[Expert]]:
    """What each server caches."""
    experts = all_experts(instance)
    return [{experts[e] for e in range(len(experts)) if row[e]} for row in placement.holds]


def plain_activation_latencies(instance: Instance, placement: Placement) -> list[float]:
    """Seconds of each activation, one loop per word of the problem statement."""
    stored = stored_experts(instance, placement)
    latencies = []
    for a, group in enumerate(groups_of(instance)):
        user, model = int(instance.activation_users[a]), int(instance.activation_models[a])
        cloud = float(instance.cloud_latency_s[user, model])

        def fastest(
            wanted: Sequence[Expert], user: int = user, model: int = model, cloud: float = cloud
        ) -> float:
            best = cloud  # the cloud holds everything
            for n, cache in enumerate(stored):
                time = float(instance.edge_latency_s[user, n, model])
                if all(expert in cache for expert in wanted) and time < best:
                    best = time
            return best

        if instance.dispatch == "single":
            latencies.append(fastest(group))
        elif instance.dispatch == "parallel":
            latencies.append(max(fastest([expert]) for expert in group))
        else:
            latencies.append(sum(fastest([expert]) for expert in group))
    return latencies


def plain_latency(instance: Instance, placement: Placement) -> float:
    """Expected seconds per token."""
    latencies = plain_activation_latencies(instance, placement)
    rates = instance.rates.tolist()
    return instance.base_latency_s + math.fsum(r * t for r, t in zip(rates, latencies, strict=True))


def plain_saving(instance: Instance, placement: Placement) -> float:
    """Seconds per token gained over caching nothing."""
    return plain_latency(instance, Placement.empty(instance)) - plain_latency(instance, placement)


def plain_user_latencies(instance: Instance, placement: Placement) -> list[float]:
    """Each user's share of the latency, base latency not included."""
    users = [0.0] * instance.n_users
    for a, latency in enumerate(plain_activation_latencies(instance, placement)):
        users[instance.activation_users[a]] += float(instance.rates[a]) * latency
    return users


def plain_fits(instance: Instance, placement: Placement) -> bool:
    """Whether every server has room, in Python's unbounded integers."""
    return all(
        sum(instance.models[model].expert_bytes for model, _, _ in cache) <= int(capacity)
        for cache, capacity in zip(
            stored_experts(instance, placement), instance.capacities_bytes, strict=True
        )
    )


# Brute force


def maximal_caches(instance: Instance, server: int) -> list[frozenset[Expert]]:
    """Every set of called experts that fits on a server and leaves room for no further one."""
    capacity = int(instance.capacities_bytes[server])
    size = {
        expert: instance.models[expert[0]].expert_bytes for group in groups_of(instance) for expert in group
    }
    experts = sorted(size)
    caches = []
    for count in range(len(experts) + 1):
        for chosen in itertools.combinations(experts, count):
            room = capacity - sum(size[e] for e in chosen)
            if room >= 0 and all(size[e] > room for e in experts if e not in chosen):
                caches.append(frozenset(chosen))
    return caches


def brute_force(instance: Instance, limit: int = 200_000) -> tuple[float, Placement]:
    """Best saving and a placement that has it, by enumeration of all maximal feasible placements.

    More cached experts never save less, so a maximal placement is among the best. Raises ValueError
    when there are more than ``limit`` of them.
    """
    choices = [maximal_caches(instance, n) for n in range(instance.n_servers)]
    if math.prod(map(len, choices)) > limit:
        raise ValueError(f"{math.prod(map(len, choices))} placements are too many to enumerate")

    whole = instance.dispatch == "single"  # served together or not at all
    calls = [
        (a, wanted)
        for a, group in enumerate(groups_of(instance))
        for wanted in ([group] if whole else [[expert] for expert in group])
    ]
    owner = [(int(instance.activation_users[a]), int(instance.activation_models[a])) for a, _ in calls]
    cloud = [float(instance.cloud_latency_s[u, m]) for u, m in owner]

    def times(server: int, cache: frozenset[Expert]) -> list[float]:
        return [
            float(instance.edge_latency_s[u, server, m]) if cache.issuperset(wanted) else math.inf
            for (u, m), (_, wanted) in zip(owner, calls, strict=True)
        ]

    def latency(rows: Sequence[list[float]]) -> float:
        served = [min(column) for column in zip(cloud, *rows, strict=True)]
        if instance.dispatch == "parallel":
            slowest = [0.0] * instance.n_activations
            for (a, _), time in zip(calls, served, strict=True):
                slowest[a] = max(slowest[a], time)
            return sum(map(float.__mul__, rates, slowest))
        return sum(rates[a] * time for (a, _), time in zip(calls, served, strict=True))

    rates = instance.rates.tolist()
    tables = [[times(n, cache) for cache in caches] for n, caches in enumerate(choices)]
    numbers = itertools.product(*(range(len(caches)) for caches in choices))
    best = min(numbers, key=lambda chosen: latency([tables[n][i] for n, i in enumerate(chosen)]))
    placement = Placement.of(instance, {n: choices[n][i] for n, i in enumerate(best)})
    return plain_saving(instance, placement), placement


# Instances


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


# Hypothesis

_TIMES = st.sampled_from([0.0, 0.01, 0.02, 0.05, 0.1]) | st.floats(0, 0.2, allow_subnormal=False)
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
    and ones with room for all, repeated (user, group) pairs, no activations at all.
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
    return build(
        dispatch=draw(st.sampled_from(list(dispatches))),
        capacities=draw(st.lists(capacity, min_size=n_servers, max_size=n_servers)),
        models=models,
        edge=table(_TIMES | st.just(math.inf), n_users, n_servers, len(models)),
        cloud=table(_TIMES, n_users, len(models)),
        activations=draw(st.lists(activation(), max_size=max_activations)),
        base=draw(st.sampled_from([0.0, 0.5])),
        name=draw(st.sampled_from(["test", "", "naïve 測試"])),
    )


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
