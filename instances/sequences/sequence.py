"""A sequence of instances: the same servers, users and models while everything else may change."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from slimbench.instances.problem.arrays import BoolArray, FloatArray, IntArray, frozen
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.evaluation import evaluate
from slimbench.instances.problem.fields import plain_text
from slimbench.instances.problem.instance import Instance
from slimbench.instances.problem.placement import Placement

MAX_PERIODS: Final = 1000


@dataclass(frozen=True, eq=False)
class Sequence:
    """T periods of one system, and what it costs to move experts between them.

    Servers start empty. A server of capacity 0 is down: it loses what it held. Holding and deleting are free.

    Parameters
    ----------
    name : str
    periods : (T,) Instance
        Of the same dispatch, servers, users and models; rates, latencies and capacities may change.
    tokens : (T,) float64, tokens generated in each period by all users together
    cloud_s_per_byte, neighbour_s_per_byte : float
        Seconds charged for a byte that a server fetches from the cloud, or from another server that held the
        expert when the period began and is not down; the latter is not dearer.

    Raises
    ------
    InstanceError
        If a field is not as stated.
    """

    name: str
    periods: tuple[Instance, ...]
    tokens: FloatArray
    cloud_s_per_byte: float
    neighbour_s_per_byte: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", plain_text(self.name))
        object.__setattr__(self, "periods", tuple(self.periods))
        object.__setattr__(self, "tokens", frozen(self.tokens, np.float64))
        if not 1 <= len(self.periods) <= MAX_PERIODS:
            raise InstanceError("periods", f"are {len(self.periods)}, expected 1 to {MAX_PERIODS}")
        if self.tokens.shape != (len(self.periods),):
            raise InstanceError("tokens", f"has shape {self.tokens.shape}, expected {(len(self.periods),)}")
        if not (np.isfinite(self.tokens) & (self.tokens >= 0)).all():
            raise InstanceError("tokens", "expected finite numbers >= 0")
        if not 0 <= self.neighbour_s_per_byte <= self.cloud_s_per_byte < math.inf:
            raise InstanceError(
                "neighbour_s_per_byte",
                f"is {self.neighbour_s_per_byte}, expected 0 to cloud_s_per_byte = {self.cloud_s_per_byte}",
            )
        for t, instance in enumerate(self.periods):
            for field in ("dispatch", "server_names", "user_names", "models"):
                if getattr(instance, field) != getattr(self.periods[0], field):
                    raise InstanceError(f"periods[{t}].{field}", "differs from that of the first period")

    @property
    def n_periods(self) -> int:
        """T."""
        return len(self.periods)

    @property
    def cost_none_s(self) -> float:
        """Seconds over the horizon when nothing is ever cached."""
        empty = [Placement.empty(instance) for instance in self.periods]
        return sum(period.total_s for period in costs(self, empty))

    @property
    def sha256(self) -> str:
        """Hash of the content, by those of its instances."""
        digest = hashlib.sha256()
        rates = (self.cloud_s_per_byte.hex(), self.neighbour_s_per_byte.hex())
        header = ("slimbench.sequence", 1, self.name, [i.sha256 for i in self.periods], rates)
        digest.update(repr(header).encode())
        digest.update((self.tokens + 0.0).astype("<f8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class PeriodCost:
    """What one period costs.

    Attributes
    ----------
    latency_s : float, seconds per token
    serving_s : float
        tokens * latency_s.
    cloud_bytes, neighbour_bytes : int
        Fetched from the cloud and from neighbouring servers.
    fetching_s : float
        Seconds charged for them.
    """

    latency_s: float
    serving_s: float
    cloud_bytes: int
    neighbour_bytes: int
    fetching_s: float

    @property
    def total_s(self) -> float:
        """serving_s + fetching_s."""
        return self.serving_s + self.fetching_s

    @property
    def moved_bytes(self) -> int:
        """Bytes over the backhaul."""
        return self.cloud_bytes + self.neighbour_bytes


def costs(sequence: Sequence, placements: list[Placement]) -> list[PeriodCost]:
    """What placements (T,) of all periods cost, period by period; whether they fit is not looked at."""
    before = Placement.empty(sequence.periods[0])
    result = []
    for t, placement in enumerate(placements):
        result.append(period_cost(sequence, t, before, placement))
        before = placement
    return result


def period_cost(sequence: Sequence, period: int, before: Placement, placement: Placement) -> PeriodCost:
    """What a period costs with ``placement`` when ``before`` was the placement of the one before it."""
    instance = sequence.periods[period]
    held = still_held(instance.capacities_bytes, before.holds)
    fetched = placement.holds & ~held
    nearby = fetched & at_neighbours(held)
    sizes = instance.expert_bytes
    neighbour_bytes = int((nearby @ sizes).sum())
    cloud_bytes = int((fetched @ sizes).sum()) - neighbour_bytes
    latency_s = evaluate(instance, placement).latency_s
    return PeriodCost(
        latency_s=latency_s,
        serving_s=float(sequence.tokens[period]) * latency_s,
        cloud_bytes=cloud_bytes,
        neighbour_bytes=neighbour_bytes,
        fetching_s=cloud_bytes * sequence.cloud_s_per_byte + neighbour_bytes * sequence.neighbour_s_per_byte,
    )


def still_held(capacities_bytes: IntArray, before: BoolArray) -> BoolArray:
    """(N, X) bool, what is left of ``before`` when a period with these capacities (N,) begins."""
    return before & (capacities_bytes > 0)[:, None]


def at_neighbours(held: BoolArray) -> BoolArray:
    """(N, X) bool, whether another server than n holds expert e."""
    return np.asarray(held.sum(axis=0) - held.astype(np.int64) > 0)


def fetch_prices_s(
    held: BoolArray, expert_bytes: IntArray, cloud_s_per_byte: float, neighbour_s_per_byte: float
) -> FloatArray:
    """(N, X) float64, seconds charged for having expert e on server n; 0 where it is ``held`` (N, X) already.

    The fetching of a placement costs the sum of its prices.
    """
    per_byte = np.where(at_neighbours(held), neighbour_s_per_byte, cloud_s_per_byte)
    return np.asarray(np.where(held, 0.0, per_byte * expert_bytes))
