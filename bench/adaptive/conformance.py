"""Conformance kit of policies: check that a policy keeps the rules for plugins."""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from collections.abc import Iterator
from collections.abc import Sequence as ListOf
from pathlib import Path

import numpy as np

from slimbench.bench.adaptive.episode import Episode, EpisodeRunner
from slimbench.bench.execution.conformance import (
    DEADLINE_S,
    MEMORY_LIMIT_MB,
    TIME_LIMIT_S,
    Check,
    large_instance,
)
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.plugins.policy_plugin import PolicyCall
from slimbench.bench.plugins.warm_up import tiny_instance
from slimbench.bench.suites.suite import Limits
from slimbench.formulations.tolerances import exceeds
from slimbench.instances import DISPATCHES, Instance, Placement, evaluate
from slimbench.instances.sequences.sequence import Sequence, fetch_prices_s, still_held

TOKENS = 100.0  # of each period
SEED = 1


def check_policy(call: PolicyCall, plugin_files: ListOf[Path]) -> list[Check]:
    """Run a policy through tiny sequences and a large one, each decision isolated as in a suite."""
    kit, large = list(_sequences()), _sequence("large", [large_instance()] * 2, 0.0)
    files = tuple(str(path.resolve()) for path in plugin_files)
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as folder, Workers() as workers:

        def episode(sequence: Sequence, time_s: float) -> Episode:
            limits = Limits(time_s=time_s, memory_mb=MEMORY_LIMIT_MB)
            own = Path(folder) / str(next(numbers))
            return EpisodeRunner(sequence, own, limits, time_s, files, workers).run(call, SEED)

        episodes = {sequence.name: episode(sequence, TIME_LIMIT_S) for sequence in kit}
        again = {sequence.name: episode(sequence, TIME_LIMIT_S) for sequence in kit}
        at_large = episode(large, DEADLINE_S)
    statuses = {step.status for step in at_large.steps}
    declined = statuses <= {"ok", "time_limit", "error", "no_solution"}
    placed = episodes if declined else episodes | {large.name: at_large}
    end = next((f"{s.status}: {s.message}" for s in at_large.steps if s.status != "ok"), "")
    late = "time_limit" in statuses
    has_placed = any(step.status == "ok" for one in episodes.values() for step in one.steps)
    bounds = {name: one.bound_s for name, one in episodes.items() if one.bound_s is not None}
    return [
        Check(
            "returns feasible placements",
            tuple(
                f"{name}: period {t}: {step.status}: {step.message}"
                for name, one in placed.items()
                for t, step in enumerate(one.steps)
                if step.status != "ok"
            ),
        ),
        Check(
            "repeats itself under a seed",
            tuple(
                f"{name}: two episodes with one seed placed differently"
                for name, one in episodes.items()
                if [s.placement for s in one.steps] != [s.placement for s in again[name].steps]
            ),
            "" if has_placed else "no decision gave a placement",
        ),
        Check(
            f"honours its deadline ({DEADLINE_S:g} s on {large.periods[0].n_activations} activations)",
            (end,) if late else (),
            end,
        ),
        Check(
            "claims no bound above the offline optimum",
            tuple(
                f"{sequence.name}: bound {bounds[sequence.name]:.9g} s, optimum {optimum_s:.9g} s"
                for sequence in kit
                if sequence.name in bounds
                and exceeds(bounds[sequence.name], optimum_s := least_cost_s(sequence), sequence.cost_none_s)
            ),
            "" if bounds else "no episode claimed a bound",
        ),
    ]


def least_cost_s(sequence: Sequence) -> float:
    """Cost of the offline optimum, seconds, by dynamic programming over all placements of each period.

    O(T P^2 N X) for P placements, each a subset of the experts on each server.
    """
    before = Placement.empty(sequence.periods[0]).holds[None]
    cost_s = np.zeros(1)
    for tokens, instance in zip(sequence.tokens, sequence.periods, strict=True):
        now = np.array(list(_feasible(instance)))
        prices_s = np.stack(
            [
                fetch_prices_s(
                    still_held(instance.capacities_bytes, holds),
                    instance.expert_bytes,
                    sequence.cloud_s_per_byte,
                    sequence.neighbour_s_per_byte,
                )
                for holds in before
            ]
        )
        fetching_s = np.tensordot(now, prices_s, axes=([1, 2], [1, 2]))
        serving_s = tokens * np.array([evaluate(instance, Placement(holds)).latency_s for holds in now])
        before, cost_s = now, serving_s + (fetching_s + cost_s).min(axis=1)
    return float(cost_s.min())


def _feasible(instance: Instance) -> Iterator[tuple[np.ndarray, ...]]:
    subsets = [np.array(row) for row in itertools.product((False, True), repeat=instance.n_experts)]
    return itertools.product(
        *(
            [row for row in subsets if row @ instance.expert_bytes <= room]
            for room in instance.capacities_bytes
        )
    )


def _sequences() -> Iterator[Sequence]:
    """Every dispatch; demand that turns round, moves free and dear, an outage, no room, no demand."""
    for dispatch in DISPATCHES:
        tiny = tiny_instance(dispatch)
        turned = dataclasses.replace(tiny, rates=tiny.rates[::-1].copy())
        failed = dataclasses.replace(turned, capacities_bytes=tiny.capacities_bytes * np.array([0, 1]))
        no_room = dataclasses.replace(tiny, capacities_bytes=np.zeros(2, np.int64))
        no_demand = dataclasses.replace(tiny, rates=np.zeros(tiny.n_activations))
        yield _sequence(f"free-moves-{dispatch}", [tiny, turned, tiny], 0.0)
        yield _sequence(f"dear-moves-{dispatch}", [tiny, turned, tiny], 1.0)
        yield _sequence(f"outage-{dispatch}", [tiny, failed, turned], 0.5)
        yield _sequence(f"no-room-{dispatch}", [no_room, no_room], 0.5)
        yield _sequence(f"no-demand-{dispatch}", [no_demand, tiny, no_demand], 0.5)


def _sequence(name: str, periods: ListOf[Instance], cloud_s_per_byte: float) -> Sequence:
    tokens = np.full(len(periods), TOKENS)
    return Sequence(name, tuple(periods), tokens, cloud_s_per_byte, cloud_s_per_byte / 2)
