"""Find the line of a value in a TOML text, for error messages."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

_HEADER: Final = re.compile(r"\s*(\[\[?)([^\[\]]+)\]\]?\s*(#.*)?$")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_.\"'-]+)\s*=")


def line_of(text: str, place: str) -> int | None:
    """Line, from 1, of the key or table that ``place`` such as ``instances[2].network.servers`` is in.

    Of values in inline tables and arrays the line of their key; None where nothing of the place is written.
    """
    best, best_length = None, 0
    table, arrays = "", Counter[str]()
    for number, line in enumerate(text.splitlines(), 1):
        here = table
        if header := _HEADER.match(line):
            name = "".join(header[2].split())
            if header[1] == "[[":
                here = table = f"{name}[{arrays[name]}]"
                arrays[name] += 1
            else:
                first, dot, rest = name.partition(".")
                within = f"{first}[{arrays[first] - 1}]" if arrays[first] else first
                here = table = within + dot + rest
        elif key := _KEY.match(line):
            here = ".".join(filter(None, (table, re.sub(r"[\"']", "", key[1]))))
        else:
            continue
        if len(here) > best_length and (place == here or place.startswith((f"{here}.", f"{here}["))):
            best, best_length = number, len(here)
    return best
