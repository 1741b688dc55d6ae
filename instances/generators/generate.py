"""Instances made from a recipe: a radio network, and routing that is synthetic, measured or a trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from slimbench.instances.files.records import naming_field
from slimbench.instances.network import (
    Network,
    RadioNetwork,
    Servers,
    WiredGraph,
    connect,
    draw_capacities_bytes,
    draw_network,
    draw_servers,
    place_servers,
)
from slimbench.instances.problem.arrays import IntArray
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.fields import Dispatch
from slimbench.instances.problem.instance import Instance
from slimbench.instances.problem.validation import check_sizes
from slimbench.instances.routing.activations import Activations, Routed
from slimbench.instances.routing.demand import draw_demand
from slimbench.instances.routing.measured import (
    MIXTRAL,
    QWEN,
    MixtralFiddler,
    QwenVllm,
    mixtral_routing,
    qwen_routing,
)
from slimbench.instances.routing.recipe import ZipfRouting, check_rows, draw_routing
from slimbench.instances.traces.traces import TraceRouting, trace_routing, traced_models
from slimbench.instances.zoo import SHIPPED_DATA, zoo_models

POSITION_DECIMALS: Final = 3  # millimetres
RATE_DECIMALS: Final = 12  # last bits differ between platforms' exponentials and sums

Routing = ZipfRouting | MixtralFiddler | QwenVllm | TraceRouting


class Stream(IntEnum):
    """Random numbers of one purpose: the same whatever is drawn for another."""

    RADIO = 0
    CAPACITIES = 1
    ROUTING = 2
    SERVERS = 3
    DEMAND = 4
    TENANTS = 5
    MOBILITY = 6


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to make an instance; the same recipe and data give the same file on every platform.

    Parameters
    ----------
    name : str
        Of the instance.
    dispatch : {"single", "parallel", "serial"}
        Takes no part in any draw: two recipes that differ in it alone differ in it alone.
    seed : int, >= 0
    models : tuple of str
        Names of the zoo. Measured routing brings its own model, and so does a trace that was recorded here;
        of other traces those that their first rows name, if they are of the zoo.
    layers : int, optional
        Only the first layers of each model (of measured routing and traces: of the layers that they have).
    network : Network
    routing : ZipfRouting, MixtralFiddler, QwenVllm or TraceRouting
    """

    name: str
    dispatch: Dispatch
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    models: tuple[str, ...] = ()
    layers: Annotated[int, msgspec.Meta(ge=1)] | None = None
    network: Network = Network()
    routing: Routing = ZipfRouting()


def read_recipe(fields: Mapping[str, Any]) -> Recipe:
    """A recipe from plain values, as TOML has them; ``routing.kind`` says which routing it is.

    The kinds are ``zipf``, ``mixtral-fiddler``, ``qwen15-moe-vllm`` and ``trace``.

    Raises
    ------
    InstanceError
        Naming the first field that is not as it must be.
    """
    with naming_field(kind=Recipe):
        return msgspec.convert(dict(fields), Recipe)


def make_instance(
    recipe: Recipe, data: Path | None = None, part: tuple[float, float] | None = None
) -> tuple[Instance, str]:
    """Make the instance of a recipe.

    Network, kinds of servers, capacities, routing, demand and tenants' rankings are drawn from streams of
    their own: changing one leaves the others.

    Parameters
    ----------
    recipe : Recipe
    data : Path, optional
        Folder that the recipe's relative paths start from; without it, the current one. A trace that is not
        there is looked for among the shipped data.
    part : (float, float), optional
        Of the tokens of the recipe's trace, in the place of the recipe's own part. What devices hold is
        what they hold by the recipe.

    Returns
    -------
    instance : Instance
    note : str
        One line: what of the routing is measured, what is drawn, and what was left out.

    Raises
    ------
    InstanceError
        If a parameter is out of range, or data are missing or malformed.
    """
    routed = seen = drawn_routing(recipe, data)
    if part is not None:
        seen = drawn_routing(_with_part(recipe, part), data)
    system = drawn_system(recipe, routed)
    rng = recipe_stream(recipe, Stream.RADIO)
    radio = draw_network(system.network, system.servers, routed.zoo_models, rng)
    activations = beyond_devices(recipe, system, routed, seen.activations)
    instance = assembled(recipe, recipe.name, routed, activations, radio, system)
    return instance, note_of(seen, instance)


@dataclass(frozen=True, eq=False)
class System:
    """What there is, whoever calls what from where.

    Attributes
    ----------
    network : Network
        The recipe's, with the users that its routing speaks of.
    servers : (N,) Servers
    capacities_bytes : (N,) int64
    """

    network: Network
    servers: Servers
    capacities_bytes: IntArray


def drawn_routing(recipe: Recipe, data: Path | None, ranking: int = 0) -> Routed:
    """What users call, devices' own experts included; sizes of the network are checked first.

    Parameters
    ----------
    data : Path, optional
        As ``make_instance``.
    ranking : int
        Different numbers draw different tastes from one recipe, of the same users and tenants.
    """
    network = recipe.network
    check_sizes(network.servers, network.users, max(1, len(recipe.models)))
    return _routed(recipe, data or Path(), ranking)


