"""Sequences made from a recipe: that of an instance, and how tastes, users and servers change."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice, repeat
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from slimbench.instances.files.records import naming_field
from slimbench.instances.generators.generate import (
    Recipe,
    Stream,
    System,
    assembled,
    beyond_devices,
    drawn_routing,
    drawn_system,
    note_of,
    recipe_stream,
    wires_of,
)
from slimbench.instances.network import Network, Places, draw_places, radio_network
from slimbench.instances.problem.arrays import BoolArray
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.routing.activations import Activations, Routed, merged
from slimbench.instances.routing.recipe import ZipfRouting
from slimbench.instances.sequences.mobility import RandomWaypoint, walks
from slimbench.instances.sequences.sequence import MAX_PERIODS, Sequence

BITS: Final = 8

_Count = Annotated[int, msgspec.Meta(ge=0)]
_Positive = Annotated[float, msgspec.Meta(gt=0, le=1e12)]


class Drift(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tastes pass through several rankings at an even pace, the first period at the first one.

    Between two rankings a token is of the next one with a probability that grows linearly.

    Parameters
    ----------
    rankings : int, >= 2
        Routings drawn from the same parameters.
    """

    rankings: Annotated[int, msgspec.Meta(ge=2, le=MAX_PERIODS)] = 2


class Outage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server is down from period ``first`` to period ``last``; periods and servers count from 0."""

    server: _Count
    first: _Count
    last: _Count


class SequenceRecipe(Recipe, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to make a sequence: an instance's recipe, and what changes; nothing does by default.

    Parameters
    ----------
    periods : int
    period_s : float
        Seconds.
    tokens_per_user_s : float
        Tokens a second that each user has generated. Default: reading at 238 words a minute (Brysbaert, How
        many words do we read per minute?, Journal of Memory and Language 109, 2019), 0.75 words a token.
    cloud_bit_per_s : float
        At which a server fetches experts from the cloud; from another server it does at the network's
        ``backhaul_bit_per_s``, over wires at the slowest one's rate, or at this rate if that is faster.
        Default: our choice.
    fetch_weight : float
        Seconds of latency, added up over tokens, that a second of transfer is charged as. Default: our
        choice; 1 is the wait of a single token.
    drift : Drift, optional
        With ``routing.kind = "zipf"`` only.
    mobility : RandomWaypoint, optional
    outages : tuple of Outage
    """

    periods: Annotated[int, msgspec.Meta(ge=1, le=MAX_PERIODS)] = 8
    period_s: _Positive = 60.0
    tokens_per_user_s: _Positive = 238 / 60 / 0.75
    cloud_bit_per_s: _Positive = 2e8
    fetch_weight: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = 1.0
    drift: Drift | None = None
    mobility: RandomWaypoint | None = None
    outages: tuple[Outage, ...] = ()


def read_sequence_recipe(fields: Mapping[str, Any]) -> SequenceRecipe:
    """A recipe from plain values, as TOML has them.

    Raises
    ------
    InstanceError
        Naming the first field that is not as it must be.
    """
    with naming_field(kind=SequenceRecipe):
        return msgspec.convert(dict(fields), SequenceRecipe)


def make_sequence(recipe: SequenceRecipe, data: Path | None = None) -> tuple[Sequence, str]:
    """Make the sequence of a recipe; the same recipe and data give the same sequence on every platform.

    Its first period is the instance that ``make_instance`` makes of the recipe. What devices hold is decided
    by the first period, and stays.

    Parameters
    ----------
    recipe : SequenceRecipe
    data : Path, optional
        Folder that the recipe's relative paths start from; without it, the current one.

    Returns
    -------
    sequence : Sequence
    note : str
        One line: what changes, and what of the routing is measured.

    Raises
    ------
    InstanceError
        If a parameter is out of range, or data are missing or malformed.
    """
    in_service = _in_service(recipe)
    routed = drawn_routing(recipe, data)
    tastes = [routed, *_further_tastes(recipe, data)]
    system = drawn_system(recipe, routed)
    periods = []
    for t, places in enumerate(islice(_places(recipe, system.network), recipe.periods)):
        mixture = _mixture(tastes, t / max(1, recipe.periods - 1))
        activations = beyond_devices(recipe, system, routed, mixture)
        radio = radio_network(system.network, system.servers, routed.zoo_models, places, in_service[t])
        left = replace(system, capacities_bytes=system.capacities_bytes * in_service[t])
        periods.append(assembled(recipe, f"{recipe.name}-t{t}", routed, activations, radio, left))
    cloud_s = recipe.fetch_weight * BITS / recipe.cloud_bit_per_s
    sequence = Sequence(
        name=recipe.name,
        periods=tuple(periods),
        tokens=np.full(recipe.periods, recipe.period_s * recipe.tokens_per_user_s * system.network.users),
        cloud_s_per_byte=cloud_s,
        neighbour_s_per_byte=min(cloud_s, recipe.fetch_weight * _neighbour_s_per_byte(recipe, in_service)),
    )
    return sequence, f"{_changes(recipe, system)}; {note_of(routed, periods[0])}"


