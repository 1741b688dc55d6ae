"""Published Mixture-of-Experts models: the facts that a placement depends on (data/moe_models.csv)."""

from __future__ import annotations

import csv
import difflib
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from types import MappingProxyType

import msgspec

from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Model

SHIPPED_DATA = Path(str(resources.files("slimbench.instances"))) / "data"
BYTES_PER_BF16 = 2
FLOP_PER_PARAMETER = 2  # one multiplication and one addition a token


@dataclass(frozen=True)
class ZooModel:
    """One row of the table; counts without a unit, all sizes of a single expert unless named otherwise.

    Parameters
    ----------
    name : str
    moe_layers : int
        Layers that have routed experts; dense layers are not counted.
    experts_per_layer : int
        Routed experts. Shared experts run on every token and stay with the device.
    shared_experts : int
    top_k : int
        Routed experts that one token calls in one layer.
    hidden_size : int
    expert_intermediate_size : int
    matrices_per_expert : int
    params_per_expert : int
    bytes_per_expert_bf16 : int, bytes
    routed_params_total : int
    note : str
        Where the figures are from, or what is particular.
    """

    name: str
    moe_layers: int
    experts_per_layer: int
    shared_experts: int
    top_k: int
    hidden_size: int
    expert_intermediate_size: int
    matrices_per_expert: int
    params_per_expert: int
    bytes_per_expert_bf16: int
    routed_params_total: int
    note: str

    @property
    def hidden_state_bytes(self) -> int:
        """Bytes sent for one token before a layer's experts, and back after them, in bf16."""
        return BYTES_PER_BF16 * self.hidden_size

    @property
    def expert_flop(self) -> int:
        """Floating-point operations of one expert on one token."""
        return FLOP_PER_PARAMETER * self.params_per_expert

    @property
    def group_flop(self) -> int:
        """Floating-point operations of the ``top_k`` experts of one layer on one token."""
        return self.top_k * self.expert_flop

    def sized_as(self, other: ZooModel) -> ZooModel:
        """The model with a hidden state and experts of the size of another's; its note says so."""
        return replace(
            self,
            hidden_size=other.hidden_size,
            expert_intermediate_size=other.expert_intermediate_size,
            matrices_per_expert=other.matrices_per_expert,
            params_per_expert=other.params_per_expert,
            bytes_per_expert_bf16=other.bytes_per_expert_bf16,
            routed_params_total=self.moe_layers * self.experts_per_layer * other.params_per_expert,
            note=f"sizes of {other.name}",
        )

    def model(self, layers: int | None = None) -> Model:
        """The model as an instance has it, in bf16; with ``layers``, only its first ones.

        Raises
        ------
        InstanceError
            If it has fewer layers.
        """
        if layers is not None and not 1 <= layers <= self.moe_layers:
            raise InstanceError(
                "layers", f"is {layers}, expected 1 to {self.moe_layers}, the layers of {self.name}"
            )
        return Model(
            self.name,
            self.moe_layers if layers is None else layers,
            self.experts_per_layer,
            self.top_k,
            self.bytes_per_expert_bf16,
        )


def published_as(identifier: str, names: Iterable[str]) -> str | None:
    """Which of the models goes by an identifier such as ``Qwen/Qwen1.5-MoE-A2.7B-Chat``; None if none does.

    That is the one whose name the identifier's last part begins with, whatever follows after a dash.
    """
    last = identifier.rstrip("/").rpartition("/")[2].lower()
    fitting = [name for name in names if f"{last}-".startswith(f"{name.lower()}-")]
    return max(fitting, key=len, default=None)


@functools.cache
def zoo() -> Mapping[str, ZooModel]:
    """Every model of the table by its name, in the order of the table."""
    table = SHIPPED_DATA / "moe_models.csv"
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    models = msgspec.convert(list(rows), list[ZooModel], strict=False)
    return MappingProxyType({model.name: model for model in models})


def zoo_model(name: str, field: str = "model") -> ZooModel:
    """The model of this name.

    Raises
    ------
    InstanceError
        Naming ``field`` and the models whose names come close.
    """
    known = zoo()
    if name not in known:
        close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
        raise InstanceError(field, f"is {name!r}, expected a model such as {', '.join(close or known)}")
    return known[name]


def zoo_models(names: Sequence[str]) -> tuple[ZooModel, ...]:
    """The models that a recipe names.

    Raises
    ------
    InstanceError
        Naming the field, if there is no such model or no name at all.
    """
    if not names:
        raise InstanceError("models", f"is empty, expected one or more of {', '.join(zoo())}")
    return tuple(zoo_model(name, f"models[{i}]") for i, name in enumerate(names))
