"""Mutable small instances, and the limits of their sizes and numbers."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self, TypeVar

import numpy as np

from slimbench.instances import Dispatch, Instance, InstanceError, Model
from slimbench.instances.problem.arrays import FloatArray, offsets_of

RATES: Final = (0.001, 1.0)  # expected occurrences per token
LATENCIES_S: Final = (0.001, 0.1)  # of edge and cloud; an edge server may be out of reach as well
EXPERT_BYTES: Final = (1, 8)
DIGITS: Final = 3  # significant, of rates and latencies: findings are read by people

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """How large an instance may become.

    Attributes
    ----------
    servers, users, models, activations : int
    layers : int
        Of each model.
    experts : int
        Of each layer.
    top_k : int
        Of each model, hence of each group.

    Raises
    ------
    InstanceError
        If ``top_k`` is larger than ``experts``; the field is the option's name.
    """

    servers: int = 3
    users: int = 4
    models: int = 2
    layers: int = 2
    experts: int = 4
    top_k: int = 2
    activations: int = 12

    def __post_init__(self) -> None:
        if self.top_k > self.experts:
            raise InstanceError("--top-k", f"is {self.top_k}, expected at most --experts = {self.experts}")

    def admit(self, draft: Draft) -> bool:
        """True if a draft is within the limits and every number within its range."""
        users, servers, models = draft.edge_latency_s.shape
        latencies = [*draft.edge_latency_s[np.isfinite(draft.edge_latency_s)], *draft.cloud_latency_s.flat]
        allowed = [
            (servers, (1, self.servers)),
            (users, (1, self.users)),
            (models, (1, self.models)),
            (len(draft.activations), (1, self.activations)),
            *((model.layers, (1, self.layers)) for model in draft.models),
            *((model.experts_per_layer, (1, self.experts)) for model in draft.models),
            *((model.top_k, (1, self.top_k)) for model in draft.models),
            *((model.expert_bytes, EXPERT_BYTES) for model in draft.models),
            *((capacity, (0, draft.total_bytes)) for capacity in draft.capacities_bytes),
            *((call.rate, RATES) for call in draft.activations),
            *((latency, LATENCIES_S) for latency in latencies),
        ]
        return all(low <= value <= high for value, (low, high) in allowed)

    def described(self) -> dict[str, Any]:
        """Return the limits and ranges by name."""
        return {
            **{f"max_{name}": value for name, value in asdict(self).items()},
            "rates": list(RATES),
            "latencies_s": list(LATENCIES_S),
            "expert_bytes": list(EXPERT_BYTES),
            "capacity_bytes": "0 to the bytes of all experts",
        }


@dataclass
class Activation:
    """One activation; ``experts`` are indices in its layer."""

    user: int
    model: int
    layer: int
    experts: list[int]
    rate: float


@dataclass
class Draft:
    """A mutable instance; arrays and indices as in ``Instance``.

    Attributes
    ----------
    capacities_bytes : (N,) int
    models : (M,) Model
    edge_latency_s : (U, N, M) float64, inf = unreachable
    cloud_latency_s : (U, M) float64
    activations : (A,) Activation
    history : tuple of str
        Its origin, and the names of the changes since.
    """

    dispatch: Dispatch
    capacities_bytes: list[int]
    models: list[Model]
    edge_latency_s: FloatArray
    cloud_latency_s: FloatArray
    activations: list[Activation]
    history: tuple[str, ...]

    def copy(self) -> Self:
        """Return a deep copy."""
        return copy.deepcopy(self)

    @property
    def total_bytes(self) -> int:
        """Bytes of all experts of all models."""
        return sum(m.layers * m.experts_per_layer * m.expert_bytes for m in self.models)

    @property
    def size(self) -> int:
        """Number of servers, users, models, experts, activations and group members."""
        shape = self.edge_latency_s.shape
        experts = sum(model.layers * model.experts_per_layer for model in self.models)
        return sum(shape) + experts + len(self.activations) + sum(len(a.experts) for a in self.activations)

    def instance(self, name: str) -> Instance:
        """Return the validated instance."""
        calls = self.activations
        return Instance(
            name=name,
            dispatch=self.dispatch,
            base_latency_s=0.0,
            server_names=tuple(f"edge-{n}" for n in range(len(self.capacities_bytes))),
            capacities_bytes=np.array(self.capacities_bytes, np.int64),
            models=tuple(self.models),
            user_names=tuple(f"u{u}" for u in range(len(self.cloud_latency_s))),
            edge_latency_s=self.edge_latency_s,
            cloud_latency_s=self.cloud_latency_s,
            activation_users=np.array([call.user for call in calls], np.int32),
            activation_models=np.array([call.model for call in calls], np.int32),
            activation_layers=np.array([call.layer for call in calls], np.int32),
            rates=np.array([call.rate for call in calls], np.float64),
            group_offsets=offsets_of(np.array([len(call.experts) for call in calls], np.int64)),
            group_indices=np.array([e for call in calls for e in call.experts], np.int32),
        )


def pick(values: Sequence[T], rng: np.random.Generator) -> T:
    """Draw one of the values."""
    return values[int(rng.integers(len(values)))]


def rounded(value: float, low: float, high: float) -> float:
    """Clip a number to its range and round it to three significant digits."""
    value = min(max(value, low), high)
    return round(value, DIGITS - 1 - math.floor(math.log10(value)))
