"""Run an adaptive suite: every policy through every sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from slimbench.bench.adaptive.episode import Episode, EpisodeRunner
from slimbench.bench.adaptive.regret import SequenceResult, offline_optimum
from slimbench.bench.adaptive.results import AdaptiveResults, write_results
from slimbench.bench.execution.machine import describe_machine, now
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.plugins.policy_plugin import PolicyCall, parse_policy
from slimbench.bench.plugins.registry import find_policies
from slimbench.bench.suites.seeds import drawn_seed
from slimbench.bench.suites.selection import EVERYTHING, Selection
from slimbench.bench.suites.suite import SuiteError, SuiteFile, parse_calls, refuse_repeated
from slimbench.bench.suites.suite_sequences import AdaptiveSuite, NamedSequence, suite_sequences
from slimbench.instances import InstanceError

OnEpisode = Callable[[str, Episode], None]  # name of the sequence, and how a policy fared on it


class AdaptiveRun:
    """A suite with its policies and sequences settled.

    Parameters
    ----------
    selection : Selection
        Its solvers are policies, its datasets and instances sequences; ``repeats`` does not count.
    plugin_files : sequence of Path
        With policies.
    data : Path, optional
        Folder that data paths start from.

    Raises
    ------
    SuiteError, InstanceError, PluginError
        If the suite, a sequence or a policy is not what it must be, or nothing is selected.
    """

    def __init__(
        self,
        file: SuiteFile[AdaptiveSuite],
        selection: Selection = EVERYTHING,
        plugin_files: Sequence[Path] = (),
        data: Path | None = None,
    ) -> None:
        suite = self.suite = _changed(file.suite, selection)
        known = find_policies(plugin_files)
        self._plugin_files = tuple(str(path.resolve()) for path in plugin_files)
        with file.locating():
            if selection.solvers:
                calls = [parse_policy(text, known) for text in suite.policies]
            else:
                calls = parse_calls("policies", suite.policies, known, parse_policy)
            refuse_repeated("policies", (call.label for call in calls))
            self.references = parse_calls("reference.policies", suite.reference.policies, known, parse_policy)
            for call in self.references:
                if not call.policy.proves:
                    problem = f"{call.label} is not an exact policy, nor does it prove bounds"
                    raise SuiteError(problem, "reference.policies")
            self.plan: list[tuple[NamedSequence, list[PolicyCall]]] = []
            wanted = selection.cell_filter()
            for named in suite_sequences(suite, file.folder, data):
                cell = {"instance": named.sequence.name, "dispatch": named.sequence.periods[0].dispatch}
                own = [call for call in calls if wanted({**cell, "solver": call.label})]
                if own and selection.has(named.sequence.name):
                    self.plan.append((named, own))
        if not self.plan:
            raise SuiteError("nothing is selected", origin=file.origin)

    def episodes(self) -> list[tuple[NamedSequence, PolicyCall]]:
        """Every episode in order: of each sequence those of the references, then those of other policies."""
        return [
            (named, call)
            for named, calls in self.plan
            for call in {call.label: call for call in (*self.references, *calls)}.values()
        ]

    def limit_s(self) -> float:
        """Seconds that the limits allow all decisions together."""
        return sum(
            self.suite.reference.time_s
            if call.policy.sees == "future"
            else named.sequence.n_periods * self.suite.limits.time_s
            for named, call in self.episodes()
        )

    def execute(self, folder: Path, on_episode: OnEpisode = lambda *_: None) -> AdaptiveResults:
        """Send every policy through every sequence; what is done is on disk after each sequence.

        Raises
        ------
        ContradictionError
            If a verified episode costs less than a bound allows.
        StoreError, InstanceError
            If the folder cannot be written.
        """
        name = self.suite.name
        provenance = {"suite": name, "seed": str(self.suite.seed), "started": now(), **describe_machine()}
        done: list[SequenceResult] = []
        with Workers(threads=self.suite.limits.threads) as workers:
            for named, calls in self.plan:
                done.append(self._run_sequence(named, calls, folder, workers, on_episode))
                results = AdaptiveResults.of(name, done, {**provenance, "finished": now()})
                write_results(results, done, folder)
        return results

    def _run_sequence(
        self,
        named: NamedSequence,
        calls: Iterable[PolicyCall],
        folder: Path,
        workers: Workers,
        on_episode: OnEpisode,
    ) -> SequenceResult:
        suite, sequence = self.suite, named.sequence
        own_folder = folder / "sequences" / sequence.sha256[:16]  # names never become paths
        try:
            runner = EpisodeRunner(
                sequence, own_folder, suite.limits, suite.reference.time_s, self._plugin_files, workers
            )
        except OSError as error:
            raise InstanceError("", error.strerror or str(error), own_folder) from None
        seed = drawn_seed(suite.seed, sequence.sha256)

        def episode(call: PolicyCall) -> Episode:
            result = runner.run(call, seed)
            on_episode(sequence.name, result)
            return result

        references = {call.label: episode(call) for call in self.references}
        episodes = tuple(references.get(call.label) or episode(call) for call in calls)
        return SequenceResult(named, episodes, offline_optimum(sequence, [*references.values(), *episodes]))


def _changed(suite: AdaptiveSuite, selection: Selection) -> AdaptiveSuite:
    """The suite with what is given instead of its own."""
    return msgspec.structs.replace(
        suite,
        policies=tuple(selection.solvers) or suite.policies,
        seed=suite.seed if selection.seed is None else selection.seed,
        limits=msgspec.structs.replace(suite.limits, time_s=selection.time_s or suite.limits.time_s),
    )
