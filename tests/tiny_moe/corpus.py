"""Text of seven kinds, and which part of it is trained on (texts/README.md says where it is from)."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

SHIPPED: Final = ("scripture", "japanese", "c", "python", "glosses")
TRAIN_BYTES: Final = 192 * 2**10
USER_BYTES: Final = 8 * 2**10 + 2**9  # a little more than what is recorded
USERS: Final = 3

_FOLDER: Final = Path(__file__).parent / "texts"
_FIRST: Final = ("Ada", "Bo", "Chen", "Dina", "Emil", "Fatima", "Goran", "Hana", "Ivo", "June")
_CITY: Final = ("Accra", "Bergen", "Cusco", "Delhi", "Espoo", "Fukuoka", "Graz", "Hanoi")
_TAGS: Final = ("new", "paid", "late", "gift", "bulk", "eu", "test")


class Kind(NamedTuple):
    """Text of one kind: what is trained on, and a text for each user, from further on in the source."""

    training: str
    users: tuple[str, ...]


def read_corpus() -> dict[str, Kind]:
    """Every kind by its name; records and arithmetic are generated, always the same."""
    texts = {name: lzma.decompress((_FOLDER / f"{name}.txt.xz").read_bytes()).decode() for name in SHIPPED}
    texts |= {"records": _generated(_record, 1), "arithmetic": _generated(_sum, 2)}
    return {name: _split(text) for name, text in texts.items()}


def _split(text: str) -> Kind:
    lines = iter(text.splitlines(keepends=True))
    training, *users = (_whole_lines(lines, size) for size in (TRAIN_BYTES, *[USER_BYTES] * USERS))
    return Kind(training, tuple(users))


def _whole_lines(lines: Iterator[str], size: int) -> str:
    taken, length = [], 0
    for line in lines:
        taken.append(line)
        length += len(line.encode())
        if length >= size:
            return "".join(taken)
    raise ValueError(f"the corpus ends {size - length} bytes too early")


def _generated(line: Callable[[Callable[[int], int], int], str], seed: int) -> str:
    """Lines until there is enough; ``line`` gets a function that draws an integer below its argument."""
    rng = np.random.Generator(np.random.PCG64(seed))  # its uniform numbers alone: those never change
    lines: list[str] = []
    length = 0
    while length < TRAIN_BYTES + (USERS + 1) * USER_BYTES:
        lines.append(line(lambda below: int(rng.random() * below), len(lines)))
        length += len(lines[-1])
    return "".join(lines)


def _record(draw: Callable[[int], int], number: int) -> str:
    tags = [tag for tag in _TAGS if draw(3) == 0]
    record = {
        "id": number,
        "name": _FIRST[draw(len(_FIRST))],
        "city": _CITY[draw(len(_CITY))],
        "price": draw(100_000) / 100,
        "paid": draw(2) == 1,
        "tags": tags,
    }
    return json.dumps(record) + "\n"


def _sum(draw: Callable[[int], int], _number: int) -> str:
    left, right = draw(10 ** (1 + draw(4))), draw(10 ** (1 + draw(4)))
    sign = "+-*"[draw(3)]
    value = {"+": left + right, "-": left - right, "*": left * right}[sign]
    return f"{left} {sign} {right} = {value}\n"
