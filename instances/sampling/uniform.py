"""Draws made of uniform random numbers alone: those never change with NumPy."""

from __future__ import annotations

import numpy as np

from slimbench.instances.problem.arrays import FloatArray, IntArray


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Standard normal numbers, by Box and Muller."""
    radius, angle = rng.random(shape), rng.random(shape)
    return np.asarray(np.sqrt(-2 * np.log1p(-radius)) * np.cos(2 * np.pi * angle))


def permutation(rng: np.random.Generator, size: int) -> IntArray:
    """A uniform permutation."""
    return np.argsort(rng.random(size), kind="stable")


def choices(rng: np.random.Generator, weights: FloatArray, size: int) -> IntArray:
    """(size,) numbers below ``len(weights)``, each with a probability in proportion to its weight."""
    ends = np.cumsum(weights)
    numbers = np.searchsorted(ends, rng.random(size) * ends[-1], side="right")
    return np.asarray(numbers.clip(max=len(weights) - 1))
