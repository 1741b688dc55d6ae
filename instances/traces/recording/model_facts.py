"""Facts of a model that a placement depends on, from the weights of its experts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.traces.recording.routers import MoeLayer
from slimbench.instances.zoo import BYTES_PER_BF16, ZooModel


class ExpertsSize(NamedTuple):
    """The experts of one layer: how many, and the size of each; shared ones in units of a routed one."""

    number: int
    params: int
    matrices: int
    intermediate_size: int
    shared: int


def experts_size(model: nn.Module, layers: Sequence[MoeLayer]) -> ExpertsSize:
    """The size that the experts of all layers have; biases count as parameters.

    Raises
    ------
    InstanceError
        If layers differ, or weights are quantised.
    """
    first, *others = (_size(model, layer) for layer in layers)
    for layer, size in zip(layers[1:], others, strict=True):
        if size != first:
            raise InstanceError(f"model: {layer.name}", f"has {size}, expected {first} as in the first layer")
    return first


def model_facts(name: str, model: nn.Module, layers: int, experts: ExpertsSize, top_k: int) -> ZooModel:
    """The facts of a model as the zoo has them, with experts in bf16 whatever the type they were loaded in.

    Parameters
    ----------
    name : str
    model : PreTrainedModel
    layers : int
        With routed experts.
    experts : ExpertsSize
    top_k : int
        The most experts that a token was sent to in one layer.
    """
    return ZooModel(
        name=name,
        moe_layers=layers,
        experts_per_layer=experts.number,
        shared_experts=experts.shared,
        top_k=top_k,
        hidden_size=_hidden_size(model),
        expert_intermediate_size=experts.intermediate_size,
        matrices_per_expert=experts.matrices,
        params_per_expert=experts.params,
        bytes_per_expert_bf16=BYTES_PER_BF16 * experts.params,
        routed_params_total=layers * experts.number * experts.params,
        note=f"recorded from {type(model).__name__}",
    )


def _hidden_size(model: nn.Module) -> int:
    return int(model.config.get_text_config().hidden_size)


def _size(model: nn.Module, layer: MoeLayer) -> ExpertsSize:
    stacked = [weights for weights in layer.experts.parameters(recurse=False) if weights.ndim == 3]
    if stacked:
        count, matrices = len(stacked[0]), [weights[0] for weights in stacked]
    else:
        children = list(layer.experts.children())
        count, matrices = len(children), [w for w in children[0].parameters() if w.ndim == 2]
    weights = list(layer.experts.parameters())
    if not all(tensor.is_floating_point() for tensor in weights):
        raise InstanceError(f"model: {layer.name}", "has quantised experts, expected floating-point weights")
    # A gate and an up projection may be one tensor, the down projection is one matrix: the smallest.
    matrix_size = min(matrix.numel() for matrix in matrices)
    params = sum(tensor.numel() for tensor in weights) // count
    return ExpertsSize(
        count,
        params,
        sum(matrix.numel() for matrix in matrices) // matrix_size,
        matrix_size // _hidden_size(model),
        _shared_experts(model.get_submodule(layer.name.rpartition(".")[0]), params),
    )


def _shared_experts(block: nn.Module, params: int) -> int:
    shared: list[Tensor] = []
    for name, module in block.named_children():
        if re.fullmatch(r"shared_(expert|experts|mlp)", name):
            shared += module.parameters()
    return max(1, round(sum(tensor.numel() for tensor in shared) / params)) if shared else 0
