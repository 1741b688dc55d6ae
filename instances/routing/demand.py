"""Demand: tenants, their users, and the models that they use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from slimbench.instances.files.ranges import WEIGHT, check_ranges
from slimbench.instances.problem.arrays import FloatArray, IntArray
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Model
from slimbench.instances.sampling.apportionment import apportioned
from slimbench.instances.sampling.uniform import choices


class Tenant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of users that are alike: an organisation, or an application.

    Parameters
    ----------
    name : str
        Its users are called NAME-0, NAME-1, ...
    users : float
        Share of the users, relative to the shares of the other tenants.
    weight : float
        Share of the tokens, relative to the other tenants. Default: as many as ``users``.
    models : dict of float
        Share of each model in the tenant's tokens, relative. Default: all models alike.
    taste : float
        Share of the popularity common to all users that the tenant replaces by a ranking of its own; 0 = like
        all other tenants, 1 = nothing in common with them.
    """

    name: str
    users: float = 1.0
    weight: float | None = None
    models: dict[str, float] = {}
    taste: float = 0.0

    def __post_init__(self) -> None:
        check_ranges(self, "routing.tenants", {"users": WEIGHT, "weight": WEIGHT, "taste": (0, 1)})
        for name, share in self.models.items():
            if not WEIGHT[0] <= share <= WEIGHT[1]:
                raise InstanceError(
                    f"routing.tenants.models.{name}", f"is {share}, expected {WEIGHT[0]:g} to {WEIGHT[1]:g}"
                )


@dataclass(frozen=True, eq=False)
class Demand:
    """Who generates which share of the tokens.

    Attributes
    ----------
    user_names : (U,) str
    tenants : (U,) int64
        Tenant of each user, 0 where there are none.
    tastes : (T,) float64
        Of each tenant; a single 0 where there are none.
    shares : (U, M) float64
        Share of each user and model in the tokens of all, times U M: 1 where all are alike.
    """

    user_names: tuple[str, ...]
    tenants: IntArray
    tastes: FloatArray
    shares: FloatArray


def draw_demand(
    tenants: Sequence[Tenant],
    model_taste: float,
    models: Sequence[Model],
    users: int,
    rng: np.random.Generator,
) -> Demand:
    """Give every user a tenant, in order of the tenants, and draw favourite models where there are such.

    Parameters
    ----------
    tenants : sequence of Tenant
        May be empty: all users alike.
    model_taste : float
        As ``ZipfRouting`` has it.
    models : (M,) Model
    users : int
    rng : numpy Generator
        Only its uniform numbers are used.

    Raises
    ------
    InstanceError
        If a tenant uses a model that is not there, or would have no user.
    """
    separator = "-" if tenants else ""
    tenants = tenants or (Tenant(name="u"),)
    counts = apportioned(users, np.array([tenant.users for tenant in tenants]))
    if not counts.all():
        name = tenants[int(np.argmin(counts))].name
        raise InstanceError("network.users", f"is {users}, expected enough for a user of the tenant {name!r}")
    of = np.repeat(np.arange(len(tenants)), counts)
    names = [
        f"{t.name}{separator}{i}" for t, count in zip(tenants, counts, strict=True) for i in range(count)
    ]
    weights = np.array([t.users if t.weight is None else t.weight for t in tenants])
    user_shares = (weights / weights.sum() * (users / counts))[of]
    model_shares = np.array([_model_shares(t, models, i) for i, t in enumerate(tenants)])[of]
    if model_taste:
        favourites = np.array([choices(rng, row, 1)[0] for row in model_shares])
        loved = len(models) * (favourites[:, None] == np.arange(len(models)))
        model_shares = (1 - model_taste) * model_shares + model_taste * loved
    return Demand(
        tuple(names),
        of,
        np.array([tenant.taste for tenant in tenants]),
        user_shares[:, None] * model_shares,
    )


def _model_shares(tenant: Tenant, models: Sequence[Model], position: int) -> FloatArray:
    """(M,) share of each model in the tenant's tokens, times M."""
    known = [model.name for model in models]
    if unknown := sorted(tenant.models.keys() - set(known)):
        raise InstanceError(
            f"routing.tenants[{position}].models", f"names {unknown[0]!r}, expected one of {', '.join(known)}"
        )
    shares = np.array([tenant.models.get(name, 0.0) if tenant.models else 1.0 for name in known])
    return np.asarray(shares * (len(known) / shares.sum()))
