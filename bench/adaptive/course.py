"""A policy through a sequence: each decision an isolated run, each placement verified, each period costed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from slimbench.bench.isolation.messages import Job, PackedPlacement, Sight, Status
from slimbench.bench.isolation.outcome import Outcome
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.plugins.policy_plugin import PolicyCall
from slimbench.bench.plugins.warm_up import Shape
from slimbench.bench.suites.suite import Limits
from slimbench.formulations.milp.horizon import unstacked
from slimbench.instances import Instance, InstanceError, Placement, write_instance
from slimbench.instances.problem.arrays import BoolArray
from slimbench.instances.sequences.sequence import PeriodCost, Sequence, period_cost, still_held


@dataclass(frozen=True)
class Step:
    """One period of a course.

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
class Course:
    """A policy's way through a sequence.

    Attributes
    ----------
    steps : (T,) Step
    bound_s : float or None
        Seconds of the whole horizon that it proves nobody can go below.
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
        """The periods in which it decided nothing that counts."""
        return tuple(t for t, step in enumerate(self.steps) if step.status != "ok")


class Stage:
    """A sequence whose instances lie in files, and the runs that policies make through it.

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
        self._courses = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._files = [folder / f"{t:03d}.npz" for t in range(sequence.n_periods)]
        for instance, file in zip(sequence.periods, self._files, strict=True):
            write_instance(instance, file)

    def run(self, call: PolicyCall, seed: int) -> Course:
        """Send a policy through the sequence; whatever it does, every period has a step."""
        self._courses += 1
        if call.policy.sees == "future":
            return self._planned(call, seed)
        before = Placement.empty(self.sequence.periods[0])
        steps = []
        for t, instance in enumerate(self.sequence.periods):
            held = Placement(still_held(instance.capacities_bytes, before.holds))
            outcome = self._decide(call, seed, t, held)
            placement, status, message = _verdict(instance, outcome)
            if placement is None:
                placement = Placement(left_alone(instance, held.holds))
            cost = period_cost(self.sequence, t, before, placement)
            steps.append(Step(status, message, placement, cost, outcome.runtime_s))
            before = placement
        return Course(call, seed, tuple(steps), None)

    def _planned(self, call: PolicyCall, seed: int) -> Course:
        """A policy that sees the future is asked once."""
        empty = Placement.empty(self.sequence.periods[0])
        outcome = self._decide(call, seed, 0, empty)
        whole, status, message = _of_horizon(self.sequence, outcome)
        steps, before = [], empty
        for t, instance in enumerate(self.sequence.periods):
            own_status, own_message, placement = status, message, whole[t] if whole else None
            if placement is not None and (violation := placement.violation(instance)):
                own_status, own_message, placement = "invalid_placement", violation, None
            if placement is None:
                held = still_held(instance.capacities_bytes, before.holds)
                placement = Placement(left_alone(instance, held))
            cost = period_cost(self.sequence, t, before, placement)
            steps.append(Step(own_status, own_message, placement, cost, math.nan if t else outcome.runtime_s))
            before = placement
        return Course(call, seed, tuple(steps), self._bound_s(call, outcome))

    def _bound_s(self, call: PolicyCall, outcome: Outcome) -> float | None:
        if not call.policy.proves or outcome.bound_saving_s is None:
            return None
        return self.sequence.cost_none_s - outcome.bound_saving_s

    def _decide(self, call: PolicyCall, seed: int, period: int, held: Placement) -> Outcome:
        sees = call.policy.sees
        known = {"past": period, "present": period + 1, "future": self.sequence.n_periods}[sees]
        instance = self.sequence.periods[period]
        sight = Sight(
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
        log = self._folder / f"course-{self._courses}-period-{period:03d}.log"
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
                sight=sight,
            )
        )
        outcome = next(iter(self._workers.collect()))
        if outcome.status == "ok":
            log.unlink(missing_ok=True)
        return outcome


def left_alone(instance: Instance, held: BoolArray) -> BoolArray:
    """(N, X) bool, what servers hold when nobody decides: the same, but nothing where it does not fit."""
    fits = held @ instance.expert_bytes <= instance.capacities_bytes
    return held & fits[:, None]


def _verdict(instance: Instance, outcome: Outcome) -> tuple[Placement | None, Status, str]:
    """A decision's placement, if it ended ``ok`` and fits."""
    if outcome.status != "ok" or outcome.placement is None:
        return None, outcome.status, outcome.message
    try:
        placement = outcome.placement.unpack()
    except InstanceError as error:
        return None, "invalid_placement", str(error)
    if violation := placement.violation(instance):
        return None, "invalid_placement", violation
    return placement, "ok", ""


def _of_horizon(sequence: Sequence, outcome: Outcome) -> tuple[list[Placement] | None, Status, str]:
    """The placements of all periods; those told last by a policy that its time limit stopped."""
    if outcome.placement is None or outcome.status not in {"ok", "time_limit"}:
        return None, outcome.status, outcome.message
    first = sequence.periods[0]
    expected = (sequence.n_periods * first.n_servers, first.n_experts)
    try:
        whole = outcome.placement.unpack()
    except InstanceError as error:
        return None, "invalid_placement", str(error)
    if whole.holds.shape != expected:
        problem = f"placement has shape {whole.holds.shape}, expected {expected} (periods x servers, experts)"
        return None, "invalid_placement", problem
    return unstacked(whole, sequence.n_periods), outcome.status, outcome.message
