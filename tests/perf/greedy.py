"""``greedy``: the lazy greedy of ``slim-greedy`` beside apricot's and submodlib's facility location."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import numpy as np
from perf.table import Cell, Table, median_s

from slimbench.formulations.heuristics.lazy_greedy import LazyGreedy
from slimbench.formulations.terms.facility_location import FacilityLocation
from slimbench.instances.problem.arrays import FloatArray, IntArray

CASES: Final = ((1000, 100), (2000, 100), (4000, 100))  # points, picks
DIMENSIONS: Final = 8
RUNS: Final = 9
SAME: Final = 1e-9  # relative

CAPTION: Final = (
    "Median wall seconds of nine runs, one thread: facility location, the sum over n users of the largest "
    "similarity to k picks among n candidates, similarity exp(-d^2 / 16) of normal points in "
    f"{DIMENSIONS} dimensions, as a dense matrix. SlimBench: the kernel of `slim-greedy` at K = 1, given n "
    "servers, n users and one expert whose call a server answers sooner than the cloud by the similarity, "
    "and, instead of one room a server, one room of k experts that all of them share, so that candidates and "
    "budget are the peers' own; an instance has no such room. Its seconds hold everything from the calls to "
    "the picks. apricot-select: lazy, `fit` on the matrix, which compiles its loops anew each time (2 to 3 s "
    "at any size, in its seconds); submodlib-py: LazyGreedy, `maximize` alone, its "
    "making apart in `submodlib_making_s`. A value is the sum, in float64, over the candidates picked; none "
    "lies above SlimBench's. `ratio` is the better peer's seconds over SlimBench's."
)

Pick = Callable[[Any], list[int]]


def greedy(cases: tuple[tuple[int, int], ...] = CASES, runs: int = RUNS) -> Table:
    """Measure every number of points and of picks.

    Raises
    ------
    ValueError
        If a peer's value lies above ours by more than 1e-9, relatively.
    """
    _row(50, 5, 1)  # compiles
    return Table(CAPTION, [_row(points, picks, runs) for points, picks in cases])


def _row(points: int, picks: int, runs: int) -> dict[str, Cell]:
    similarities = _similarities(points)
    calls = calls_of(similarities)
    by_candidate = np.ascontiguousarray(similarities.T)
    made_by_submodlib = partial(_submodlib_function, similarities)
    makers: dict[str, tuple[Pick, Callable[[], Any]]] = {
        "slimbench": (lambda given: pick_by_slimbench(given, picks), lambda: calls),
        "apricot": (lambda given: _pick_by_apricot(given, picks), lambda: by_candidate),
        "submodlib": (lambda given: _pick_by_submodlib(given, picks), made_by_submodlib),
    }
    seconds, values = {}, {}
    for name, (pick, given) in makers.items():
        seconds[name], picked = median_s(pick, given, runs)
        values[name] = float(similarities[:, picked].max(axis=1).sum())
    if max(values.values()) > (1 + SAME) * values["slimbench"]:
        raise ValueError(f"values differ: {values}")
    making_s, _ = median_s(_submodlib_function, lambda: similarities, runs)
    return {
        "points": points,
        "picks": picks,
        **{f"{name}_value": f"{value:.10g}" for name, value in values.items()},
        **{f"{name}_s": value for name, value in seconds.items()},
        "submodlib_making_s": making_s,
        "ratio": min(seconds["apricot"], seconds["submodlib"]) / seconds["slimbench"],
    }


def _similarities(points: int) -> FloatArray:
    """(points, points) float64, users by candidates.

    The two are drawn apart: were the users the candidates, lonely pairs of them would be exact ties, which
    every tool breaks in its own way.
    """
    rng = np.random.default_rng(0)
    users, candidates = rng.normal(size=(2, points, DIMENSIONS))
    norms = (users**2).sum(axis=1)[:, None] + (candidates**2).sum(axis=1)
    return np.asarray(np.exp(-np.maximum(norms - 2 * users @ candidates.T, 0) / 16))


def calls_of(similarities: FloatArray) -> FacilityLocation:
    """Users (rows) that call one expert, which servers (columns) answer sooner by the similarity."""
    users, servers = similarities.shape
    return FacilityLocation(
        offsets=np.array([0, users]),
        users=np.arange(users, dtype=np.int32),
        rates=np.ones(users),
        cloud_s=np.zeros(users),
        edge_s=np.ascontiguousarray(-similarities.T).reshape(1, servers, users),
        models=np.zeros(1, np.int32),
        consecutive=np.ones(1, np.bool_),
    )


def pick_by_slimbench(calls: FacilityLocation, picks: int) -> list[int]:
    """The servers picked, ascending."""
    room, one = np.array([picks]), np.ones(1, np.int64)
    rooms: IntArray = np.zeros(calls.edge_s.shape[1], np.int64)
    holds = LazyGreedy(calls, one, room, rooms).run(np.ones(1), (), lambda: False)
    return np.flatnonzero(holds[:, 0]).tolist()


def _pick_by_apricot(by_candidate: FloatArray, picks: int) -> list[int]:
    from apricot import FacilityLocationSelection

    selection = FacilityLocationSelection(picks, metric="precomputed", optimizer="lazy")
    return sorted(selection.fit(by_candidate).ranking.tolist())


def _submodlib_function(similarities: FloatArray) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses deprecated names
        from submodlib.functions.facilityLocation import (
            FacilityLocationFunction,
        )

        return FacilityLocationFunction(
            n=similarities.shape[1],
            mode="dense",
            sijs=similarities,
            separate_rep=True,
            n_rep=len(similarities),
        )


def _pick_by_submodlib(function: Any, picks: int) -> list[int]:
    picked = function.maximize(
        picks, "LazyGreedy", stopIfZeroGain=False, stopIfNegativeGain=False, show_progress=False
    )
    return sorted(element for element, _ in picked)
