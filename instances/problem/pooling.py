"""Pool several instances into one, whose saving is the weighted sum of theirs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from slimbench.instances.problem.arrays import FloatArray, IntArray, offsets_of
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Instance


def pooled(
    instances: Sequence[Instance],
    weights: Sequence[float],
    capacities_bytes: IntArray,
    bonuses_s: FloatArray | None = None,
) -> Instance:
    """An instance whose saving is the weighted sum of the instances' savings, plus bonuses.

    Every user of every instance is a user of its own, with its latencies there. A bonus is a further user
    of each server, who sees no other server and calls single experts: so it is a sum over what is cached,
    in every dispatch.

    Parameters
    ----------
    instances : of one dispatch, the same servers and the same models
    weights : float, >= 0, one an instance
    capacities_bytes : (N,) int64
    bonuses_s : (N, X) float64, >= 0, optional
        Seconds that are saved beyond by caching expert e on server n.
    """
    if not instances:
        raise InstanceError("instances", "are none, expected at least one")
    first = instances[0]
    n, m, x = first.n_servers, len(first.models), first.n_experts
    users = [np.concatenate([i.activation_users + first_user for i, first_user in _numbered(instances)])]
    models = [np.concatenate([i.activation_models for i in instances])]
    layers = [np.concatenate([i.activation_layers for i in instances])]
    rates = [np.concatenate([w * i.rates for i, w in zip(instances, weights, strict=True)])]
    sizes = [np.concatenate([i.group_sizes for i in instances])]
    indices = [np.concatenate([i.group_indices for i in instances])]
    edge_s = [i.edge_latency_s for i in instances]
    cloud_s = [i.cloud_latency_s for i in instances]
    names = [f"{t}-{u}" for t, i in enumerate(instances) for u in range(i.n_users)]
    if bonuses_s is not None:
        alone = np.where(np.eye(n, dtype=np.bool_), 0.0, np.inf)
        edge_s.append(np.repeat(alone[:, :, None], m, axis=2))
        cloud_s.append(np.ones((n, m)))
        users.append(len(names) + np.repeat(np.arange(n), x))
        models.append(np.tile(first.layer_models[first.expert_layers], n))
        layers.append(np.tile(_layers_within_models(first), n))
        rates.append(bonuses_s.ravel())
        sizes.append(np.ones(n * x, np.int64))
        indices.append(np.tile(np.arange(x) - first.layer_starts[first.expert_layers], n))
        names += [f"bonus-{s}" for s in range(n)]
    return Instance(
        name="pooled",
        dispatch=first.dispatch,
        base_latency_s=0.0,
        server_names=first.server_names,
        capacities_bytes=capacities_bytes,
        models=first.models,
        user_names=tuple(names),
        edge_latency_s=np.concatenate(edge_s),
        cloud_latency_s=np.concatenate(cloud_s),
        activation_users=np.concatenate(users),
        activation_models=np.concatenate(models),
        activation_layers=np.concatenate(layers),
        rates=np.concatenate(rates),
        group_offsets=offsets_of(np.concatenate(sizes)),
        group_indices=np.concatenate(indices),
    )


def _numbered(instances: Sequence[Instance]) -> list[tuple[Instance, int]]:
    """Each instance with the number of its first user."""
    firsts = offsets_of(np.array([i.n_users for i in instances])).tolist()
    return list(zip(instances, firsts, strict=False))


def _layers_within_models(instance: Instance) -> IntArray:
    """(X,) int64, the layer of each expert within its model."""
    firsts = instance.model_layer_starts[instance.layer_models[instance.expert_layers]]
    return np.asarray(instance.expert_layers - firsts, np.int64)
