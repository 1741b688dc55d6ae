"""Instances and placements as JSON, version 1 (docs/FILES.md)."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import Annotated, Any, TypeVar, cast

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from slimbench.instances.problem.arrays import FloatArray, offsets_of
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.fields import Dispatch
from slimbench.instances.problem.instance import Instance, Model
from slimbench.instances.problem.placement import Placement
from slimbench.instances.problem.validation import MAX_BYTES

VERSION = 1
INSTANCE_FORMAT = "slimbench.instance"
PLACEMENT_FORMAT = "slimbench.placement"

_Index = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_Count = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
_Size = Annotated[int, msgspec.Meta(ge=1, le=MAX_BYTES)]
_Capacity = Annotated[int, msgspec.Meta(ge=0, le=MAX_BYTES)]


class _Header(msgspec.Struct):
    format: str
    version: _Index


class _Server(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    capacity_bytes: _Capacity
    position_m: tuple[float, float] | UnsetType = UNSET


class _Model(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    layers: _Count
    experts_per_layer: _Count
    top_k: _Count
    expert_bytes: _Size


class _User(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    position_m: tuple[float, float] | UnsetType = UNSET


class _Activation(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    user: _Index
    model: _Index
    layer: _Index
    experts: list[_Index]
    rate: float


class _Instance(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: _Index
    name: str
    dispatch: str
    base_latency_s: float
    servers: list[_Server]
    models: list[_Model]
    users: list[_User]
    edge_latency_s: list[list[list[float | None]]]
    cloud_latency_s: list[list[float]]
    activations: list[_Activation]


class _Placement(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: _Index
    instance: str
    experts: dict[str, list[tuple[_Index, _Index, _Index]]]


_File = TypeVar("_File", _Header, _Instance, _Placement)


def decode_instance(content: bytes) -> Instance:
    """Build an instance from JSON text.

    Raises
    ------
    InstanceError
        Naming the first field that is not as the format says.
    """
    file = _decode(content, INSTANCE_FORMAT, _Instance)
    n_servers, n_users, n_models = len(file.servers), len(file.users), len(file.models)
    for u, table in _rows("edge_latency_s", file.edge_latency_s, n_users, "user"):
        for n, row in _rows(f"edge_latency_s[{u}]", table, n_servers, "server"):
            _rows(f"edge_latency_s[{u}][{n}]", row, n_models, "model")
    for u, costs in _rows("cloud_latency_s", file.cloud_latency_s, n_users, "user"):
        _rows(f"cloud_latency_s[{u}]", costs, n_models, "model")
    groups = [a.experts for a in file.activations]
    return Instance(
        name=file.name,
        dispatch=cast(Dispatch, file.dispatch),  # Instance checks it
        base_latency_s=file.base_latency_s,
        server_names=tuple(s.name for s in file.servers),
        capacities_bytes=np.array([s.capacity_bytes for s in file.servers], np.int64),
        models=tuple(
            Model(m.name, m.layers, m.experts_per_layer, m.top_k, m.expert_bytes) for m in file.models
        ),
        user_names=tuple(u.name for u in file.users),
        edge_latency_s=_reachable(file.edge_latency_s).reshape(n_users, n_servers, n_models),
        cloud_latency_s=np.array(file.cloud_latency_s, np.float64).reshape(n_users, n_models),
        activation_users=np.array([a.user for a in file.activations], np.int32),
        activation_models=np.array([a.model for a in file.activations], np.int32),
        activation_layers=np.array([a.layer for a in file.activations], np.int32),
        rates=np.array([a.rate for a in file.activations], np.float64),
        group_offsets=offsets_of(np.array([len(g) for g in groups], np.int64)),
        group_indices=np.fromiter(chain.from_iterable(groups), np.int32),
        server_positions_m=_positions("servers", file.servers),
        user_positions_m=_positions("users", file.users),
    )


def encode_instance(instance: Instance) -> bytes:
    """Write an instance as JSON text; floats keep every bit."""
    edge = instance.edge_latency_s.tolist()
    indices = instance.group_indices.tolist()
    offsets = instance.group_offsets.tolist()
    file = _Instance(
        format=INSTANCE_FORMAT,
        version=VERSION,
        name=instance.name,
        dispatch=instance.dispatch,
        base_latency_s=instance.base_latency_s,
        servers=[
            _Server(name, capacity, position_m)
            for name, capacity, position_m in zip(
                instance.server_names,
                instance.capacities_bytes.tolist(),
                _optional(instance.server_positions_m, instance.n_servers),
                strict=True,
            )
        ],
        models=[
            _Model(m.name, m.layers, m.experts_per_layer, m.top_k, m.expert_bytes) for m in instance.models
        ],
        users=[
            _User(name, position_m)
            for name, position_m in zip(
                instance.user_names, _optional(instance.user_positions_m, instance.n_users), strict=True
            )
        ],
        edge_latency_s=[[[None if t == math.inf else t for t in row] for row in table] for table in edge],
        cloud_latency_s=instance.cloud_latency_s.tolist(),
        activations=[
            _Activation(user, model, layer, indices[start:stop], rate)
            for user, model, layer, rate, start, stop in zip(
                instance.activation_users.tolist(),
                instance.activation_models.tolist(),
                instance.activation_layers.tolist(),
                instance.rates.tolist(),
                offsets[:-1],
                offsets[1:],
                strict=True,
            )
        ],
    )
    return msgspec.json.encode(file) + b"\n"


def decode_placement(content: bytes, instance: Instance) -> Placement:
    """Build a placement of ``instance`` from JSON text.

    Raises
    ------
    InstanceError
        Naming the first field that is not as the format says or that ``instance`` does not have.
    """
    file = _decode(content, PLACEMENT_FORMAT, _Placement)
    if file.instance != instance.name:
        raise InstanceError("instance", f"is {file.instance!r}, expected {instance.name!r}")
    numbers = {name: n for n, name in enumerate(instance.server_names)}
    holds = np.zeros((instance.n_servers, instance.n_experts), np.bool_)
    for name, triples in file.experts.items():
        if name not in numbers:
            raise InstanceError(f"experts.{name}", f"is not a server, expected one of {', '.join(numbers)}")
        for i, (m, layer, index) in enumerate(triples):
            field = f"experts.{name}[{i}]"
            model = instance.models[m] if m < len(instance.models) else None
            if model is None or layer >= model.layers or index >= model.experts_per_layer:
                raise InstanceError(
                    field, f"is [{m}, {layer}, {index}], expected a (model, layer, expert) of the instance"
                )
            expert = instance.expert(m, layer, index)
            if holds[numbers[name], expert]:
                raise InstanceError(
                    field, f"names expert [{m}, {layer}, {index}] twice, expected distinct experts"
                )
            holds[numbers[name], expert] = True
    return Placement(holds)


def encode_placement(placement: Placement, instance: Instance) -> bytes:
    """Write a placement as JSON text."""
    experts: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for name, row in zip(instance.server_names, placement.holds, strict=True):
        experts[name] = [instance.expert_triple(int(e)) for e in np.flatnonzero(row)]
    return msgspec.json.encode(_Placement(PLACEMENT_FORMAT, VERSION, instance.name, experts)) + b"\n"


def check_header(file_format: str, version: int, expected: str) -> None:
    """Refuse another format or version before anything else is looked at."""
    if file_format != expected:
        raise InstanceError("format", f"is {file_format!r}, expected {expected!r}")
    if version != VERSION:
        raise InstanceError("version", f"is {version}, expected {VERSION}")


def _decode(content: bytes, expected_format: str, into: type[_File]) -> _File:
    try:
        header = msgspec.json.decode(content, type=_Header)
        check_header(header.format, header.version, expected_format)
        return msgspec.json.decode(content, type=into)
    except msgspec.ValidationError as error:
        if "out of range" in str(error):
            _refuse_non_finite(content)
        raise in_our_words(error) from None
    except (msgspec.DecodeError, RecursionError) as error:
        _refuse_non_finite(content)
        raise InstanceError("", str(error)) from None
    except UnicodeDecodeError as error:
        raise InstanceError("", f"is not UTF-8 text ({error.reason})") from None


def _refuse_non_finite(content: bytes) -> None:
    """Name the field of the first NaN or infinity, which JSON does not have but other writers emit."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return
    keys: list[Any] = []  # on the way from the document to the value
    pending: list[Iterator[tuple[Any, Any]]] = [iter([(None, document)])]
    while pending:
        for key, value in pending[-1]:
            if isinstance(value, float) and not math.isfinite(value):
                raise InstanceError(_path([*keys[1:], key]), f"is {value}, expected a finite number")
            if isinstance(value, dict | list):
                keys.append(key)
                pending.append(iter(value.items() if isinstance(value, dict) else enumerate(value)))
                break
        else:
            pending.pop()
            del keys[-1:]


