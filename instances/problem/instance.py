"""The problem: servers, models, users, latencies and activations (docs/MODEL.md, section 1)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from slimbench.instances.problem import validation
from slimbench.instances.problem.arrays import (
    FloatArray,
    IndexArray,
    IntArray,
    csr_rows,
    frozen,
    offsets_of,
    padded_groups,
)
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.fields import InstanceFields, Model, plain_text

__all__ = ["Instance", "LayerActivations", "Model"]


class LayerActivations(NamedTuple):
    """The activations in order of their layer, as compiled code takes them.

    Attributes
    ----------
    starts : (B + 1,) int64, where each layer starts
    users, models : (A,) int32
    rates : (A,) float64
    group_offsets : (A + 1,) int64
    group_experts : (G,) int32, experts numbered through
    """

    starts: IntArray
    users: IndexArray
    models: IndexArray
    rates: FloatArray
    group_offsets: IntArray
    group_experts: IndexArray


@dataclass(frozen=True, eq=False)
class Instance(InstanceFields):
    """One placement problem, immutable and array-backed.

    N servers, U users, M models, A activations; X experts over all models, numbered by
    (model, layer, index). Groups are stored as CSR: activation ``a`` calls the experts
    ``group_indices[group_offsets[a]:group_offsets[a + 1]]`` of its layer, sorted, all different.

    Parameters
    ----------
    name : str
    dispatch : {"single", "parallel", "serial"}
    base_latency_s : float
        Seconds per token that no placement changes.
    server_names : (N,) str, unique
    capacities_bytes : (N,) int64, >= 0
    models : (M,) Model
    user_names : (U,) str, unique
    edge_latency_s : (U, N, M) float64
        Seconds to have one layer's token of user u served by server n; inf = unreachable.
    cloud_latency_s : (U, M) float64
        The same through the cloud, which holds every expert; finite.
    activation_users, activation_models, activation_layers : (A,) int32
    rates : (A,) float64
        Expected occurrences per generated token.
    group_offsets : (A + 1,) int64
    group_indices : (G,) int32
        Experts as index within their layer.
    server_positions_m : (N, 2) float64, optional
        Where the servers are, metres; None where that is not known.
    user_positions_m : (U, 2) float64, optional
        Where the users are, metres; None where that is not known.

    Raises
    ------
    InstanceError
        If a field is not as stated; the message names it as the file format does.
    """

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", tuple(self.models))
        for field in ("name", "dispatch"):
            object.__setattr__(self, field, plain_text(getattr(self, field)))
        for field in ("server_names", "user_names"):
            object.__setattr__(self, field, tuple(map(plain_text, getattr(self, field))))
        validation.check_header(self)
        object.__setattr__(self, "base_latency_s", float(self.base_latency_s) + 0.0)  # no negative zero
        for field, dtype in validation.ARRAY_TYPES.items():
            object.__setattr__(self, field, validation.frozen_field(field, getattr(self, field), dtype))
        for field in validation.POSITIONS:
            if (positions_m := getattr(self, field)) is not None:
                object.__setattr__(self, field, frozen(positions_m, np.float64))
        validation.check_latencies(self)
        validation.check_positions(self)
        validation.check_activations(self)
        object.__setattr__(self, "group_indices", validation.sorted_groups(self))

    # Derived sizes and arrays, all read-only

    @property
    def n_experts(self) -> int:
        """X, the experts of all models together."""
        return int(self.layer_starts[-1])

    @property
    def n_layers(self) -> int:
        """B, the layers of all models together."""
        return len(self.layer_starts) - 1

    @cached_property
    def max_group_size(self) -> int:
        """Experts in the largest group (0 without activations)."""
        return int(self.group_sizes.max(initial=0))

    @cached_property
    def group_sizes(self) -> IntArray:
        """(A,) int64, experts called by each activation."""
        return frozen(np.diff(self.group_offsets), np.int64)

    @cached_property
    def model_layer_starts(self) -> IntArray:
        """(M + 1,) int64, first layer of each model, layers of all models numbered through."""
        return frozen(offsets_of(np.array([m.layers for m in self.models])), np.int64)

    @cached_property
    def layer_starts(self) -> IntArray:
        """(B + 1,) int64, first expert of each layer when layers and experts are numbered through."""
        return frozen(
            offsets_of(
                np.repeat([m.experts_per_layer for m in self.models], [m.layers for m in self.models])
            ),
            np.int64,
        )

    @cached_property
    def layer_models(self) -> IndexArray:
        """(B,) int32, the model of each layer."""
        return frozen(np.repeat(np.arange(len(self.models)), [m.layers for m in self.models]), np.int32)

    @cached_property
    def expert_layers(self) -> IndexArray:
        """(X,) int32, the layer of each expert, layers numbered through."""
        return frozen(np.repeat(np.arange(self.n_layers), np.diff(self.layer_starts)), np.int32)

    @cached_property
    def expert_bytes(self) -> IntArray:
        """(X,) int64, bytes."""
        sizes = np.array([m.expert_bytes for m in self.models], np.int64)
        return frozen(sizes[self.layer_models][self.expert_layers], np.int64)

    @cached_property
    def group_layers(self) -> IndexArray:
        """(A,) int32, the layer of each activation, layers numbered through."""
        return frozen(self.model_layer_starts[self.activation_models] + self.activation_layers, np.int32)

    @cached_property
    def by_layer(self) -> LayerActivations:
        """The activations in order of their layer: what reads one layer after another reads straight on."""
        order = np.argsort(self.group_layers, kind="stable")
        starts = np.searchsorted(self.group_layers[order], np.arange(self.n_layers + 1))
        entries = csr_rows(self.group_offsets, order)[1]
        return LayerActivations(
            starts.astype(np.int64),
            self.activation_users[order],
            self.activation_models[order],
            self.rates[order],
            offsets_of(self.group_sizes[order]),
            self.group_experts[entries],
        )

    @cached_property
    def group_experts(self) -> IndexArray:
        """(G,) int32, experts numbered through, in the order of ``group_indices``."""
        firsts = np.repeat(self.layer_starts[self.group_layers], self.group_sizes)
        return frozen(firsts + self.group_indices, np.int32)

    @cached_property
    def server_order(self) -> IndexArray:
        """(U, M, N) int32, servers from fastest to slowest for each user and model, ties by number."""
        return frozen(np.argsort(self.edge_latency_s, axis=1, kind="stable").transpose(0, 2, 1), np.int32)

    def expert(self, model: int, layer: int, index: int) -> int:
        """Number of expert (model, layer, index) among all X."""
        known = 0 <= model < len(self.models)
        if not (
            known
            and 0 <= layer < self.models[model].layers
            and 0 <= index < self.models[model].experts_per_layer
        ):
            raise InstanceError(
                "expert", f"is ({model}, {layer}, {index}), expected a (model, layer, index) of the instance"
            )
        return int(self.layer_starts[self.model_layer_starts[model] + layer]) + index

    def expert_triple(self, expert: int) -> tuple[int, int, int]:
        """(model, layer, index) of an expert numbered through."""
        layer = int(self.expert_layers[expert])
        model = int(self.layer_models[layer])
        return model, layer - int(self.model_layer_starts[model]), expert - int(self.layer_starts[layer])

    @cached_property
    def sha256(self) -> str:
        """Hash of the content: the same for every file format and every order of the activations.

        Positions take no part: no latency, saving or bound depends on them. So what is kept by hash
        (results, references) holds for an instance whether its positions are known or not, and of two
        that differ in positions alone a run folder keeps the file of the first.
        """
        groups = padded_groups(self.group_offsets, self.group_experts)
        order = np.lexsort((self.rates, *groups.T[::-1], self.group_layers, self.activation_users))
        digest = hashlib.sha256()
        header = (
            "slimbench.instance", 1, self.name, self.dispatch, self.base_latency_s.hex(),
            self.server_names, self.user_names,
            [(m.name, m.layers, m.experts_per_layer, m.top_k, m.expert_bytes) for m in self.models],
        )  # fmt: skip
        digest.update(repr(header).encode())
        arrays: list[tuple[npt.NDArray[Any], str]] = [
            (self.capacities_bytes, "<i8"),
            (self.edge_latency_s + 0.0, "<f8"),  # + 0.0: no negative zero
            (self.cloud_latency_s + 0.0, "<f8"),
            (self.activation_users[order], "<i4"),
            (self.group_layers[order], "<i4"),
            (self.rates[order] + 0.0, "<f8"),
            (groups[order], "<i4"),
        ]
        for array, dtype in arrays:
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array.astype(dtype)).tobytes())
        return digest.hexdigest()
