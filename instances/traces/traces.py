"""Routing of a trace: one row per token and layer, as Parquet, CSV or JSON lines (docs/FILES.md)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np

from slimbench.instances.files.records import Choice
from slimbench.instances.problem.arrays import IndexArray, IntArray
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Model
from slimbench.instances.routing.activations import Activations, Routed
from slimbench.instances.routing.losses import Losses
from slimbench.instances.routing.recipe import Count
from slimbench.instances.traces.batches import UsersBy, named_models
from slimbench.instances.traces.counts import EVERYTHING, MAX_GROUPS, count_trace
from slimbench.instances.traces.facts import read_facts
from slimbench.instances.zoo import ZooModel, zoo, zoo_model, zoo_models

MAX_LISTED: Final = 8  # layers that a note names one by one

_Positive = Annotated[int, msgspec.Meta(ge=1)]


class TraceRouting(Choice, frozen=True, kw_only=True, tag="trace"):
    """Routing of a trace file; its users are the users, so that ``network.users`` is not used.

    Parameters
    ----------
    path : str
        ``.parquet``, ``.csv`` or ``.jsonl``, the latter two also ``.gz``; if there is none, a shipped one.
    size_of : str
        A model of the zoo: those of the trace get hidden states and experts of its size. Without it they
        have their own.
    device_experts : int
        Most-used experts of each layer that a device holds itself.
    by : {"user", "task", "prompt"}, optional
        The column that makes the users; without it ``user`` or ``task``, whichever of the two is there.
    part : (float, float), 0 <= low < high <= 1
        The tokens that count, each in all of its layers: those whose place between 0 and 1, drawn by the
        recipe's seed, is in [low, high). A tenth of them is (0, 0.1); parts that do not meet share none.
    min_support : int
        Times that a user's group must be seen in a layer; rarer ones are dropped, and their rate with them.
    max_groups : int
        Different groups, of all users and layers, that are kept; if there are more, the most frequent ones.

    Raises
    ------
    InstanceError
        If a parameter is out of its range; the field is ``routing.NAME``.
    """

    path: str
    size_of: str = ""
    device_experts: Count = 0
    by: UsersBy | None = None
    part: tuple[float, float] = EVERYTHING
    min_support: _Positive = 1
    max_groups: _Positive = MAX_GROUPS

    def __post_init__(self) -> None:
        check_part("routing.part", self.part)
        if self.max_groups > MAX_GROUPS:
            raise InstanceError("routing.max_groups", f"is {self.max_groups}, expected 1 to {MAX_GROUPS}")


def check_part(field: str, part: tuple[float, float]) -> None:
    """Raise ``InstanceError`` naming the field if a part of a trace's tokens is none."""
    low, high = part
    if not 0 <= low < high <= 1:
        raise InstanceError(field, f"is [{low:g}, {high:g}], expected 0 <= low < high <= 1")


def read_trace(path: str | os.PathLike[str], models: Sequence[Model]) -> tuple[Activations, tuple[str, ...]]:
    """Activations of a trace, with the default parameters of ``TraceRouting``, and its users' names.

    A user's tokens of a model are the rows of its most logged layer, and their share of all users' and
    models' tokens is the user's share. The rate of a group is its count over the rows of the same user, model
    and layer, times that share; where every token is logged in every layer this is the count over all tokens.

    Returns
    -------
    activations : Activations
    user_names : (U,) str
        In the order of their first row.

    Raises
    ------
    InstanceError
        Naming file, row and field of the first fault.
    """
    counts = count_trace(Path(path), models)
    return counts.activations(), counts.user_names


def traced_models(routing: TraceRouting, path: Path) -> tuple[ZooModel, ...]:
    """The models of a trace whose recipe names none: the one that it has facts of, else those that it names.

    Raises
    ------
    InstanceError
        If it carries no facts, and its first rows name a model that is not of the zoo.
    """
    if facts := read_facts(path):
        return (facts,)
    named = named_models(path, routing.by)
    if unknown := [name for name in named if name not in zoo()]:
        raise InstanceError(
            "models",
            f"is empty, expected one or more of {', '.join(zoo())}, "
            f"as {path.name} does not tell of its model {unknown[0]}",
        )
    return zoo_models(named)


