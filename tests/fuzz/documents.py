"""Changed JSON and TOML: well-formed for the most part, with values that do not belong there."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from random import Random
from typing import Any

from fuzz.mutation import changed_bytes

VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 255, 2**31 - 1, 2**31, 2**40, 2**62, 2**62 + 1, 2**63, 2**64, 10**30,
    0.0, -0.0, 0.5, 1e-320, 1e308, "", "a", "0", "edge-0", "single", "parallel", "\0", "\u2028", "a\nb",
    "\U0001f600", "x" * 1001, "../../etc/passwd", "/etc/passwd", [], [[]], {}, [0], [0, 1], [None], {"a": 0},
]  # fmt: skip
RAW = [  # what json.dumps does not write
    "1e999", "-1e999", "NaN", "Infinity", "-Infinity", "-0", "00", "1.", ".5", "1e", "9" * 30, "9" * 5000,
    "0." + "1" * 5000, '"\\ud800"', '"\\u0000"', "[" * 3000 + "]" * 3000, '{"a":' * 3000 + "0" + "}" * 3000,
    "[" * 2000, "[NaN]", '{"a":NaN}', '{"a":0,"a":1}', "tru", "nul", "'a'", "0x1", "1_000", "", ",", "//",
]  # fmt: skip
_MARK = "raw-{}"


def changed_document(rng: Random, document: Any, more: Sequence[Any] = ()) -> bytes:
    """JSON text of the document with one to three values, keys or entries changed.

    Parameters
    ----------
    more : sequence
        Values to put in besides those that fit nowhere.
    """
    document = [copy.deepcopy(document)]  # a list, so that the document itself can be replaced
    raw: list[str] = []
    for _ in range(rng.randint(1, 3)):
        _change(rng, document, more, raw)
    text = json.dumps(document[0], ensure_ascii=rng.random() < 0.5)
    for i, fragment in enumerate(raw):
        text = text.replace(f'"{_MARK.format(i)}"', fragment)
    return text.encode("utf-8", "surrogatepass")


def _change(rng: Random, document: list[Any], more: Sequence[Any], raw: list[str]) -> None:
    places = _places(document)
    target, key = rng.choice(places)
    other, other_key = rng.choice(places)
    match rng.randrange(10):
        case 0 | 1 | 2:
            target[key] = copy.deepcopy(rng.choice([*VALUES, *more]))
        case 3:
            target[key] = _MARK.format(len(raw))
            raw.append(rng.choice(RAW))
        case 4:
            target[key] = copy.deepcopy(other[other_key])
        case 5 if target is not document:
            del target[key]
        case 6 if isinstance(target, list):
            target[key:key] = [copy.deepcopy(target[key]) for _ in range(rng.choice([1, 1, 2, 30]))]
        case 7 if isinstance(target, dict):
            target[rng.choice(["", "a", "\0", "x" * 1001, "name", "format", "é"])] = target.pop(key)
        case 8 if isinstance(target, list):
            rng.shuffle(target)
        case _ if isinstance(target[key], int | float) and not isinstance(target[key], bool):
            target[key] += rng.choice([-1, 1, 0.5, 1e-9, 2**32])


def _places(document: list[Any]) -> list[tuple[Any, Any]]:
    """Each value of a document, as the list or object it lies in and its place there."""
    found: list[tuple[Any, Any]] = []
    pending: list[Any] = [document]
    while pending:
        holder = pending.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                pending.append(holder[key])
    return found


# TOML

TOML_VALUES = [
    "0", "1", "-1", "2", "1_000", "0.5", "-0.5", "nan", "inf", "-inf", "1e400", "9" * 30, "9" * 5000, "0x10",
    "true", "false", '""', '"a"', "'a'", '"""a\nb"""', '"\\u0000"', '"a/\\u0000.json"', '"**/*"', '"*"',
    '"[a"',
    '"none.json"', '"a.json"', f'"{"a" * 300}.json"', f'"{"a/" * 3000}"', "[]", "[0]", "[[]]", '["a"]', "{}",
    "{ a = 1 }", "[" * 3000 + "]" * 3000, "{ a = " * 500 + "1" + "}" * 500, "1979-05-27",
    "1979-05-27T07:32:00Z",
    "07:32:00", '["single", "serial"]', "[1, 2, 3]", '"zipf"', '{ kind = "zipf" }',
    '{ kind = "trace", path = "t" }',
    '{ kind = "trace", path = "\\u0000.csv" }', '{ kind = "mixtral-fiddler" }', "1099511627776", "1000000",
    "{ servers = 100000, users = 1000000 }", '{ kind = "zipf", tokens = 1000000000000 }', "[1, 'a', {}]",
    f'"""\n[{" " * 2000}\n"""', f'"""\n{" " * 20_000}\n"""',
]  # fmt: skip
TOML_LINES = [
    "[[instances]]", "[instances]", "[limits]", "[reference]", "[[limits]]", "[a.b.c]", "a.b.c = 1",
    "instances = []",
    "solvers = []", "# comment", "=", "[", "]", '"', "'''", ".".join("a" * 2000) + " = 1",
    "[" + ".".join("a" * 2000) + "]",
    "instances = [{ file = 'a.json' }]", "\t", "\r", "[" + " " * 20_000, "[a" + " " * 20_000 + "b",
    " " * 20_000, "a" * 20_000, "\0", "\ufeff", "[[instances.network]]", "limits.time_s = 1",
]  # fmt: skip


def changed_toml(rng: Random, text: str) -> bytes:
    """The text with values, keys and lines changed, or its bytes."""
    lines = text.splitlines()
    for _ in range(rng.randint(1, 3)):
        at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
        key, equals, value = lines[at].partition("=")
        match rng.randrange(8):
            case 0 | 1 | 2 if equals:
                lines[at] = f"{key}= {rng.choice(TOML_VALUES)}"
            case 3 if equals:
                lines[at] = f"{lines[other].partition('=')[0]}={value}"
            case 4 if len(lines) > 1:
                del lines[at]
            case 5:
                lines[at:at] = [lines[other]] * rng.choice([1, 1, 2, 40])
            case 6:
                lines[at:at] = [rng.choice(TOML_LINES)]
            case _:
                lines[at], lines[other] = lines[other], lines[at]
    content = "\n".join(lines).encode()
    if rng.random() < 0.3:
        fragments = [part.encode() for part in (*TOML_VALUES, *TOML_LINES)]
        content = changed_bytes(rng, content, fragments)
    return content