def _neighbour_s_per_byte(recipe: SequenceRecipe, in_service: BoolArray) -> float:
    """Over the slowest of the wires; inf where there is no backhaul, and no other server is a source."""
    graph = wires_of(recipe)
    if graph is None:
        network = recipe.network
        return BITS / network.backhaul_bit_per_s if math.isfinite(network.backhaul_delay_s) else math.inf
    usable = np.isfinite(graph.delays_s)
    if not usable.any():
        return math.inf
    for t, up in enumerate(in_service):
        servers = np.flatnonzero(up)
        if not np.isfinite(graph.among(up).times_s(servers, 0.0)[:, servers]).all():
            raise InstanceError(
                "network.backhaul",
                f"leaves a server without a way to another in period {t}, expected one between any two that "
                "are up: an expert is fetched from any of them at one price",
            )
    return float(BITS / graph.bit_per_s[usable].min())


def _in_service(recipe: SequenceRecipe) -> BoolArray:
    """(T, N) bool, which servers are up."""
    servers = recipe.network.servers
    up = np.ones((recipe.periods, servers), np.bool_)
    for i, outage in enumerate(recipe.outages):
        if outage.server >= servers:
            raise InstanceError(f"outages[{i}].server", f"is {outage.server}, expected 0 to {servers - 1}")
        if not outage.first <= outage.last < recipe.periods:
            raise InstanceError(
                f"outages[{i}].last", f"is {outage.last}, expected {outage.first} to {recipe.periods - 1}"
            )
        up[outage.first : outage.last + 1, outage.server] = False
    if not up.any(axis=1).all():
        period = int(np.argmin(up.any(axis=1)))
        raise InstanceError("outages", f"leave no server in period {period}, expected at least one")
    return up


def _further_tastes(recipe: SequenceRecipe, data: Path | None) -> list[Routed]:
    if recipe.drift is None:
        return []
    if not isinstance(recipe.routing, ZipfRouting):
        raise InstanceError("drift", "goes with routing.kind = zipf: what was measured has one ranking")
    return [drawn_routing(recipe, data, ranking) for ranking in range(1, recipe.drift.rankings)]


def _mixture(tastes: list[Routed], elapsed: float) -> Activations:
    """Activations when a share ``elapsed`` of the horizon has passed, between two tastes."""
    if len(tastes) == 1:
        return tastes[0].activations
    at = elapsed * (len(tastes) - 1)
    earlier = min(int(at), len(tastes) - 2)
    share = round(at - earlier, 12)
    parts = [(tastes[earlier].activations, 1 - share), (tastes[earlier + 1].activations, share)]
    width = max(part.groups.shape[1] for part, _ in parts)
    groups = [
        np.pad(part.groups, ((0, 0), (0, width - part.groups.shape[1])), constant_values=-1)
        for part, _ in parts
    ]
    return merged(
        np.concatenate([part.users for part, _ in parts]),
        np.concatenate([part.models for part, _ in parts]),
        np.concatenate([part.layers for part, _ in parts]),
        np.concatenate([weight * part.rates for part, weight in parts]),
        np.concatenate(groups),
    )


def _places(recipe: SequenceRecipe, network: Network) -> Iterator[Places]:
    start = draw_places(network, recipe_stream(recipe, Stream.RADIO))
    if recipe.mobility is None:
        return repeat(start)
    return walks(recipe.mobility, network, start, recipe.period_s, recipe_stream(recipe, Stream.MOBILITY))


def _changes(recipe: SequenceRecipe, system: System) -> str:
    changes = [
        f"tastes drift through {recipe.drift.rankings} rankings" if recipe.drift else "",
        f"users move at {3.6 * recipe.mobility.min_speed_m_per_s:g} to "
        f"{3.6 * recipe.mobility.max_speed_m_per_s:g} km/h"
        if recipe.mobility
        else "",
        *(
            f"{system.servers.names[o.server]} is down in periods {o.first} to {o.last}"
            for o in recipe.outages
        ),
    ]
    return ", ".join(filter(None, changes)) or "nothing changes"
