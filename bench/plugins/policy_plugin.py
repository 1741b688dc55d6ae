"""What a policy plugin is: one decorated function that places experts anew in every period of a sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from slimbench.bench.plugins.plugin import Parameters, Plugin, PluginError, described, read_call
from slimbench.instances import Instance, Placement
from slimbench.instances.problem.arrays import FloatArray, IntArray
from slimbench.instances.sequences.sequence import Sequence, fetch_prices_s

Sees = Literal["past", "present", "future"]


@dataclass(frozen=True)
class Observation:
    """What a policy may know when it places the experts of a period.

    Attributes
    ----------
    sees : {"past", "present", "future"}
        The periods whose demand and latencies it knows: those before this one, this one too, or all of them.
    period, n_periods : int
        Periods count from 0.
    instances : tuple of Instance
        Of the periods that it sees, from the first on.
    tokens : tuple of float
        Tokens generated in each of them.
    held : Placement
        What the servers hold now; on one whose capacity has shrunk it may be more than fits.
    capacities_bytes : (N,) int64
        Of this period; 0 where a server is down. Known under every ``sees``, as are sizes and prices.
    expert_bytes : (X,) int64
    cloud_s_per_byte, neighbour_s_per_byte : float
        As ``Sequence`` has them.
    """

    sees: Sees
    period: int
    n_periods: int
    instances: tuple[Instance, ...]
    tokens: tuple[float, ...]
    held: Placement
    capacities_bytes: IntArray
    expert_bytes: IntArray
    cloud_s_per_byte: float
    neighbour_s_per_byte: float

    @property
    def present(self) -> Instance:
        """The instance of this period.

        Raises
        ------
        PluginError
            If the policy sees the past only.
        """
        if len(self.instances) <= self.period:
            raise PluginError('asks for the present, expected sees="present" in its declaration')
        return self.instances[self.period]

    @cached_property
    def fetch_s(self) -> FloatArray:
        """(N, X) float64, seconds charged for having expert e on server n in this period; 0 where held."""
        return fetch_prices_s(
            self.held.holds, self.expert_bytes, self.cloud_s_per_byte, self.neighbour_s_per_byte
        )

    @property
    def sequence(self) -> Sequence:
        """The whole sequence, for a policy that sees the future."""
        return Sequence(
            "seen", self.instances, np.array(self.tokens), self.cloud_s_per_byte, self.neighbour_s_per_byte
        )

    def nothing(self) -> Placement:
        """No expert anywhere."""
        return Placement(np.zeros_like(self.held.holds))


@dataclass(frozen=True)
class Policy(Plugin[Observation]):
    """A policy, as ``@policy`` makes it.

    Attributes
    ----------
    sees : {"past", "present", "future"}
        What it is told, see ``Observation``. One that sees the future is asked once, in period 0, and returns
        the placements of all periods, their servers one below the other. Only such a policy may be ``exact``
        or report bounds: seconds of the horizon that no placements save beyond caching nothing.
    """

    sees: Sees


def policy(
    name: str, *, sees: Sees, exact: bool = False, bounds: bool = False
) -> Callable[[Callable[..., Placement]], Policy]:
    """Make a policy of a function ``(seen, context, *, parameter: type = default, ...) -> Placement``.

    Every decision is a process of its own that is given an ``Observation`` and nothing else, so what a policy
    learns it learns from what it sees. ``context.rng`` starts each of them from the same seed.

    Raises
    ------
    PluginError
        If the name, the signature or ``sees`` is not of that form.
    """
    if sees not in get_args(Sees):
        raise PluginError(f"policy {name}: sees is {sees!r}, expected one of {', '.join(get_args(Sees))}")
    if exact and sees != "future":
        raise PluginError(f"policy {name}: is exact, expected sees='future'")
    if bounds and (exact or sees != "future"):
        raise PluginError(f"policy {name}: reports bounds, expected sees='future' and not exact")

    def decorate(function: Callable[..., Placement]) -> Policy:
        return Policy(*described("policy", name, function, "seen"), exact=exact, bounds=bounds, sees=sees)

    return decorate


@dataclass(frozen=True)
class PolicyCall:
    """A policy with all of its parameters settled, and the text of that, as ``Call`` of a solver."""

    policy: Policy
    parameters: Parameters
    label: str


def parse_policy(text: str, policies: Mapping[str, Policy]) -> PolicyCall:
    """Read ``name`` or ``name[p=v,q=w]``.

    Raises
    ------
    PluginError
        If the text is not of that form, or names an unknown policy or parameter, or a value does not fit.
    """
    return PolicyCall(*read_call("policy", text, policies))
