"""Changed bytes: what no writer writes. Every choice is drawn from the generator that is handed in."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

NUMBERS = [
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**63 - 1,
    2**64 - 1,
]


def changed_bytes(rng: Random, content: bytes, fragments: Sequence[bytes]) -> bytes:
    """A copy with one to four places changed: bits, bytes, numbers, pieces moved, fragments put in."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at, piece = rng.randint(0, len(changed)), _piece(rng, changed)
        match rng.randrange(9):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(changed):
                changed[at] = rng.randrange(256)
            case 2:
                changed[at:at] = rng.choice(fragments)
            case 3:
                fragment = rng.choice(fragments)
                changed[at : at + len(fragment)] = fragment
            case 4:
                del changed[piece]
            case 5:
                changed[at:at] = changed[piece] * rng.choice([1, 1, 1, 2, 50])
            case 6:
                width = rng.choice([1, 2, 4, 8])
                number = rng.choice(NUMBERS) % 256**width
                changed[at : at + width] = number.to_bytes(width, rng.choice(["little", "big"]))
            case 7:
                changed[piece] = rng.randbytes(rng.randint(0, 8))
            case _ if rng.random() < 0.3:
                del changed[at:]
    return bytes(changed)


def _piece(rng: Random, content: bytearray) -> slice:
    first = rng.randint(0, len(content))
    return slice(first, first + min(rng.randint(0, 8) * rng.choice([1, 1, 1, 20]), len(content)))
