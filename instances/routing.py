"""Synthetic routing: skewed popularity, users' taste, and Top-K draws without replacement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np

from slimbench.instances.activations import Activations, merged
from slimbench.instances.arrays import IntArray
from slimbench.instances.errors import InstanceError
from slimbench.instances.instance import Model
from slimbench.instances.validation import MAX_ACTIVATIONS

Count = Annotated[int, msgspec.Meta(ge=0)]


class ZipfRouting(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="zipf"
):
    """Parameters of synthetic routing.

    Parameters
    ----------
    zipf_exponent : float
        The expert of rank r has popularity r ** -zipf_exponent. Default: mean over the layers of OLMoE-1B-7B
        (0.45 to 0.83 a layer), 49,152 tokens, Hugging Face dataset mkvn/quantization-cache-amplification.
    user_taste : float
        Share of a user's popularity that comes from a ranking of its own; 0 = all users alike, 1 = users have
        nothing in common. Default: our choice.
    tokens : int
        Drawn for each user and layer. Default: our choice.
    device_experts : int
        Most-used experts of each layer that a device holds itself.

    Raises
    ------
    InstanceError
        If a parameter is out of its range; the field is ``routing.NAME``.
    """

    zipf_exponent: float = 0.65
    user_taste: float = 0.3
    tokens: int = 256
    device_experts: Count = 0

    def __post_init__(self) -> None:
        for name, high in {"zipf_exponent": 10, "user_taste": 1}.items():
            if not 0 <= (value := getattr(self, name)) <= high:
                raise InstanceError(f"routing.{name}", f"is {value}, expected 0 to {high}")
        if self.tokens < 1:
            raise InstanceError("routing.tokens", f"is {self.tokens}, expected a positive integer")


def draw_routing(
    routing: ZipfRouting, models: Sequence[Model], users: int, rng: np.random.Generator
) -> Activations:
    """Draw each user's tokens in every layer of every model.

    Ranks are permuted anew in each layer. A token calls the ``top_k`` experts that come first in an
    exponential race, expert e at the rate of its popularity: the same law as the largest log popularity plus
    Gumbel noise, that is, drawing one expert after another without replacement. Users have equal shares of
    the tokens, and use all models equally: the rates of one layer, over all users, add up to 1 / M.

    Parameters
    ----------
    routing : ZipfRouting
    models : (M,) Model
    users : int
    rng : numpy Generator
        Only its uniform numbers are used.
    """
    rows = users * sum(model.layers for model in models) * routing.tokens
    draws = routing.tokens * max(model.experts_per_layer for model in models)
    if rows > MAX_ACTIVATIONS or draws > MAX_ACTIVATIONS:
        raise InstanceError(
            "routing.tokens",
            f"is {routing.tokens}, expected at most {MAX_ACTIVATIONS} of all users and layers together, "
            "and as many random numbers of one user and layer",
        )
    width = max(model.top_k for model in models)
    keys_of, groups = [], []
    for m, model in enumerate(models):
        experts = model.experts_per_layer
        zipf = np.arange(1, experts + 1, dtype=np.float64) ** -routing.zipf_exponent
        for layer in range(model.layers):
            shared = zipf[_permutation(rng, experts)]
            for user in range(users):
                own = zipf[_permutation(rng, experts)]
                popularity = (1 - routing.user_taste) * shared + routing.user_taste * own
                arrivals = -np.log1p(-rng.random((routing.tokens, experts))) / popularity
                table = np.full((routing.tokens, width), -1, np.int32)
                table[:, : model.top_k] = np.argsort(arrivals, axis=1, kind="stable")[:, : model.top_k]
                keys_of.append((user, m, layer))
                groups.append(table)
    keys = np.repeat(np.array(keys_of), routing.tokens, axis=0)
    rates = np.full(len(keys), 1 / (users * len(models) * routing.tokens))
    return merged(keys[:, 0], keys[:, 1], keys[:, 2], rates, np.concatenate(groups))


def _permutation(rng: np.random.Generator, size: int) -> IntArray:
    """A uniform permutation from uniform numbers alone: those never change with NumPy."""
    return np.argsort(rng.random(size), kind="stable")
