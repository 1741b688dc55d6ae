"""Run an adaptive suite: every policy through every sequence."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from pathlib import Path

from slimbench.bench.adaptive.episode import Episode, EpisodeRunner
from slimbench.bench.adaptive.regret import SequenceResult, offline_optimum
from slimbench.bench.adaptive.results import AdaptiveResults, write_results
from slimbench.bench.adaptive.suite import AdaptiveSuite, NamedSequence, suite_sequences
from slimbench.bench.adaptive.tables import period_table, policy_table, sequence_table
from slimbench.bench.execution.machine import describe_machine, now
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.plugins.policy_plugin import PolicyCall, parse_policy
from slimbench.bench.plugins.registry import find_policies
from slimbench.bench.suites.seeds import drawn_seed
from slimbench.bench.suites.suite import SuiteError, SuiteFile, parse_calls, refuse_repeated
from slimbench.instances import InstanceError

OnEpisode = Callable[[str, Episode], None]  # name of the sequence, and how a policy fared on it


class AdaptiveRun:
    """A suite with its policies and sequences settled.

    Parameters
    ----------
    policies : sequence of str
        Instead of the suite's.
    patterns : sequence of str
        Of the names of sequences; all where empty.
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
        policies: Sequence[str] = (),
        patterns: Sequence[str] = (),
        plugin_files: Sequence[Path] = (),
        data: Path | None = None,
    ) -> None:
        self.suite = file.suite
        known = find_policies(plugin_files)
        self._plugin_files = tuple(str(path.resolve()) for path in plugin_files)
        with file.locating():
            if policies:
                self.calls = [parse_policy(text, known) for text in policies]
            else:
                self.calls = parse_calls("policies", self.suite.policies, known, parse_policy)
            refuse_repeated("policies", (call.label for call in self.calls))
            references = self.suite.reference.policies
            self._references = parse_calls("reference.policies", references, known, parse_policy)
            for call in self._references:
                if not call.policy.proves:
                    problem = f"{call.label} is not an exact policy, nor does it prove bounds"
                    raise SuiteError(problem, "reference.policies")
            self.sequences = [
                named
                for named in suite_sequences(self.suite, file.folder, data)
                if not patterns or any(fnmatch.fnmatchcase(named.sequence.name, p) for p in patterns)
            ]
        if not self.sequences:
            raise SuiteError("nothing is selected", origin=file.origin)

    @property
    def n_episodes(self) -> int:
        """Policies and references, on every sequence."""
        return len(self.sequences) * (len(self._references) + len(self.calls))

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
            for named in self.sequences:
                done.append(self._run_sequence(named, folder, workers, on_episode))
                tables = sequence_table(done), policy_table(done), period_table(done)
                results = AdaptiveResults(name, *tables, {**provenance, "finished": now()})
                write_results(results, done, folder)
        return results

    def _run_sequence(
        self, named: NamedSequence, folder: Path, workers: Workers, on_episode: OnEpisode
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

        references = {call.label: episode(call) for call in self._references}
        episodes = tuple(references.get(call.label) or episode(call) for call in self.calls)
        return SequenceResult(named, episodes, offline_optimum(sequence, [*references.values(), *episodes]))
