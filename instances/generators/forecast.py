"""Forecasts: what placements are trained on where it is not what they are evaluated on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
import numpy as np

from slimbench.instances.files.records import naming_field
from slimbench.instances.generators.generate import RATE_DECIMALS
from slimbench.instances.network.drawing import LATENCY_DECIMALS
from slimbench.instances.problem.arrays import FloatArray, IntArray, offsets_of, padded_groups
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Instance
from slimbench.instances.problem.validation import MAX_ACTIVATIONS
from slimbench.instances.sampling.uniform import normal
from slimbench.instances.traces.traces import check_part

Kind = Literal["tokens", "part", "rate_noise", "latency_noise"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
MAX_FORECASTS: Final = 10_000  # of one instance
_STREAM: Final = 0x706C616E  # no recipe's network or routing is drawn from the same numbers

_Spread = Annotated[float, msgspec.Meta(gt=0, le=10)]


class Forecast(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the planner's view of an instance differs from the instance; one of the four kinds.

    Parameters
    ----------
    tokens : int
        The planner has observed so many tokens of each user and model, drawn from the instance's own rates.
    part : (float, float)
        The planner knows this part of a trace's tokens; see ``TraceRouting``.
    rate_noise : float
        Every rate is known up to a log-normal factor, exp of a normal number with this standard deviation.
    latency_noise : float
        The same of the latencies, a factor for each user and server and for each user's way to the cloud.
    seed : int
        Of what is drawn; a part of a trace is split by the recipe's own.
    """

    tokens: Annotated[int, msgspec.Meta(ge=1, le=MAX_ACTIVATIONS)] | None = None
    part: tuple[float, float] | None = None
    rate_noise: _Spread | None = None
    latency_noise: _Spread | None = None
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 0

    def __post_init__(self) -> None:
        if sum(getattr(self, kind) is not None for kind in KINDS) != 1:
            raise InstanceError("", f"expected exactly one of {', '.join(KINDS)}")
        if self.part is not None:
            check_part("part", self.part)
            if self.seed:
                raise InstanceError("seed", "does not go with part, which the seed of the recipe splits")

    @property
    def kind(self) -> Kind:
        """Which of the four it is."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def amount(self) -> float:
        """Of that kind: tokens, share of the trace's tokens, or standard deviation."""
        if self.part is not None:
            return round(self.part[1] - self.part[0], 12)  # equal shares are equal wherever they lie
        return float(getattr(self, self.kind))

    @property
    def label(self) -> str:
        """Such as ``tokens=16,seed=3``."""
        if self.part is not None:
            return "part={:.12g}-{:.12g}".format(*self.part)
        return f"{self.kind}={self.amount:.12g},seed={self.seed}"


class _Entry(msgspec.Struct):
    planning: list[dict[str, Any]]


def read_forecasts(entries: object) -> tuple[Forecast, ...]:
    """Forecasts from plain values, as TOML has them; values and seeds may be lists, which are run through.

    Raises
    ------
    InstanceError
        Naming the first field that is not as it must be, from ``planning`` on.
    """
    with naming_field():
        tables = msgspec.convert({"planning": entries}, _Entry).planning
    forecasts: dict[Forecast, None] = {}
    for number, table in enumerate(tables):
        place = f"planning[{number}]"
        for fields in _run_through(table, place):
            try:
                with naming_field():
                    forecast = msgspec.convert(fields, Forecast)
            except InstanceError as error:
                raise InstanceError(".".join(filter(None, (place, error.field))), error.problem) from None
            if forecast in forecasts:
                raise InstanceError(place, f"has {forecast.label} a second time")
            if len(forecasts) == MAX_FORECASTS:
                raise InstanceError("planning", f"has more than {MAX_FORECASTS}")
            forecasts[forecast] = None
    return tuple(forecasts)


def _run_through(table: Mapping[str, Any], place: str) -> Iterator[dict[str, Any]]:
    """The table for every choice from its lists; a part is a list itself."""
    lists = {key: value for key, value in table.items() if isinstance(value, list)}
    if "part" in lists and not any(isinstance(bound, list) for bound in lists["part"]):
        del lists["part"]
    if empty := [key for key, values in lists.items() if not values]:
        raise InstanceError(f"{place}.{empty[0]}", "is an empty list")
    for values in itertools.product(*lists.values()):
        yield {**table, **dict(zip(lists, values, strict=True))}