def drawn_system(recipe: Recipe, routed: Routed) -> System:
    """Servers and their capacities, for the models and users that are ``routed``."""
    network = msgspec.structs.replace(recipe.network, users=len(routed.user_names))
    servers = draw_servers(network, recipe_stream(recipe, Stream.SERVERS))
    total_bytes = sum(m.layers * m.experts_per_layer * m.expert_bytes for m in routed.models)
    capacities_bytes = draw_capacities_bytes(
        servers, network.capacity_spread, total_bytes, recipe_stream(recipe, Stream.CAPACITIES)
    )
    return System(network, servers, capacities_bytes)


def beyond_devices(recipe: Recipe, system: System, routed: Routed, activations: Activations) -> Activations:
    """What of ``activations`` devices do not serve, which hold what is most called in ``routed``."""
    if not recipe.routing.device_experts:
        return activations
    device_s = np.array([model.group_flop / system.network.device_flop_per_s for model in routed.zoo_models])
    users = system.network.users
    held = routed.activations.most_used(recipe.routing.device_experts, users, routed.models)
    return activations.without_device_experts(held, device_s, routed.models)


def assembled(
    recipe: Recipe, name: str, routed: Routed, activations: Activations, radio: RadioNetwork, system: System
) -> Instance:
    """The instance of a system and of what is called in it, with rates that no platform rounds otherwise."""
    rates = np.round(activations.rates, RATE_DECIMALS)
    kept = activations.where(rates > 0)
    return Instance(
        name=name,
        dispatch=recipe.dispatch,
        base_latency_s=round(activations.base_latency_s, RATE_DECIMALS),
        server_names=system.servers.names,
        capacities_bytes=system.capacities_bytes,
        models=routed.models,
        user_names=routed.user_names,
        edge_latency_s=radio.edge_latency_s,
        cloud_latency_s=radio.cloud_latency_s,
        activation_users=kept.users,
        activation_models=kept.models,
        activation_layers=kept.layers,
        rates=rates[rates > 0],
        group_offsets=kept.group_offsets,
        group_indices=kept.group_indices,
        server_positions_m=np.round(radio.server_positions_m, POSITION_DECIMALS),
        user_positions_m=np.round(radio.user_positions_m, POSITION_DECIMALS),
    )


def note_of(routed: Routed, instance: Instance) -> str:
    """One line on an instance's routing, with what its losses are in seconds."""
    return "; ".join([routed.note, *(routed.losses.told(instance) if routed.losses else [])])


def wires_of(recipe: Recipe) -> WiredGraph | None:
    """The wires between the servers of the recipe's instance, None where each is one hop from every other."""
    return connect(recipe.network, place_servers(recipe.network, recipe_stream(recipe, Stream.RADIO)))


def recipe_stream(recipe: Recipe, stream: Stream, variant: int = 0) -> np.random.Generator:
    """The recipe's random numbers of one purpose; variants of it are as different as purposes."""
    return np.random.Generator(np.random.PCG64([recipe.seed, stream, *([variant] if variant else [])]))


def _with_part(recipe: Recipe, part: tuple[float, float]) -> Recipe:
    if not isinstance(recipe.routing, TraceRouting):
        raise InstanceError("part", 'needs routing.kind = "trace"')
    return msgspec.structs.replace(recipe, routing=msgspec.structs.replace(recipe.routing, part=part))


def _routed(recipe: Recipe, data: Path, ranking: int) -> Routed:
    users, rng = recipe.network.users, recipe_stream(recipe, Stream.ROUTING, ranking)
    match recipe.routing:
        case MixtralFiddler(path=path):
            _expect_model(recipe, MIXTRAL)
            return mixtral_routing(data / path, users, recipe.layers)
        case QwenVllm(path=path):
            _expect_model(recipe, QWEN)
            return qwen_routing(data / path, users, rng, recipe.layers)
        case TraceRouting(path=path) as trace:
            file = _trace_file(data / path, path)
            traced = zoo_models(recipe.models) if recipe.models else traced_models(trace, file)
            return trace_routing(trace, file, traced, recipe.layers, recipe.seed)
        case ZipfRouting() as zipf:
            models_of_zoo = zoo_models(recipe.models)
            models = tuple(model.model(recipe.layers) for model in models_of_zoo)
            check_rows(zipf, models, users)
            demand_rng = recipe_stream(recipe, Stream.DEMAND)
            tenant_rng = recipe_stream(recipe, Stream.TENANTS, ranking)
            demand = draw_demand(zipf.tenants, zipf.model_taste, models, users, demand_rng)
            return Routed(
                draw_routing(zipf, models, demand, rng, tenant_rng),
                models,
                models_of_zoo,
                demand.user_names,
                f"all routing drawn: Zipf exponent {zipf.zipf_exponent:g}, user taste {zipf.user_taste:g}, "
                f"{zipf.tokens} tokens a user and layer"
                + (f", tenants {', '.join(tenant.name for tenant in zipf.tenants)}" if zipf.tenants else ""),
            )


def _trace_file(file: Path, path: str) -> Path:
    shipped = SHIPPED_DATA / path
    return shipped if not file.exists() and shipped.exists() else file


def _expect_model(recipe: Recipe, name: str) -> None:
    if recipe.models not in {(), (name,)}:
        raise InstanceError("models", f"is {', '.join(recipe.models)}, expected {name}, which was measured")
