"""A part of a trace's tokens, chosen by their names: the same ones in any order of the rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from slimbench.instances.errors import InstanceError

EVERYTHING: Final = (0.0, 1.0)
_BITS: Final = 53  # of a hash: as many as a float64 holds


@dataclass(frozen=True)
class TokenSplit:
    """The tokens whose place in [0, 1), a hash of user and token, lies in [low, high).

    A token goes whole, with all its layers. Parts that do not overlap share no token, and [0, x) and [x, 1)
    together are everything; a larger part of one ``seed`` holds the smaller ones in it.

    Parameters
    ----------
    seed : int
    low, high : float, 0 <= low < high <= 1
    """

    seed: int
    low: float
    high: float

    def holds(self, user: str, token: str | int) -> bool:
        """Whether the token of a user is in this part."""
        name = repr((self.seed, user, str(token))).encode("utf-8", "surrogatepass")
        number = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big")
        return self.low <= (number >> (64 - _BITS)) / 2.0**_BITS < self.high


def check_part(field: str, part: tuple[float, float]) -> None:
    """Raise ``InstanceError`` naming the field if a part is none."""
    low, high = part
    if not 0 <= low < high <= 1:
        raise InstanceError(field, f"is [{low:g}, {high:g}], expected 0 <= low < high <= 1")
