"""Inspection of placements: latency by user, storage by server, differences, demand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from slimbench.instances import Evaluation, Instance, InstanceError, Placement, evaluate
from slimbench.instances.problem.arrays import BoolArray, FloatArray
from slimbench.instances.problem.errors import one_line

NOTHING: Final = "no expert cached"
BOTH, ONLY_FIRST, ONLY_OTHER, NEITHER = range(4)

States = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Inspection:
    """Placements of one instance, evaluated; the first is the baseline that others are compared with.

    Attributes
    ----------
    instance : Instance
    placements : mapping of Placement
        By the names to show.
    evaluations : mapping of Evaluation
        Of the same names.
    nothing : Evaluation
        With no expert cached.
    """

    instance: Instance
    placements: Mapping[str, Placement]
    evaluations: Mapping[str, Evaluation]
    nothing: Evaluation

    @property
    def others(self) -> list[str]:
        """The names after the first."""
        return list(self.placements)[1:]


def inspect_placements(instance: Instance, placements: Mapping[str, Placement]) -> Inspection:
    """Evaluate placements, feasible or not. What cannot be seen of their names is written out.

    Raises
    ------
    InstanceError
        If one is of another shape than the instance, or called as another one or as having none is.
    """
    shown = {one_line(name): placement for name, placement in placements.items()}
    if NOTHING in shown or len(shown) < len(placements):
        raise InstanceError("placement", f"is called {NOTHING!r} or as another, expected a name of its own")
    return Inspection(
        instance,
        shown,
        {name: evaluate(instance, placement) for name, placement in shown.items()},
        evaluate(instance, Placement.empty(instance)),
    )


def overall(inspection: Inspection) -> pd.DataFrame:
    """Latency of all users together, base latency included; a row for no cache and one a placement.

    Returns
    -------
    DataFrame
        ``placement``; ``latency_s``, ``saving_s`` in seconds per token; ``saving_share`` of the latency with
        no expert cached; ``worse_s``, latency above the baseline's, NaN without one; ``violation``, why it
        does not fit, or None.
    """
    none = inspection.nothing
    violations = [None, *(p.violation(inspection.instance) for p in inspection.placements.values())]
    evaluations = {NOTHING: none, **inspection.evaluations}
    baseline = next(iter(inspection.evaluations.values())).latency_s if inspection.evaluations else np.nan
    savings = np.array([evaluation.saving_s for evaluation in evaluations.values()])
    return pd.DataFrame(
        {
            "placement": list(evaluations),
            "latency_s": [evaluation.latency_s for evaluation in evaluations.values()],
            "saving_s": savings,
            "saving_share": savings / none.latency_none_s if none.latency_none_s > 0 else np.nan,
            "worse_s": [evaluation.latency_s - baseline for evaluation in evaluations.values()],
            "violation": pd.Series(violations, dtype=object),  # else None becomes NaN beside a text
        }
    )


def by_user(inspection: Inspection) -> pd.DataFrame:
    """Latency of every user, base latency not included, those that are worst off first.

    With one placement worst off is who keeps the largest share of the latency with no expert cached; with
    several, who loses the largest share of it through leaving the baseline. Users without demand come last.

    Returns
    -------
    DataFrame
        A row for each user and placement: ``user``, ``placement``; ``latency_none_s``, ``latency_s``, the
        user's shares of what all users together wait for a token, in seconds; ``kept_share`` = latency_s /
        latency_none_s; ``worse_s`` and ``worse_share``, latency above the baseline's, in seconds and as a
        share of latency_none_s. Shares are NaN for users without demand.
    """
    instance, evaluations = inspection.instance, inspection.evaluations
    users = pd.Series(instance.user_names, dtype=object)
    none = inspection.nothing.user_latency_s
    first = next(iter(evaluations.values())).user_latency_s if evaluations else none
    frames = []
    for name, evaluation in evaluations.items():
        latency = evaluation.user_latency_s
        frames.append(
            pd.DataFrame(
                {
                    "user": users,
                    "placement": name,
                    "latency_none_s": none,
                    "latency_s": latency,
                    "kept_share": _shares(latency, none),
                    "worse_s": latency - first,
                    "worse_share": _shares(latency - first, none),
                }
            )
        )
    if not frames:
        return pd.DataFrame({"user": users, "latency_none_s": none}).sort_values(
            "latency_none_s", ascending=False, kind="stable", ignore_index=True
        )
    compared = frames[1:] if inspection.others else frames
    column = "worse_share" if inspection.others else "kept_share"
    worst = np.max([frame[column].fillna(-np.inf) for frame in compared], axis=0)
    order = np.argsort(-worst, kind="stable")
    return pd.concat([frame.iloc[order] for frame in frames], ignore_index=True)


def storage(inspection: Inspection) -> pd.DataFrame:
    """What every server stores.

    Returns
    -------
    DataFrame
        A row for each placement, server and model: ``placement``, ``server``, ``model``, ``experts``,
        ``used_bytes``, ``capacity_bytes`` (of the server, for all models).
    """
    instance = inspection.instance
    expert_models = instance.layer_models[instance.expert_layers]
    frames = []
    for name, placement in inspection.placements.items():
        for m, model in enumerate(instance.models):
            own = Placement(placement.holds & (expert_models == m))
            frames.append(
                pd.DataFrame(
                    {
                        "placement": name,
                        "server": pd.Series(instance.server_names, dtype=object),
                        "model": model.name,
                        "experts": own.holds.sum(axis=1),
                        "used_bytes": own.used_bytes(instance),
                        "capacity_bytes": instance.capacities_bytes,
                    }
                )
            )
    columns = ["placement", "server", "model", "experts", "used_bytes", "capacity_bytes"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def states(first: BoolArray, other: BoolArray) -> States:
    """BOTH, ONLY_FIRST, ONLY_OTHER or NEITHER, for two arrays of any one shape."""
    return np.select([first & other, first, other], [BOTH, ONLY_FIRST, ONLY_OTHER], NEITHER).astype(np.int8)


def differences_by_server(inspection: Inspection) -> pd.DataFrame:
    """How many experts of each server lie in both, only in the baseline, or only in another placement.

    Returns
    -------
    DataFrame
        A row for each other placement and server: ``other``, ``server``, ``both``, ``only_first``,
        ``only_other``, counts of (server, expert) pairs.
    """
    instance = inspection.instance
    return _differences(inspection, 1, {"server": list(instance.server_names)}, np.arange(instance.n_servers))


def differences_by_layer(inspection: Inspection) -> pd.DataFrame:
    """The same for each layer: ``other``, ``model``, ``layer``, ``both``, ``only_first``, ``only_other``."""
    instance = inspection.instance
    layers = [layer for model in instance.models for layer in range(model.layers)]
    models = [instance.models[m].name for m in instance.layer_models]
    return _differences(inspection, 0, {"model": models, "layer": layers}, instance.expert_layers)


def _differences(
    inspection: Inspection,
    axis: int,
    rows: Mapping[str, list[str] | list[int]],
    row_of: np.ndarray[tuple[int, ...], np.dtype[np.signedinteger]],
) -> pd.DataFrame:
    count = len(next(iter(rows.values())))
    names = list(inspection.placements)
    frames = []
    for name in inspection.others:
        state = states(inspection.placements[names[0]].holds, inspection.placements[name].holds)
        tallies = {
            column: np.bincount(row_of, (state == value).sum(axis=axis), minlength=count).astype(np.int64)
            for column, value in (("both", BOTH), ("only_first", ONLY_FIRST), ("only_other", ONLY_OTHER))
        }
        frames.append(pd.DataFrame({"other": name, **rows, **tallies}))
    columns = ["other", *rows, "both", "only_first", "only_other"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def demand(instance: Instance) -> pd.DataFrame:
    """How often every expert is called by all users together.

    Returns
    -------
    DataFrame
        A row for each expert, in their order: ``model``, ``layer``, ``expert``, and ``calls``, its expected
        calls per generated token.
    """
    rates = np.repeat(instance.rates, instance.group_sizes)
    layer = instance.expert_layers
    names = np.array([model.name for model in instance.models], object)
    return pd.DataFrame(
        {
            "model": names[instance.layer_models[layer]],
            "layer": layer - instance.model_layer_starts[instance.layer_models[layer]],
            "expert": np.arange(instance.n_experts) - instance.layer_starts[layer],
            "calls": np.bincount(instance.group_experts, rates, minlength=instance.n_experts),
        }
    )


def concentration(instance: Instance) -> pd.DataFrame:
    """How unevenly the experts of each layer are called.

    Returns
    -------
    DataFrame
        ``model``, ``layer``; ``calls`` to the layer per generated token; ``top_share`` of them to the expert
        called most; ``half``, the fewest experts that get half of them. A layer without calls has NaN and 0.
    """
    rows = []
    for (model, layer), calls in demand(instance).groupby(["model", "layer"], sort=False)["calls"]:
        most = np.sort(calls.to_numpy())[::-1]
        total = float(most.sum())
        rows.append(
            {
                "model": model,
                "layer": layer,
                "calls": total,
                "top_share": most[0] / total if total > 0 else np.nan,
                "half": int(np.searchsorted(np.cumsum(most), total / 2)) + 1 if total > 0 else 0,
            }
        )
    return pd.DataFrame(rows)


def places(instance: Instance) -> pd.DataFrame:
    """Where servers and users are, as far as is known.

    Returns
    -------
    DataFrame
        ``kind`` (``server`` or ``user``), ``name``, ``x_m`` and ``y_m`` in metres, ``capacity_bytes`` (NaN
        for users); without rows where nothing is known.
    """
    columns = ["kind", "name", "x_m", "y_m", "capacity_bytes"]
    frames = []
    for kind, names, positions_m, capacities in (
        ("server", instance.server_names, instance.server_positions_m, instance.capacities_bytes),
        ("user", instance.user_names, instance.user_positions_m, np.full(instance.n_users, np.nan)),
    ):
        if positions_m is not None:
            x_m, y_m = positions_m.T
            frames.append(
                pd.DataFrame(dict(zip(columns, (kind, list(names), x_m, y_m, capacities), strict=True)))
            )
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def _shares(values: FloatArray, of: FloatArray) -> FloatArray:
    """Values / of, NaN where ``of`` is 0."""
    return np.asarray(np.divide(values, of, out=np.full(len(of), np.nan), where=of > 0))
