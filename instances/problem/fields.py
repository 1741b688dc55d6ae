"""What an instance consists of: its models, names and arrays, before they are checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from slimbench.instances.problem.arrays import FloatArray, IndexArray, IntArray

Dispatch = Literal["single", "parallel", "serial"]
DISPATCHES: Final[tuple[Dispatch, ...]] = get_args(Dispatch)


def plain_text(value: object) -> str:
    """A name as ``str`` itself: subclasses, such as NumPy's, print and hash in other ways."""
    return str.__str__(value) if isinstance(value, str) else str(value)


@dataclass(frozen=True)
class Model:
    """One Mixture-of-Experts model; all of its experts have ``expert_bytes``."""

    name: str
    layers: int
    experts_per_layer: int
    top_k: int
    expert_bytes: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", plain_text(self.name))


@dataclass(frozen=True, eq=False)
class InstanceFields:
    """The fields of ``Instance``, which documents and checks them."""

    name: str
    dispatch: Dispatch
    base_latency_s: float
    server_names: tuple[str, ...]
    capacities_bytes: IntArray
    models: tuple[Model, ...]
    user_names: tuple[str, ...]
    edge_latency_s: FloatArray
    cloud_latency_s: FloatArray
    activation_users: IndexArray
    activation_models: IndexArray
    activation_layers: IndexArray
    rates: FloatArray
    group_offsets: IntArray
    group_indices: IndexArray
    server_positions_m: FloatArray | None = None
    user_positions_m: FloatArray | None = None

    @property
    def n_servers(self) -> int:
        """N."""
        return len(self.server_names)

    @property
    def n_users(self) -> int:
        """U."""
        return len(self.user_names)

    @property
    def n_activations(self) -> int:
        """A."""
        return len(self.rates)