def forecast_instance(instance: Instance, forecast: Forecast) -> Instance:
    """What the planner of an instance sees: the same servers, models, experts and users.

    The result does not depend on the order of the instance's activations.

    Raises
    ------
    InstanceError
        If the forecast is a part of a trace, which an instance does not hold, or too much would be drawn.
    """
    if forecast.tokens is not None:
        seen = _observed(instance, forecast.tokens, forecast.seed)
    elif forecast.rate_noise is not None:
        seen = _with_rate_noise(instance, forecast.rate_noise, forecast.seed)
    elif forecast.latency_noise is not None:
        seen = _with_latency_noise(instance, forecast.latency_noise, forecast.seed)
    else:
        raise InstanceError("part", "needs an instance that is made of a trace")
    return named_by(forecast, seen)


def named_by(forecast: Forecast, seen: Instance) -> Instance:
    """The planner's instance under a name of its own, such as ``campus[tokens=16,seed=3]``."""
    return replace(seen, name=f"{seen.name}[{forecast.label}]")


def _observed(instance: Instance, tokens: int, seed: int) -> Instance:
    """Rates as counted over observed tokens: multinomial, independent between layers.

    A user's share of all tokens, which is known, is that of its most called layer, as in a trace; what the
    rates of a layer lack to it, the device serves. The first tokens of more are those of fewer.
    """
    order = _canonical_order(instance)
    layers = instance.group_layers[order].astype(np.int64)
    keys = instance.activation_users[order].astype(np.int64) * instance.n_layers + layers
    sources, counts = np.unique(keys, return_counts=True)  # users' layers, where tokens are counted
    if len(sources) * tokens > MAX_ACTIVATIONS:
        raise InstanceError(
            "tokens", f"would draw {len(sources) * tokens} groups, expected at most {MAX_ACTIVATIONS}"
        )
    starts = offsets_of(counts)
    shares = _token_shares(instance)
    rates = np.zeros(instance.n_activations)
    for source, first, end in zip(sources.tolist(), starts[:-1], starts[1:], strict=True):
        user, layer = divmod(source, instance.n_layers)
        share = shares[user, instance.layer_models[layer]]
        rng = _generator("tokens", seed, user, layer)
        ends = np.cumsum(instance.rates[order[first:end]])
        called = np.searchsorted(ends, share * rng.random(tokens), side="right")
        seen = np.bincount(called, minlength=end - first + 1)[:-1]
        rates[order[first:end]] = seen * share / tokens
    return _with_rates(instance, rates)


def _token_shares(instance: Instance) -> FloatArray:
    """(U, M) float64, each user's and model's share of all tokens: the rates of its most called layer."""
    users, layers = instance.n_users, instance.n_layers
    keys = instance.activation_users.astype(np.int64) * layers + instance.group_layers
    calls = np.bincount(keys, instance.rates, users * layers).reshape(users, layers)
    return np.maximum.reduceat(calls, instance.model_layer_starts[:-1], axis=1)


def _with_rate_noise(instance: Instance, spread: float, seed: int) -> Instance:
    rng = _generator("rate_noise", seed)
    rates = np.empty(instance.n_activations)
    factors = np.exp(spread * normal(rng, (instance.n_activations,)))
    order = _canonical_order(instance)
    rates[order] = instance.rates[order] * factors
    return _with_rates(instance, rates)


def _with_latency_noise(instance: Instance, spread: float, seed: int) -> Instance:
    """Unreachable stays unreachable; all models of a link share its factor."""
    rng = _generator("latency_noise", seed)
    users, servers = instance.n_users, instance.n_servers
    factors = np.exp(spread * normal(rng, (users, servers + 1)))
    return replace(
        instance,
        edge_latency_s=np.round(instance.edge_latency_s * factors[:, :servers, None], LATENCY_DECIMALS),
        cloud_latency_s=np.round(instance.cloud_latency_s * factors[:, servers:], LATENCY_DECIMALS),
    )


def _generator(kind: Kind, *numbers: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([_STREAM, KINDS.index(kind), *numbers]))


def _with_rates(instance: Instance, rates: FloatArray) -> Instance:
    """The instance with other rates; activations of rate 0 are left out."""
    rates = np.round(rates, RATE_DECIMALS)
    kept = rates > 0
    sizes = instance.group_sizes
    return replace(
        instance,
        activation_users=instance.activation_users[kept],
        activation_models=instance.activation_models[kept],
        activation_layers=instance.activation_layers[kept],
        rates=rates[kept],
        group_offsets=offsets_of(sizes[kept]),
        group_indices=instance.group_indices[np.repeat(kept, sizes)],
    )


def _canonical_order(instance: Instance) -> IntArray:
    """(A,) int64, activations by user, layer, group and rate, whatever their order in the instance."""
    groups = padded_groups(instance.group_offsets, instance.group_indices)
    return np.lexsort((instance.rates, *groups.T[::-1], instance.group_layers, instance.activation_users))
