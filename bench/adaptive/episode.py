"""A policy's episode: isolated decisions, verified placements, and the cost of each period of a sequence."""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from slimbench.bench.isolation.messages import Job, ObservationMessage, PackedPlacement, Status
from slimbench.bench.isolation.outcome import Outcome
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.plugins.policy_plugin import PolicyCall
from slimbench.bench.plugins.warm_up import Shape
from slimbench.bench.suites.suite import Limits
from slimbench.formulations.milp.horizon import unstacked
from slimbench.instances import InstanceError, Placement, write_instance
from slimbench.instances.sequences.sequence import PeriodCost, Sequence, period_cost, still_held


@dataclass(frozen=True)
class Step:
    """One period of an episode.

    Attributes
    ----------
    status, message : of the decision; ``ok`` where its placement was taken
    placement : Placement
        What the servers hold in the period, by decision or because nothing was decided.
    cost : PeriodCost
    decision_s : float
        Seconds that the policy took; NaN in all periods but the first of a policy that is asked once.
    """

    status: Status
    message: str
    placement: Placement
    cost: PeriodCost
    decision_s: float


@dataclass(frozen=True)
class Episode:
    """A policy's way through a sequence.

    Attributes
    ----------
    steps : (T,) Step
    bound_s : float or None
        Lower bound that the policy proves on the cost of the whole horizon, seconds.
    """

    call: PolicyCall
    seed: int
    steps: tuple[Step, ...]
    bound_s: float | None

    @property
    def total_s(self) -> float:
        """Seconds of the whole horizon, serving and fetching."""
        return sum(step.cost.total_s for step in self.steps)

    @property
    def failed(self) -> tuple[int, ...]:
        """The periods whose decision failed."""
        return tuple(t for t, step in enumerate(self.steps) if step.status != "ok")


class EpisodeRunner:
    """Runs policies through one sequence, whose instances it writes to files.

    Parameters
    ----------
    folder : Path
        For the instance files, ``000.npz`` and on, and what failed decisions wrote to their standard streams.
    time_limit_s : float
        Of a policy that sees the future; others have that of ``limits`` for each decision.
    """

    def __init__(
        self,
        sequence: Sequence,
        folder: Path,
        limits: Limits,
        time_limit_s: float,
        plugin_files: tuple[str, ...],
        workers: Workers,
    ) -> None:
        self.sequence, self._folder, self._limits = sequence, folder, limits
        self._time_limit_s, self._plugin_files, self._workers = time_limit_s, plugin_files, workers
        self._episodes = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._files = [folder / f"{t:03d}.npz" for t in range(sequence.n_periods)]
        for instance, file in zip(sequence.periods, self._files, strict=True):
            write_instance(instance, file)

    def run(self, call: PolicyCall, seed: int) -> Episode:
        """Send a policy through the sequence; every period has a step, whatever the policy does.

        A policy that sees the future is asked once, for the placements of all periods. Where no valid
        placement is decided, servers keep what they hold and still fits.
        """
        self._episodes += 1
        sequence = self.sequence
        is_asked_once = call.policy.sees == "future"
        before = Placement.empty(sequence.periods[0])
        bound_s, steps = None, list[Step]()
        if is_asked_once:
            outcome = self._decide(call, seed, 0, before)
            whole, whole_status, whole_message = _of_horizon(sequence, outcome)
            if call.policy.proves and outcome.bound_saving_s is not None:
                bound_s = sequence.cost_none_s - outcome.bound_saving_s
        for t, instance in enumerate(sequence.periods):
            held = still_held(instance.capacities_bytes, before.holds)
            if is_asked_once:
                placement, status, message = whole[t] if whole else None, whole_status, whole_message
            else:
                outcome = self._decide(call, seed, t, Placement(held))
                placement, status, message = _returned(outcome, {"ok"})
            if placement is not None and (violation := placement.violation(instance)):
                placement, status, message = None, "invalid_placement", violation
            if placement is None:
                fits = held @ instance.expert_bytes <= instance.capacities_bytes
                placement = Placement(held & fits[:, None])
            cost = period_cost(sequence, t, before, placement)
            decision_s = math.nan if is_asked_once and t else outcome.runtime_s
            steps.append(Step(status, message, placement, cost, decision_s))
            before = placement
        return Episode(call, seed, tuple(steps), bound_s)

    def _decide(self, call: PolicyCall, seed: int, period: int, held: Placement) -> Outcome:
        sees = call.policy.sees
        known = {"past": period, "present": period + 1, "future": self.sequence.n_periods}[sees]
        instance = self.sequence.periods[period]
        observation = ObservationMessage(
            sees=sees,
            period=period,
            n_periods=self.sequence.n_periods,
            instance_files=tuple(map(str, self._files[:known])),
            tokens=tuple(self.sequence.tokens[:known].tolist()),
            held=PackedPlacement.pack(held),
            capacities_bytes=tuple(instance.capacities_bytes.tolist()),
            expert_bytes=tuple(instance.expert_bytes.tolist()),
            cloud_s_per_byte=self.sequence.cloud_s_per_byte,
            neighbour_s_per_byte=self.sequence.neighbour_s_per_byte,
        )
        log = self._folder / f"course-{self._episodes}-period-{period:03d}.log"
        self._workers.submit(
            Job(
                key=0,
                instance_file="",
                shape=Shape.of(instance),
                solver=call.label,
                plugin_files=self._plugin_files,
                seed=seed,
                time_limit_s=self._time_limit_s if sees == "future" else self._limits.time_s,
                memory_limit_mb=self._limits.memory_mb,
                threads=self._limits.threads,
                log_file=str(log),
                cpu_limit_s=self._limits.cpu_s,
                observation=observation,
            )
        )
        outcome = next(iter(self._workers.collect()))
        if outcome.status == "ok":
            log.unlink(missing_ok=True)
        return outcome


def _returned(outcome: Outcome, statuses: Container[Status]) -> tuple[Placement | None, Status, str]:
    """A decision's placement if it ended with one of these statuses, and how it ended."""
    if outcome.placement is None or outcome.status not in statuses:
        return None, outcome.status, outcome.message
    try:
        return outcome.placement.unpack(), outcome.status, outcome.message
    except InstanceError as error:
        return None, "invalid_placement", str(error)


def _of_horizon(sequence: Sequence, outcome: Outcome) -> tuple[list[Placement] | None, Status, str]:
    """The placements of all periods; the last reported ones of a policy that its time limit stopped."""
    whole, status, message = _returned(outcome, {"ok", "time_limit"})
    if whole is None:
        return None, status, message
    first = sequence.periods[0]
    expected = (sequence.n_periods * first.n_servers, first.n_experts)
    if whole.holds.shape != expected:
        problem = f"placement has shape {whole.holds.shape}, expected {expected} (periods x servers, experts)"
        return None, "invalid_placement", problem
    return unstacked(whole, sequence.n_periods), status, message
