"""``convolution``: the max-plus methods beside the plain O(n^2) one in numpy, at growing lengths."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

import numpy as np
from perf.table import Cell, Table, growth_exponent, median_s

from slimbench.formulations.single_server.max_plus import max_plus
from slimbench.instances.problem.arrays import FloatArray

LENGTHS: Final = (10**3, 10**4, 10**5, 10**6)
RUNS: Final = 5
LIMIT_S: Final = 30.0  # no method is run where its time, grown as the square of the length, would be longer
SAMPLED: Final = 50  # entries held against the definition where the plain version is not run
STEPS: Final = 10**4  # increments are whole numbers up to it: sums are exact, and so is equality

CAPTION: Final = (
    "Median wall seconds of five runs (one run from 5 s on), one thread: the max-plus convolution of two "
    "profiles of the same length, with whole increments, so that every sum is exact. Methods are chosen by "
    "`max_plus` itself, and its test for concavity is part of the seconds: slopes merged where both are "
    "concave, SMAWK where one is, blocks otherwise. Plain: one numpy maximum for each entry of the first. "
    f"Nothing is measured that would take more than {LIMIT_S:g} s. Results are equal to the last bit: to the "
    f"plain version where that is run, else to the definition at {SAMPLED} entries drawn. Exponent: slope of "
    "log seconds against log length, from the length before."
)


def convolution(lengths: tuple[int, ...] = LENGTHS) -> Table:
    """Measure every kind of profiles at every length.

    Raises
    ------
    ValueError
        If a result differs from the plain one.
    """
    rows: list[dict[str, Cell]] = []
    for kind, (left, right) in KINDS.items():
        _measured(max_plus_values, left(8, 0), right(8, 1), 0.0)  # compiles
        before: dict[str, Cell] = {}
        for length in lengths:
            f, g = left(length, 0), right(length, 1)
            row: dict[str, Cell] = {"profiles": kind, "length": length}
            results = {}
            for name, method in {"slimbench": max_plus_values, "plain": plain_values}.items():
                expected_s = _expected_s(before, name, length, quadratic=name == "plain" or kind == QUADRATIC)
                seconds, result = _measured(method, f, g, expected_s)
                row |= {f"{name}_s": seconds, f"{name}_exponent": _exponent(before, name, length, seconds)}
                if result is not None:
                    results[name] = result
            _check(f, g, results)
            ours, plain = row["slimbench_s"], row["plain_s"]
            row["ratio"] = plain / ours if isinstance(ours, float) and isinstance(plain, float) else None
            print(row, file=sys.stderr, flush=True)
            rows.append(row)
            before = row
    return Table(CAPTION, rows)


def concave(length: int, seed: int) -> FloatArray:
    """Falling whole increments."""
    steps = np.random.default_rng(seed).integers(0, STEPS, length - 1)
    return np.concatenate([np.zeros(1), np.cumsum(np.sort(steps)[::-1], dtype=np.float64)])


def arbitrary(length: int, seed: int) -> FloatArray:
    """Whole increments in any order, never falling as profiles of layers are."""
    steps = np.random.default_rng(seed).integers(0, STEPS, length - 1)
    return np.concatenate([np.zeros(1), np.cumsum(steps, dtype=np.float64)])


QUADRATIC: Final = "arbitrary, arbitrary"
KINDS: Final[dict[str, tuple[Callable[[int, int], FloatArray], Callable[[int, int], FloatArray]]]] = {
    "concave, concave": (concave, concave),
    "arbitrary, concave": (arbitrary, concave),
    QUADRATIC: (arbitrary, arbitrary),
}


def max_plus_values(f: FloatArray, g: FloatArray) -> FloatArray:
    """The whole convolution."""
    return max_plus(f, g, len(f) + len(g))[0]


def plain_values(f: FloatArray, g: FloatArray) -> FloatArray:
    """The same, one row after another."""
    h = np.full(len(f) + len(g) - 1, -np.inf)
    for i in range(len(f)):
        reached = h[i : i + len(g)]
        np.maximum(reached, f[i] + g, out=reached)
    return h


def _expected_s(before: dict[str, Cell], name: str, length: int, *, quadratic: bool) -> float:
    """From the length before; infinite where that was not measured."""
    if not before:
        return 0.0
    seconds, shorter = before[f"{name}_s"], before["length"]
    if not isinstance(seconds, float) or not isinstance(shorter, int):
        return float("inf")
    return float(seconds * (length / shorter) ** (2 if quadratic else 1))


def _exponent(before: dict[str, Cell], name: str, length: int, seconds: float | None) -> float | None:
    if not before or seconds is None:
        return None
    shorter, earlier = before["length"], before[f"{name}_s"]
    assert isinstance(shorter, int)
    assert isinstance(earlier, float)
    return growth_exponent([shorter, length], [earlier, seconds])


def _measured(
    method: Callable[[FloatArray, FloatArray], FloatArray], f: FloatArray, g: FloatArray, expected_s: float
) -> tuple[float | None, FloatArray | None]:
    if expected_s > LIMIT_S:
        return None, None
    return median_s(lambda pair: method(*pair), lambda: (f, g), RUNS if expected_s < LIMIT_S / 6 else 1)


def _check(f: FloatArray, g: FloatArray, results: dict[str, FloatArray]) -> None:
    if "slimbench" not in results:
        return
    ours = results["slimbench"]
    if "plain" in results:
        equal = np.array_equal(ours, results["plain"])
    else:
        drawn = np.random.default_rng(0).integers(0, len(ours), SAMPLED).tolist()
        equal = all(ours[k] == _entry(f, g, k) for k in drawn)
    if not equal:
        raise ValueError("the convolution differs from the plain one")


def _entry(f: FloatArray, g: FloatArray, k: int) -> float:
    first, last = max(0, k - len(g) + 1), min(len(f) - 1, k)
    return float(np.max(f[first : last + 1] + g[k - last : k - first + 1][::-1]))
