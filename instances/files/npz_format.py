"""Instances as NumPy archives: the fields of the JSON format as arrays, never pickled (docs/FILES.md)."""

from __future__ import annotations

import io
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from slimbench.instances.files.bounded import MAX_ARRAY_BYTES
from slimbench.instances.files.json_format import INSTANCE_FORMAT, VERSION, check_header
from slimbench.instances.files.npz_archive import Archive, opened_archive, refuse_large
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.fields import Dispatch
from slimbench.instances.problem.instance import Instance, Model
from slimbench.instances.problem.validation import check_sizes

# Kind of the values, and a letter a dimension: N servers, M models, U users, A activations, O = A + 1,
# G experts of all groups, 2 coordinates.
FIELDS: Final = {
    "format": ("U", ""),
    "version": ("i", ""),
    "name": ("U", ""),
    "dispatch": ("U", ""),
    "base_latency_s": ("f", ""),
    "servers.name": ("U", "N"),
    "servers.capacity_bytes": ("i", "N"),
    "models.name": ("U", "M"),
    "models.layers": ("i", "M"),
    "models.experts_per_layer": ("i", "M"),
    "models.top_k": ("i", "M"),
    "models.expert_bytes": ("i", "M"),
    "users.name": ("U", "U"),
    "activations.rate": ("f", "A"),
    "activations.user": ("i", "A"),
    "activations.model": ("i", "A"),
    "activations.layer": ("i", "A"),
    "activations.offsets": ("i", "O"),
    "activations.experts": ("i", "G"),
    "edge_latency_s": ("f", "UNM"),
    "cloud_latency_s": ("f", "UM"),
    "servers.position_m": ("f", "N2"),
    "users.position_m": ("f", "U2"),
}
OPTIONAL: Final = frozenset({"servers.position_m", "users.position_m"})


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
    if instance.server_positions_m is not None:
        fields["servers.position_m"] = instance.server_positions_m
    if instance.user_positions_m is not None:
        fields["users.position_m"] = instance.user_positions_m
    size = sum(np.asarray(values).nbytes for values in fields.values())
    if size > MAX_ARRAY_BYTES:
        raise InstanceError("", f"would have {size} bytes of arrays, expected at most {MAX_ARRAY_BYTES}")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **fields)
    return buffer.getvalue()


def decode_instance(content: bytes) -> Instance:
    """Build an instance from an archive.

    What the arrays' headers declare is checked before any array is unpacked.

    Raises
    ------
    InstanceError
        Naming the first field that is not as the format says.
    """
    with opened_archive(content) as archive:
        fields = _checked_fields(archive)
    models = zip(
        *(
            fields[f"models.{f}"].tolist()
            for f in ("name", "layers", "experts_per_layer", "top_k", "expert_bytes")
        ),
        strict=True,
    )
    return Instance(
        name=str(fields["name"].item()),
        dispatch=cast(Dispatch, str(fields["dispatch"].item())),  # Instance checks it
        base_latency_s=float(fields["base_latency_s"].item()),
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
        server_positions_m=fields.get("servers.position_m"),
        user_positions_m=fields.get("users.position_m"),
    )


def _checked_fields(archive: Archive) -> dict[str, npt.NDArray[Any]]:
    identity = archive.names & {"format", "version"}
    for name in identity:
        archive.header(name, *_kind(name))
    if len(identity) == 2:
        check_header(str(archive.array("format")), int(archive.array("version")), INSTANCE_FORMAT)
    for name in sorted(FIELDS.keys() - OPTIONAL - archive.names):
        raise InstanceError(name, "is missing")
    for name in sorted((archive.names - FIELDS.keys()) | archive.others):
        raise InstanceError(name, "is not a field of this format")
    present = [name for name in FIELDS if name in archive.names]
    headers = {name: archive.header(name, *_kind(name)) for name in present}
    lengths = {
        letter: headers[name].shape[0]
        for letter, name in {
            "N": "servers.name",
            "M": "models.name",
            "U": "users.name",
            "A": "activations.rate",
            "G": "activations.experts",
        }.items()
    }
    lengths |= {"O": lengths["A"] + 1, "2": 2}
    for name in present:
        expected = tuple(lengths[letter] for letter in FIELDS[name][1])
        if headers[name].shape != expected:
            raise InstanceError(name, f"has shape {headers[name].shape}, expected {expected}")
    check_sizes(lengths["N"], lengths["U"], lengths["M"], lengths["A"])
    refuse_large(headers)
    return {name: archive.array(name) for name in present}


def _kind(name: str) -> tuple[str, int]:
    """Kind and number of dimensions."""
    kind, letters = FIELDS[name]
    return kind, len(letters)
