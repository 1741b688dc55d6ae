"""Which experts a model calls, read off the calls themselves: the arguments of its experts modules.

In transformers 5 a router hands its choice to a module that holds all experts of the layer. What this module
is called with is what happened, whatever the router did to get there (groups, biases, capacities).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import nn

from slimbench.instances.problem.arrays import FloatArray, IntArray
from slimbench.instances.problem.errors import InstanceError


class ExpertsCall(NamedTuple):
    """By which parameters an experts module is told where its T tokens go.

    Attributes
    ----------
    chosen : str
        (T, K) expert ids, or (T, K, E) where ``one_hot``; then all zeros are a call that was dropped.
    weights : str
        (T, K) gate weights.
    one_hot : bool
    """

    chosen: str
    weights: str
    one_hot: bool = False


EXPERTS_CALLS: Final = (
    ExpertsCall("top_k_index", "top_k_weights"),  # Mixtral, Qwen, OLMoE, DeepSeek and most others
    ExpertsCall("router_indices", "routing_weights"),  # gpt-oss
    ExpertsCall("selected_experts", "routing_weights", one_hot=True),  # Switch
)


class Choices(NamedTuple):
    """What one layer did with T tokens.

    Attributes
    ----------
    experts : (T, K) int64
        In falling order of their weights, -1 after them for calls that were dropped.
    weights : (T, K) float64
    """

    experts: IntArray
    weights: FloatArray


@dataclass(frozen=True, eq=False)
class MoeLayer:
    """A layer with routed experts, and what these were called with since it was last asked."""

    name: str
    experts: nn.Module
    call: ExpertsCall
    _calls: list[Choices] = field(default_factory=list, init=False)

    def taken(self, tokens: int) -> Choices:
        """The choices for ``tokens`` tokens, all that were made; they are forgotten here.

        Raises
        ------
        InstanceError
            If the module was called for another number of tokens.
        """
        calls, self._calls[:] = tuple(self._calls), []
        made = sum(len(call.experts) for call in calls)
        if made != tokens:
            raise InstanceError(
                f"model: {self.name}", f"was called for {made} tokens of {tokens}, expected each of them once"
            )
        return Choices(*(np.concatenate(parts) for parts in zip(*calls, strict=True)))

    def keep_call(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Before a call of the experts module: keep what it is called with."""
        arguments = inspect.signature(module.forward).bind(*args, **kwargs).arguments
        chosen, weights = arguments[self.call.chosen], arguments[self.call.weights].float()
        if self.call.one_hot:
            chosen = torch.where(chosen.any(dim=-1), chosen.argmax(dim=-1), -1)
        order = torch.where(chosen < 0, -torch.inf, weights).argsort(dim=-1, descending=True, stable=True)
        experts, weights = chosen.gather(-1, order), weights.gather(-1, order)
        self._calls.append(Choices(experts.cpu().numpy(), weights.double().cpu().numpy()))


def moe_layers(model: nn.Module) -> list[MoeLayer]:
    """The layers with routed experts in the order of the model; of an encoder before those of a decoder.

    Raises
    ------
    InstanceError
        If there is none that is called in a known way.
    """
    layers = []
    for name, module in model.named_modules():
        parameters = inspect.signature(module.forward).parameters
        layers += [
            MoeLayer(name, module, call)
            for call in EXPERTS_CALLS
            if {call.chosen, call.weights} <= parameters.keys()
        ]
    if not layers:
        known = " or ".join(f"{call.chosen} and {call.weights}" for call in EXPERTS_CALLS)
        raise InstanceError(
            "model",
            f"is a {type(model).__name__} without a known experts module, "
            f"expected one whose forward takes {known}",
        )
    return layers


@contextmanager
def watching(layers: Sequence[MoeLayer]) -> Iterator[None]:
    """Let the layers keep what they are called with."""
    with ExitStack() as hooks:
        for layer in layers:
            handle = layer.experts.register_forward_pre_hook(layer.keep_call, with_kwargs=True)
            hooks.callback(handle.remove)
        yield
