"""Bound the saving that an instance made of a part of the routing lacks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from slimbench.instances.problem.arrays import FloatArray
from slimbench.instances.problem.instance import Instance

CONFIDENCE: Final = 0.95  # of the sampling error; our choice


@dataclass(frozen=True, eq=False)
class Losses:
    """Routing that was read, but is not in the activations.

    Parameters
    ----------
    rates : (U, M) float64
        Rate of dropped groups, occurrences per generated token.
    sampled_tokens : int, optional
        Number of tokens kept, where each was drawn for itself, and in every layer.
    """

    rates: FloatArray
    sampled_tokens: int | None = None

    def dropped_s(self, instance: Instance) -> float:
        """How much more any placement, and the best one, could save if nothing were dropped, s per token.

        Sum over users and models of the dropped rate times the most that one occurrence can save: the cloud's
        latency less the fastest server's, under ``serial`` once for each expert of the largest group.
        A group's saving is its rate times between nothing and that, whatever is cached; so every placement
        saves at most this more, and none saves less.
        """
        return float((self.rates * _most_saved_s(instance)).sum())

    def sampling_s(self, instance: Instance) -> float:
        """Half width of the interval around a given placement's saving, s per token; 0 where none was drawn.

        The saving is the mean over tokens of what each saves in all its layers, from 0 to h. For n tokens
        drawn from all of them without replacement, and a placement chosen without looking at them, the mean
        of the n differs from that of all by at most h sqrt(ln(2 / (1 - confidence)) / (2 n)), at that
        confidence.

        References
        ----------
        Hoeffding, Probability inequalities for sums of bounded random variables, 1963, theorems 2 and 4.
        """
        if self.sampled_tokens is None:
            return 0.0
        layers = np.array([model.layers for model in instance.models])
        most_s = float((layers * _most_saved_s(instance)).max())
        return most_s * math.sqrt(math.log(2 / (1 - CONFIDENCE)) / (2 * self.sampled_tokens))

    def told(self, instance: Instance) -> list[str]:
        """What is to be said of them, for the note of an instance; nothing where there are none."""
        words = []
        if (dropped_s := self.dropped_s(instance)) > 0:
            words.append(f"with what was dropped, no placement saves over {dropped_s:.3g} s a token more")
        if self.sampled_tokens is not None:
            words.append(
                f"a given placement's saving is that of all tokens within {self.sampling_s(instance):.3g} s "
                f"a token, confidence {CONFIDENCE:.0%}"
            )
        return words


def _most_saved_s(instance: Instance) -> FloatArray:
    """(U, M) the most that one occurrence of a group can save."""
    gaps_s = np.maximum(0, instance.cloud_latency_s - instance.edge_latency_s.min(axis=1))
    if instance.dispatch == "serial":
        gaps_s = gaps_s * np.array([model.top_k for model in instance.models])
    return np.asarray(gaps_s, np.float64)