def _path(keys: list[Any]) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")


def in_our_words(error: msgspec.ValidationError) -> InstanceError:
    """What msgspec found, as field and problem."""
    message, _, path = str(error).partition(" - at `")
    field = path.rstrip("`").removeprefix("$").removeprefix(".")
    if match := re.fullmatch(r"Object missing required field `(.*)`", message):
        return InstanceError(f"{field}.{match[1]}".lstrip("."), "is missing")
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", message):
        return InstanceError(f"{field}.{match[1]}".lstrip("."), "is not a field of this format")
    return InstanceError(field, message[:1].lower() + message[1:].replace("`", ""))


def _rows(field: str, rows: list[Any], expected: int, of_what: str) -> enumerate[Any]:
    if len(rows) != expected:
        raise InstanceError(field, f"has {len(rows)} entries, expected {expected}, one a {of_what}")
    return enumerate(rows)


def _positions(field: str, holders: Sequence[_Server | _User]) -> FloatArray | None:
    """(len(holders), 2) float64; None if none of them has a position."""
    positions_m = [holder.position_m for holder in holders if holder.position_m is not UNSET]
    if not positions_m:
        return None
    for i, holder in enumerate(holders):
        if holder.position_m is UNSET:
            raise InstanceError(f"{field}[{i}].position_m", f"is missing, expected it in all {field} or none")
    return np.array(positions_m, np.float64)


def _optional(positions_m: FloatArray | None, count: int) -> Iterable[tuple[float, float] | UnsetType]:
    """A position for each of ``count`` holders, or none for any."""
    return repeat(UNSET, count) if positions_m is None else map(tuple, positions_m.tolist())


def _reachable(table: list[list[list[float | None]]]) -> FloatArray:
    flat = chain.from_iterable(chain.from_iterable(table))
    return np.fromiter((math.inf if t is None else t for t in flat), np.float64)