def trace_routing(
    routing: TraceRouting, path: Path, traced: tuple[ZooModel, ...], layers: int | None, seed: int
) -> Routed:
    """Routing of a trace as its parameters want it.

    Parameters
    ----------
    routing : TraceRouting
    path : Path
        Of the file.
    traced : tuple of ZooModel
        The models that the trace names.
    layers : int, optional
        Only the first ones of each model, of those that the trace names.
    seed : int
        Of the tokens' places.
    """
    full = [model.model() for model in traced]
    counts = count_trace(path, full, routing.by, routing.part, seed, routing.max_groups)
    note = [f"groups and their rates from the trace {path.name}, {counts.n_rows} rows"]
    if counts.n_dropped:
        note.append(f"{counts.n_dropped} more rows dropped as warm-up")
    kept = _kept_layers(traced, counts.layers_of_models, layers, path)
    for model, of in zip(traced, counts.layers_of_models, strict=True):
        if len(of) < model.moe_layers:
            note.append(
                f"only {_listed(of)} of {model.moe_layers} of {model.name} logged: "
                "the instance has no others, numbered from 0, and capacities are shares of these"
            )
    if routing.size_of:
        sizes = zoo_model(routing.size_of, "routing.size_of")
        traced = tuple(model.sized_as(sizes) for model in traced)
        note.append(f"sizes of hidden state and experts assumed, those of {sizes.name}")
    models = tuple(model.model(len(of)) for model, of in zip(traced, kept, strict=True))
    numbers = _new_numbers(full, kept)
    wanted = numbers[counts.models, counts.layers] >= 0
    scaling = counts.scaling()
    if n_scaled := int((scaling[wanted] > 1).sum()):
        note.append(
            f"{n_scaled} of {int(wanted.sum())} layers of users lack tokens that others of the user have; "
            f"their rates are scaled up, by a factor of up to {scaling[wanted].max():.3g}"
        )
    rates = np.where(wanted, counts.shares(), 0.0)  # of all groups of each logged layer
    summarised, supported = (
        rates * counts.counted(least) / counts.rows for least in (1, routing.min_support)
    )
    lost = np.zeros((len(counts.user_names), len(models)))
    np.add.at(lost, (counts.users, counts.models), rates - supported)
    if routing.part != EVERYTHING:
        low, high = routing.part
        note.append(f"part [{low:g}, {high:g}) keeps {counts.tokens} tokens")
    if counts.shortfall:
        dropped = 1 - summarised.sum() / rates.sum()
        note.append(
            f"max_groups {routing.max_groups} drops {dropped:.2%} of the rate, "
            f"of no group more than {counts.shortfall} rows"
        )
    if routing.min_support > 1:
        dropped = (summarised - supported).sum() / rates.sum()
        note.append(f"min_support {routing.min_support} drops {dropped:.2%} of the rate")
    drawn_alone = routing.part != EVERYTHING and counts.numbered and counts.complete(full)
    activations = counts.activations(routing.min_support)
    layers_kept = numbers[activations.models, activations.layers]
    return Routed(
        replace(activations, layers=layers_kept).where(layers_kept >= 0),
        models,
        traced,
        counts.user_names,
        "; ".join(note),
        Losses(lost, counts.tokens if drawn_alone else None),
    )


def _kept_layers(
    traced: Sequence[ZooModel], logged: Sequence[IntArray], layers: int | None, path: Path
) -> list[IntArray]:
    """The layers of each model that an instance of the trace has.

    Servers' capacities are shares of the bytes of all experts that the instance has, so it has no layers of
    which nothing is known: beside one layer of 24, a tenth of all experts is room for more than the one has.
    """
    for i, (model, of) in enumerate(zip(traced, logged, strict=True)):
        if not len(of):
            raise InstanceError(f"models[{i}]", f"is {model.name}, which no row of {path.name} names")
        if layers is not None and layers > len(of):
            raise InstanceError(
                "layers", f"is {layers}, expected 1 to {len(of)}, the layers of {model.name} that were logged"
            )
    return [of[:layers] for of in logged]


def _listed(layers: IntArray) -> str:
    if len(layers) > MAX_LISTED:
        return f"{len(layers)} layers"
    return f"layer{'s' * (len(layers) > 1)} {', '.join(map(str, layers))}"


def _new_numbers(models: Sequence[Model], kept: Sequence[IntArray]) -> IndexArray:
    """(M, most layers) int32, the number that each layer has among those kept of its model; -1 of others."""
    numbers = np.full((len(models), max(model.layers for model in models)), -1, np.int32)
    for row, of in zip(numbers, kept, strict=True):
        row[of] = np.arange(len(of))
    return numbers
