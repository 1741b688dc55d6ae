"""Evolutionary search for the small instances on which a solver does worst."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np

from slimbench.bench.attack.draft import Draft
from slimbench.bench.attack.evaluator import AttackSettings, Evaluator, FaultKind, Verdict
from slimbench.bench.attack.mutation import mutated
from slimbench.bench.attack.starts import drawn_start, first_starts
from slimbench.bench.isolation.workers import Workers

FIRST_DRAWN: Final = 12  # drawn instances of the first generation, beside the traps
CHILDREN: Final = 12  # of a round
PARENTS: Final = 8  # kept for each of the two aims
FRESH_SHARE: Final = 0.1  # of the children: drawn without a parent
MORE_CHANGES: Final = 0.4  # probability of one more change to a child
HANGS: Final = 3  # that end a search: each takes its whole time limit
DECIMALS: Final = 9  # to which ratios are compared

Kind = FaultKind | Literal["lowest-ratio", "smallest-margin"]
KINDS: Final[tuple[Kind, ...]] = (
    "infeasible", "crash", "hang", "memory", "claim", "guarantee", "contradiction",
    "lowest-ratio", "smallest-margin",
)  # fmt: skip
"""Of findings, broken promises first."""
AIMS: Final[tuple[Kind, ...]] = ("lowest-ratio", "smallest-margin")


@dataclass(frozen=True)
class Candidate:
    """An instance of the search and its evaluation; candidates are numbered from 0."""

    draft: Draft
    round: int
    number: int
    verdict: Verdict


@dataclass
class Attack:
    """An evolutionary search for the lowest ratio and the smallest margin of a solver.

    The best candidates of each aim are the parents of the next round, whose children differ from them by
    one or more mutations. A candidate takes one run of the solver and one exact solve; the ratios found are
    upper bounds of the solver's worst case.

    Attributes
    ----------
    best : dict
        The worst candidate of each kind; the smallest of equally bad ones.
    counts : Counter
        ``candidates``, those ``rated`` with a ratio, those whose optimum is ``open``, those ``declined`` by
        the solver, and every kind of fault.
    rounds : int
        Finished rounds, without the first generation.
    ended : str
        Why the search ended.

    References
    ----------
    J. I. van Hemert, Evolving combinatorial problem instances that are difficult to solve, Evolutionary
    Computation 14 (2006) 433-462.
    """

    settings: AttackSettings
    best: dict[Kind, Candidate] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    ended: str = "interrupted"
    _seen: set[str] = field(default_factory=set)
    _pools: dict[Kind, dict[tuple[float, int], Candidate]] = field(default_factory=dict)

    def findings(self) -> list[tuple[list[Kind], Candidate]]:
        """Return the kinds and the candidate of every finding, broken promises first."""
        merged: dict[int, tuple[list[Kind], Candidate]] = {}
        for kind in KINDS:
            if kind in self.best:
                merged.setdefault(id(self.best[kind]), ([], self.best[kind]))[0].append(kind)
        return list(merged.values())

    @property
    def broken(self) -> bool:
        """True if a promise was broken."""
        return any(candidate.verdict.fault for candidate in self.best.values())

    def run(self, workers: Workers, on_round: Callable[[Attack], None] = lambda _: None) -> None:
        """Search; findings so far are kept if the search is interrupted.

        Parameters
        ----------
        workers : Workers
            Run the solvers, one run at a time.
        on_round : callable, optional
            Called after the first generation and after every round.
        """
        settings = self.settings
        rng = np.random.default_rng(settings.seed)
        stop = time.monotonic() + settings.timeout_s if settings.timeout_s is not None else None
        with tempfile.TemporaryDirectory() as folder:
            evaluator = Evaluator(settings, workers, Path(folder))
            for number in range(settings.rounds + 1):
                for draft in self._generation(number, rng):
                    if stop is not None and time.monotonic() >= stop:
                        self.ended = "timeout"
                        return
                    count = self.counts["candidates"]
                    name = f"{settings.call.solver.name}-{settings.dispatch}-{count}"
                    verdict = evaluator.evaluate(draft.instance(name))
                    self._record(Candidate(draft, number, count, verdict))
                    if self.counts["hang"] >= HANGS:
                        self.ended = f"{HANGS} hangs"
                        return
                self.rounds = number
                on_round(self)
        self.ended = "all rounds done"

    def _generation(self, number: int, rng: np.random.Generator) -> Iterator[Draft]:
        """Yield the candidates of a round, none of which was evaluated before."""
        settings = self.settings
        if number == 0:
            drafts = first_starts(settings.dispatch, settings.limits, rng, FIRST_DRAWN)
        else:  # all children before any is evaluated, from the parents of the last round
            drafts = [self._child(AIMS[i % len(AIMS)], rng) for i in range(CHILDREN)]
        for draft in drafts:
            content = draft.instance("content").sha256
            if content not in self._seen:
                self._seen.add(content)
                yield draft

    def _child(self, aim: Kind, rng: np.random.Generator) -> Draft:
        settings = self.settings
        pool = self._pools.get(aim) or self._pools.get("lowest-ratio")
        if not pool or rng.random() < FRESH_SHARE:
            return drawn_start(settings.dispatch, settings.limits, rng)
        ranked = sorted(pool.values(), key=lambda candidate: _fitness(aim, candidate))
        parent = ranked[int(rng.integers(len(ranked), size=2).min())]  # the better of two
        draft = mutated(parent.draft, settings.limits, rng)
        while rng.random() < MORE_CHANGES:
            draft = mutated(draft, settings.limits, rng)
        return draft

    def _record(self, candidate: Candidate) -> None:
        verdict = candidate.verdict
        self.counts["candidates"] += 1
        self.counts["rated"] += verdict.ratio is not None
        self.counts["open"] += not verdict.reference.closed
        self.counts["declined"] += verdict.row["status"] == "no_solution"
        if verdict.fault is not None:
            self.counts[verdict.fault.kind] += 1
            self._keep(verdict.fault.kind, candidate)
        if verdict.ratio is not None:
            self._breed("lowest-ratio", candidate)
        if verdict.margin is not None:
            self._breed("smallest-margin", candidate)

    def _keep(self, kind: Kind, candidate: Candidate) -> None:
        """Keep a finding that is worse than the one of its kind so far, or as bad and smaller."""
        best = self.best.get(kind)
        if best is None or _rank(kind, candidate) < _rank(kind, best):
            self.best[kind] = candidate

    def _breed(self, aim: Kind, candidate: Candidate) -> None:
        """Keep a candidate as a finding and as a parent; no two parents have equal value and size."""
        self._keep(aim, candidate)
        pool = self._pools.setdefault(aim, {})
        pool[_rank(aim, candidate)] = candidate
        if len(pool) > PARENTS:
            del pool[max(pool, key=lambda rank: _fitness(aim, pool[rank]))]


def _fitness(aim: Kind, candidate: Candidate) -> tuple[float, int]:
    """Sort key, worst and newest first: smallest first would end at trivial instances."""
    return _rank(aim, candidate)[0], -candidate.number


def _rank(kind: Kind, candidate: Candidate) -> tuple[float, int]:
    """Sort key, worst and smallest first; faults without a degree are sorted by size alone."""
    verdict = candidate.verdict
    degree = {"lowest-ratio": verdict.ratio, "smallest-margin": verdict.margin, "guarantee": verdict.margin}
    return round(degree.get(kind) or 0.0, DECIMALS), candidate.draft.size
