"""What the arrays of an instance must satisfy; faults are named in the words of the file format."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from slimbench.instances.problem.arrays import IndexArray, IntArray, frozen
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.fields import DISPATCHES, InstanceFields

MAX_BYTES: Final = 2**62  # sums of sizes stay exact in int64
MAX_EXPERTS: Final = 2**24  # of all models together; the largest published router has about 15,000
MAX_SERVERS: Final = 100_000
MAX_USERS: Final = 1_000_000
MAX_LATENCIES: Final = 2**27  # of users, servers and models together: a gigabyte
MAX_HOLDS: Final = 2**30  # servers times experts: a gigabyte as a placement
MAX_ACTIVATIONS: Final = 2**26
MAX_NAME: Final = 1000  # characters
MAX_POSITION_M: Final = 1e9  # either way; distances between such positions are finite

ARRAY_TYPES: Final[dict[str, type[np.generic]]] = {
    "capacities_bytes": np.int64,
    "edge_latency_s": np.float64,
    "cloud_latency_s": np.float64,
    "activation_users": np.int32,
    "activation_models": np.int32,
    "activation_layers": np.int32,
    "rates": np.float64,
    "group_offsets": np.int64,
    "group_indices": np.int32,
}

POSITIONS: Final = ("server_positions_m", "user_positions_m")  # arrays that an instance may lack

FILE_FIELDS: Final[dict[str, str]] = {  # the array's name in a file
    "capacities_bytes": "servers.capacity_bytes",
    "edge_latency_s": "edge_latency_s",
    "cloud_latency_s": "cloud_latency_s",
    "activation_users": "activations.user",
    "activation_models": "activations.model",
    "activation_layers": "activations.layer",
    "rates": "activations.rate",
    "group_offsets": "activations.offsets",
    "group_indices": "activations.experts",
}


def frozen_field(field: str, values: npt.ArrayLike, dtype: type[np.generic]) -> npt.NDArray[Any]:
    """A read-only copy of ``values``; numbers that are not integers are refused where integers are due."""
    given = np.asarray(values)
    with np.errstate(invalid="ignore"):  # NaN cast to an integer; the comparison refuses it
        array = frozen(given, dtype)
    if issubclass(dtype, np.integer) and given.size and not np.array_equal(given, array):
        raise InstanceError(FILE_FIELDS[field], f"has values that are not {np.dtype(dtype).name} integers")
    return array


def check_header(instance: InstanceFields) -> None:
    """Check everything that is not an array."""
    if instance.dispatch not in DISPATCHES:
        raise InstanceError("dispatch", f"is {instance.dispatch!r}, expected one of {', '.join(DISPATCHES)}")
    if not (math.isfinite(instance.base_latency_s) and instance.base_latency_s >= 0):
        raise InstanceError("base_latency_s", f"is {instance.base_latency_s}, expected a finite number >= 0")
    if not instance.name.isprintable():
        raise InstanceError("name", f"is {instance.name!r}, expected printable characters")
    if len(instance.name) > MAX_NAME:
        raise InstanceError("name", f"has {len(instance.name)} characters, expected at most {MAX_NAME}")
    check_sizes(instance.n_servers, instance.n_users, len(instance.models), instance.n_activations)
    _check_names("servers", instance.server_names)
    _check_names("models", [m.name for m in instance.models])
    _check_names("users", instance.user_names)
    for i, model in enumerate(instance.models):
        for field in ("layers", "experts_per_layer", "top_k", "expert_bytes"):
            value = getattr(model, field)
            if type(value) is not int or not 1 <= value <= MAX_BYTES:  # a NumPy integer would hash otherwise
                raise InstanceError(f"models[{i}].{field}", f"is {value!r}, expected a positive int")
        if model.top_k > model.experts_per_layer:
            raise InstanceError(
                f"models[{i}].top_k",
                f"is {model.top_k}, expected at most experts_per_layer = {model.experts_per_layer}",
            )
    n_experts = sum(m.layers * m.experts_per_layer for m in instance.models)
    if n_experts > MAX_EXPERTS:
        raise InstanceError("models", f"have {n_experts} experts together, expected at most {MAX_EXPERTS}")
    if instance.n_servers * n_experts > MAX_HOLDS:
        raise InstanceError(
            "servers", f"times experts are {instance.n_servers * n_experts}, expected at most {MAX_HOLDS}"
        )
    if sum(m.layers * m.experts_per_layer * m.expert_bytes for m in instance.models) > MAX_BYTES:
        raise InstanceError("models", f"have experts of more than {MAX_BYTES} bytes together")


def check_sizes(servers: int, users: int, models: int, activations: int = 0) -> None:
    """Refuse more than an instance may have; to be asked before anything is made of these sizes."""
    for field, count, limit in (
        ("servers", servers, MAX_SERVERS),
        ("users", users, MAX_USERS),
        ("activations", activations, MAX_ACTIVATIONS),
    ):
        if count > limit:
            raise InstanceError(field, f"are {count}, expected at most {limit}")
    if servers * users * models > MAX_LATENCIES:
        raise InstanceError(
            "edge_latency_s",
            f"would have {servers * users * models} values, expected at most {MAX_LATENCIES}",
        )


def check_latencies(instance: InstanceFields) -> None:
    """Check capacities and latencies."""
    n, u, m = instance.n_servers, instance.n_users, len(instance.models)
    capacities = instance.capacities_bytes
    _check_shape("servers", capacities, (n,))
    if (bad := _first((capacities < 0) | (capacities > MAX_BYTES))) is not None:
        raise InstanceError(
            f"servers[{bad[0]}].capacity_bytes", f"is {capacities[bad]}, expected an integer 0 to {MAX_BYTES}"
        )
    edge, cloud = instance.edge_latency_s, instance.cloud_latency_s
    _check_shape("edge_latency_s", edge, (u, n, m))
    _check_shape("cloud_latency_s", cloud, (u, m))
    if (bad := _first(~(edge >= 0))) is not None:  # ~(>=) also catches NaN
        raise InstanceError(_at("edge_latency_s", bad), f"is {edge[bad]}, expected a number >= 0 or null")
    if (bad := _first(~((cloud >= 0) & np.isfinite(cloud)))) is not None:
        raise InstanceError(_at("cloud_latency_s", bad), f"is {cloud[bad]}, expected a finite number >= 0")


def check_positions(instance: InstanceFields) -> None:
    """Check positions as far as they are known."""
    for of, names, positions_m in (
        ("servers", instance.server_names, instance.server_positions_m),
        ("users", instance.user_names, instance.user_positions_m),
    ):
        if positions_m is None:
            continue
        _check_shape(f"{of}.position_m", positions_m, (len(names), 2))
        if (bad := _first(~(np.abs(positions_m) <= MAX_POSITION_M))) is not None:  # NaN too
            raise InstanceError(
                f"{of}[{bad[0]}].position_m[{bad[1]}]",
                f"is {positions_m[bad]}, expected a number within {MAX_POSITION_M:g} m of 0",
            )


def check_activations(instance: InstanceFields) -> None:
    """Check users, models, layers, rates, and the groups' sizes and members."""
    a = instance.n_activations
    offsets, indices, rates = instance.group_offsets, instance.group_indices, instance.rates
    for field in ("activation_users", "activation_models", "activation_layers", "rates"):
        _check_shape(FILE_FIELDS[field], getattr(instance, field), (a,))
    _check_shape("activations.offsets", offsets, (a + 1,))
    if offsets[0] != 0 or offsets[-1] != len(indices):
        raise InstanceError("activations.offsets", f"expected to run from 0 to {len(indices)}")
    _check_index("user", instance.activation_users, np.full(a, instance.n_users))
    _check_index("model", instance.activation_models, np.full(a, len(instance.models)))
    _check_index("layer", instance.activation_layers, _of_model(instance, "layers"))
    if (bad := _first(~((rates >= 0) & np.isfinite(rates)))) is not None:
        raise InstanceError(f"activations[{bad[0]}].rate", f"is {rates[bad]}, expected a finite number >= 0")
    sizes, top_k = np.diff(offsets), _of_model(instance, "top_k")
    if (bad := _first((sizes < 1) | (sizes > top_k))) is not None:
        raise InstanceError(
            f"activations[{bad[0]}].experts", f"has {sizes[bad]} experts, expected 1 to top_k = {top_k[bad]}"
        )
    members = np.repeat(_of_model(instance, "experts_per_layer"), sizes)
    if (bad := _first((indices < 0) | (indices >= members))) is not None:
        activation = int(np.searchsorted(offsets, bad[0], side="right")) - 1
        raise InstanceError(
            f"activations[{activation}].experts",
            f"names expert {indices[bad]}, expected 0 to {members[bad] - 1}",
        )


