"""Instances as NumPy archives: the fields of the JSON format as arrays, never pickled (docs/FILES.md)."""

from __future__ import annotations

import io
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from slimbench.instances.errors import InstanceError
from slimbench.instances.instance import Instance, Model
from slimbench.instances.json_format import INSTANCE_FORMAT, VERSION, check_header
from slimbench.instances.validation import Dispatch

_SCALARS = {"format": "U", "version": "i", "name": "U", "dispatch": "U", "base_latency_s": "f"}
_VECTORS = {
    "servers.name": "U",
    "servers.capacity_bytes": "i",
    "models.name": "U",
    "models.layers": "i",
    "models.experts_per_layer": "i",
    "models.top_k": "i",
    "models.expert_bytes": "i",
    "users.name": "U",
    "activations.user": "i",
    "activations.model": "i",
    "activations.layer": "i",
    "activations.rate": "f",
    "activations.offsets": "i",
    "activations.experts": "i",
}
_TABLES = {"edge_latency_s": 3, "cloud_latency_s": 2}
_KINDS = {"U": "text", "i": "integers", "f": "floating-point numbers"}


def encode_instance(instance: Instance) -> bytes:
    """Write an instance as a compressed archive; infinity stands for unreachable."""
    fields: dict[str, npt.ArrayLike] = {
        "format": INSTANCE_FORMAT,
        "version": VERSION,
        "name": instance.name,
        "dispatch": instance.dispatch,
        "base_latency_s": float(instance.base_latency_s),
        "servers.name": list(instance.server_names),
        "servers.capacity_bytes": instance.capacities_bytes,
        "models.name": [m.name for m in instance.models],
        "models.layers": [m.layers for m in instance.models],
        "models.experts_per_layer": [m.experts_per_layer for m in instance.models],
        "models.top_k": [m.top_k for m in instance.models],
        "models.expert_bytes": [m.expert_bytes for m in instance.models],
        "users.name": list(instance.user_names),
        "edge_latency_s": instance.edge_latency_s,
        "cloud_latency_s": instance.cloud_latency_s,
        "activations.user": instance.activation_users,
        "activations.model": instance.activation_models,
        "activations.layer": instance.activation_layers,
        "activations.rate": instance.rates,
        "activations.offsets": instance.group_offsets,
        "activations.experts": instance.group_indices,
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **fields)
    return buffer.getvalue()


def decode_instance(content: bytes) -> Instance:
    """Build an instance from an archive.

    Raises
    ------
    InstanceError
        Naming the first field that is not as the format says.
    """
    fields = _load(content)
    if "format" in fields and "version" in fields:
        check_header(str(fields["format"]), int(_scalar(fields, "version")), INSTANCE_FORMAT)
    expected = _SCALARS.keys() | _VECTORS.keys() | _TABLES.keys()
    for name in sorted(expected - fields.keys()):
        raise InstanceError(name, "is missing")
    for name in sorted(fields.keys() - expected):
        raise InstanceError(name, "is not a field of this format")
    for name, kind in _VECTORS.items():
        _check(name, fields[name], kind, 1)
    for name, dimensions in _TABLES.items():
        _check(name, fields[name], "f", dimensions)
    models = zip(
        *(
            fields[f"models.{f}"].tolist()
            for f in ("name", "layers", "experts_per_layer", "top_k", "expert_bytes")
        ),
        strict=False,
    )
    for field in ("layers", "experts_per_layer", "top_k", "expert_bytes"):
        _check_length(f"models.{field}", fields[f"models.{field}"], len(fields["models.name"]))
    for field in ("user", "model", "layer"):
        _check_length(f"activations.{field}", fields[f"activations.{field}"], len(fields["activations.rate"]))
    _check_length("servers.capacity_bytes", fields["servers.capacity_bytes"], len(fields["servers.name"]))
    return Instance(
        name=str(_scalar(fields, "name")),
        dispatch=cast(Dispatch, str(_scalar(fields, "dispatch"))),  # Instance checks it
        base_latency_s=float(_scalar(fields, "base_latency_s")),
        server_names=tuple(fields["servers.name"].tolist()),
        capacities_bytes=fields["servers.capacity_bytes"],
        models=tuple(Model(*row) for row in models),
        user_names=tuple(fields["users.name"].tolist()),
        edge_latency_s=fields["edge_latency_s"],
        cloud_latency_s=fields["cloud_latency_s"],
        activation_users=fields["activations.user"],
        activation_models=fields["activations.model"],
        activation_layers=fields["activations.layer"],
        rates=fields["activations.rate"],
        group_offsets=fields["activations.offsets"],
        group_indices=fields["activations.experts"],
    )


def _load(content: bytes) -> dict[str, npt.NDArray[Any]]:
    try:
        archive = np.load(io.BytesIO(content), allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise InstanceError("", "is not a NumPy archive (.npz)")
        with archive:
            return {name: np.asarray(archive[name]) for name in archive.files}
    except InstanceError:
        raise
    except Exception as error:  # zipfile, zlib, tokenize and NumPy each have their own for a damaged archive
        raise InstanceError("", f"is not a readable NumPy archive ({error})") from error


def _scalar(fields: dict[str, npt.NDArray[Any]], name: str) -> Any:
    _check(name, fields[name], _SCALARS[name], 0)
    return fields[name].item()


def _check(name: str, array: npt.NDArray[Any], kind: str, dimensions: int) -> None:
    matches = array.dtype.kind == kind or (kind == "i" and array.dtype.kind == "u") or not array.size
    if not matches:
        raise InstanceError(name, f"has {array.dtype} values, expected {_KINDS[kind]}")
    if array.ndim != dimensions:
        raise InstanceError(name, f"has {array.ndim} dimensions, expected {dimensions}")


def _check_length(name: str, array: npt.NDArray[Any], expected: int) -> None:
    if len(array) != expected:
        raise InstanceError(name, f"has {len(array)} entries, expected {expected}")
