"""Parameters of the wires between servers: one hop, ring, tree, mesh, or a list of wires."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from slimbench.instances.files.ranges import check_ranges
from slimbench.instances.problem.errors import InstanceError

DELAY_S: Final = (0, 1e3)
BIT_PER_S: Final = (1, 1e18)

Hops = Annotated[int, msgspec.Meta(ge=0)]


class OneHop(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="one-hop"
):
    """Every server is one hop from every other; those within ``network.coverage_radius_m`` serve a user."""


class Ring(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="ring"
):
    """A ring through all servers, in the order of their direction from their centre.

    Parameters
    ----------
    max_hops : int, optional
        Wires from the own cell to a server that may serve; without it, any number.
    """

    max_hops: Hops | None = None


class Tree(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="tree"
):
    """Neighbouring servers on a switch, neighbouring switches on a further one, up to a single one.

    Neighbours are found by halving the longer side of the area until few enough are left.

    Parameters
    ----------
    branching : int
        Most wires down from a switch. Default: our choice.
    max_hops : int, optional
        As of a ring; two servers on one switch are two hops apart.
    """

    branching: Annotated[int, msgspec.Meta(ge=2)] = 4
    max_hops: Hops | None = None


class Mesh(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="mesh"
):
    """A wire from each server to its nearest ones; parts without a wire between them do not serve each other.

    Parameters
    ----------
    neighbours : int
        How many, at most 20; of several equally near as the last of them, all. Default: our choice.
    max_hops : int, optional
        As of a ring.
    """

    neighbours: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3
    max_hops: Hops | None = None


class Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One wire.

    Parameters
    ----------
    between : (int, int), servers counted from 0
    delay_s, bit_per_s : float, optional
        Without them, those of the network.
    """

    between: tuple[int, int]
    delay_s: float | None = None
    bit_per_s: float | None = None

    def __post_init__(self) -> None:
        check_ranges(self, "network.backhaul.wires", {"delay_s": DELAY_S, "bit_per_s": BIT_PER_S})


class Wires(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="wires"
):
    """Wires one by one.

    Parameters
    ----------
    wires : tuple of Wire
    max_hops : int, optional
        As of a ring.
    """

    wires: tuple[Wire, ...]
    max_hops: Hops | None = None


Backhaul = OneHop | Ring | Tree | Mesh | Wires


def check_wires(wires: Wires, servers: int) -> None:
    """Refuse wires to servers that are not there, from a server to itself, and between the same two twice."""
    seen = set()
    for i, wire in enumerate(wires.wires):
        place = f"network.backhaul.wires[{i}].between"
        one, other = wire.between
        if not (0 <= one < servers and 0 <= other < servers) or one == other:
            raise InstanceError(
                place, f"is {list(wire.between)}, expected two different servers from 0 to {servers - 1}"
            )
        if (pair := frozenset(wire.between)) in seen:
            raise InstanceError(place, f"is {list(wire.between)} a second time, expected another pair")
        seen.add(pair)