def sorted_groups(instance: InstanceFields) -> IndexArray:
    """``group_indices`` with each group ascending; a group is a set, so duplicates are refused."""
    activations = np.repeat(np.arange(instance.n_activations), np.diff(instance.group_offsets))
    indices = instance.group_indices
    same_group = activations[1:] == activations[:-1]
    if np.any(same_group & (indices[1:] <= indices[:-1])):
        indices = frozen(indices[np.lexsort((indices, activations))], np.int32)
    if (bad := _first(same_group & (indices[1:] == indices[:-1]))) is not None:
        raise InstanceError(
            f"activations[{activations[bad]}].experts",
            f"names expert {indices[bad]} twice, expected distinct experts",
        )
    return indices


def _first(mask: npt.NDArray[np.bool_]) -> tuple[int, ...] | None:
    """Index of the first True, or None."""
    if not mask.any():
        return None
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(mask)), mask.shape))


def _at(field: str, index: tuple[int, ...]) -> str:
    return field + "".join(f"[{i}]" for i in index)


def _of_model(instance: InstanceFields, field: str) -> IntArray:
    """(A,) int64, a figure of each activation's model."""
    figures = np.array([getattr(m, field) for m in instance.models], np.int64)
    return np.asarray(figures[instance.activation_models])


def _check_names(field: str, names: Sequence[str]) -> None:
    if not names:
        raise InstanceError(field, "is empty, expected at least one")
    seen: set[str] = set()
    for i, name in enumerate(names):
        if not name or name in seen:
            raise InstanceError(f"{field}[{i}].name", f"is {name!r}, expected a name of its own")
        if not name.isprintable():  # else a file format could lose it (NumPy drops trailing NULs)
            raise InstanceError(f"{field}[{i}].name", f"is {name!r}, expected printable characters")
        if len(name) > MAX_NAME:
            raise InstanceError(
                f"{field}[{i}].name", f"has {len(name)} characters, expected at most {MAX_NAME}"
            )
        seen.add(name)


def _check_shape(field: str, array: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise InstanceError(field, f"has shape {array.shape}, expected {shape}")


def _check_index(field: str, values: IndexArray, limits: IntArray) -> None:
    if (bad := _first((values < 0) | (values >= limits))) is not None:
        raise InstanceError(
            f"activations[{bad[0]}].{field}", f"is {values[bad]}, expected 0 to {limits[bad] - 1}"
        )
