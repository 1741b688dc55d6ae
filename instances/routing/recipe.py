"""Synthetic routing: skewed popularity, tastes of tenants and users, and Top-K draws without replacement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np

from slimbench.instances.files.ranges import check_ranges
from slimbench.instances.files.records import Choice, refuse_same_names
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Model
from slimbench.instances.problem.validation import MAX_ACTIVATIONS
from slimbench.instances.routing.activations import Activations, merged
from slimbench.instances.routing.demand import Demand, Tenant
from slimbench.instances.sampling.uniform import permutation

Count = Annotated[int, msgspec.Meta(ge=0)]


class ZipfRouting(Choice, frozen=True, kw_only=True, tag="zipf"):
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
    model_taste : float
        Share of a user's tokens that its favourite model has beforehand; the rest is shared by all models as
        its tenant shares them, and so are favourites drawn. 0 = no favourite, 1 = every user has one model.
    tenants : tuple of Tenant
        Without any, all users are alike.

    Raises
    ------
    InstanceError
        If a parameter is out of its range; the field is ``routing.NAME``.
    """

    zipf_exponent: float = 0.65
    user_taste: float = 0.3
    tokens: int = 256
    device_experts: Count = 0
    model_taste: float = 0.0
    tenants: tuple[Tenant, ...] = ()

    def __post_init__(self) -> None:
        check_ranges(self, "routing", {"zipf_exponent": (0, 10), "user_taste": (0, 1), "model_taste": (0, 1)})
        if self.tokens < 1:
            raise InstanceError("routing.tokens", f"is {self.tokens}, expected a positive integer")
        refuse_same_names([tenant.name for tenant in self.tenants], "routing.tenants")


def check_rows(routing: ZipfRouting, models: Sequence[Model], users: int) -> None:
    """Refuse to draw more rows than an instance may have; asked before any is drawn."""
    rows = users * sum(model.layers for model in models) * routing.tokens
    draws = routing.tokens * max(model.experts_per_layer for model in models)
    if rows > MAX_ACTIVATIONS or draws > MAX_ACTIVATIONS:
        raise InstanceError(
            "routing.tokens",
            f"is {routing.tokens}, expected at most {MAX_ACTIVATIONS} of all users and layers together, "
            "and as many random numbers of one user and layer",
        )


def draw_routing(
    routing: ZipfRouting,
    models: Sequence[Model],
    demand: Demand,
    rng: np.random.Generator,
    tenant_rng: np.random.Generator,
) -> Activations:
    """Draw each user's tokens in every layer of every model.

    Ranks are permuted anew in each layer. A token calls the ``top_k`` experts that come first in an
    exponential race, expert e at the rate of its popularity: the same law as the largest log popularity plus
    Gumbel noise, that is, drawing one expert after another without replacement. The rates of one layer, over
    all users, add up to the model's share of all tokens.

    Parameters
    ----------
    routing : ZipfRouting
    models : (M,) Model
    demand : Demand
    rng, tenant_rng : numpy Generator
        For users and tokens, and for the rankings of tenants. Only uniform numbers are used.
    """
    users = len(demand.user_names)
    width = max(model.top_k for model in models)
    keys_of, groups = [], []
    for m, model in enumerate(models):
        experts = model.experts_per_layer
        zipf = np.arange(1, experts + 1, dtype=np.float64) ** -routing.zipf_exponent
        for layer in range(model.layers):
            shared = zipf[permutation(rng, experts)]
            common = [
                (1 - taste) * shared + taste * zipf[permutation(tenant_rng, experts)] if taste else shared
                for taste in demand.tastes
            ]
            for user, tenant in enumerate(demand.tenants):
                own = zipf[permutation(rng, experts)]
                popularity = (1 - routing.user_taste) * common[tenant] + routing.user_taste * own
                arrivals = -np.log1p(-rng.random((routing.tokens, experts))) / popularity
                table = np.full((routing.tokens, width), -1, np.int32)
                table[:, : model.top_k] = np.argsort(arrivals, axis=1, kind="stable")[:, : model.top_k]
                keys_of.append((user, m, layer))
                groups.append(table)
    keys = np.array(keys_of)
    rates = demand.shares[keys[:, 0], keys[:, 1]] / (users * len(models) * routing.tokens)
    keys, rates = np.repeat(keys, routing.tokens, axis=0), np.repeat(rates, routing.tokens)
    return merged(keys[:, 0], keys[:, 1], keys[:, 2], rates, np.concatenate(groups))
