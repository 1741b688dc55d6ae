"""An adaptive suite from start to end."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from slimbench.bench.adaptive.course import Course, Stage
from slimbench.bench.adaptive.results import AdaptiveResults, sequence_folder, write_results
from slimbench.bench.adaptive.suite import AdaptiveSuite, NamedSequence, suite_sequences
from slimbench.bench.adaptive.tables import Played, played
from slimbench.bench.execution.machine import describe_machine, now
from slimbench.bench.isolation.workers import Workers
from slimbench.bench.plugins.plugin import PluginError
from slimbench.bench.plugins.policy_plugin import Policy, PolicyCall, parse_policy
from slimbench.bench.plugins.registry import find_policies
from slimbench.bench.suites.seeds import drawn_seed
from slimbench.bench.suites.suite import SuiteError, SuiteFile, refuse_repeated
from slimbench.instances import InstanceError

OnCourse = Callable[[str, Course], None]  # name of the sequence, and how a policy fared on it


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
        try:
            if policies:
                self.calls = [parse_policy(text, known) for text in policies]
            else:
                self.calls = _calls("policies", self.suite.policies, known)
            refuse_repeated("policies", (call.label for call in self.calls))
            self._judges = _calls("reference.policies", self.suite.reference.policies, known)
            for call in self._judges:
                if not call.policy.proves:
                    problem = f"{call.label} is not an exact policy, nor does it prove bounds"
                    raise SuiteError(problem, "reference.policies")
            self.sequences = [
                named
                for named in suite_sequences(self.suite, file.folder, data)
                if not patterns or any(fnmatch.fnmatchcase(named.sequence.name, p) for p in patterns)
            ]
        except SuiteError as error:
            raise error.located(file.origin, file.text) from None
        if not self.sequences:
            raise SuiteError("nothing is selected", origin=file.origin)

    @property
    def n_courses(self) -> int:
        """Policies and references, on every sequence."""
        return len(self.sequences) * (len(self._judges) + len(self.calls))

    def execute(self, folder: Path, on_course: OnCourse = lambda *_: None) -> AdaptiveResults:
        """Send every policy through every sequence; what is done is on disk after each sequence.

        Raises
        ------
        ContradictionError
            If a verified course costs less than a bound allows.
        StoreError, InstanceError
            If the folder cannot be written.
        """
        provenance = {"suite": self.suite.name, "seed": str(self.suite.seed), "started": now()}
        provenance |= describe_machine()
        done: list[Played] = []
        with Workers(threads=self.suite.limits.threads) as workers:
            for named in self.sequences:
                done.append(self._played(named, folder, workers, on_course))
                results = AdaptiveResults.of(self.suite.name, done, {**provenance, "finished": now()})
                write_results(results, done, folder)
        return results

    def _played(self, named: NamedSequence, folder: Path, workers: Workers, on_course: OnCourse) -> Played:
        suite, sequence = self.suite, named.sequence
        own_folder = sequence_folder(folder, sequence.sha256)
        try:
            stage = Stage(
                sequence, own_folder, suite.limits, suite.reference.time_s, self._plugin_files, workers
            )
        except OSError as error:
            raise InstanceError("", error.strerror or str(error), own_folder) from None
        seed = drawn_seed(suite.seed, sequence.sha256)

        def course(call: PolicyCall) -> Course:
            result = stage.run(call, seed)
            on_course(sequence.name, result)
            return result

        references = {call.label: course(call) for call in self._judges}
        courses = [references.get(call.label) or course(call) for call in self.calls]
        return played(named, list(references.values()), courses)


def _calls(place: str, texts: Sequence[str], policies: Mapping[str, Policy]) -> list[PolicyCall]:
    try:
        return [parse_policy(text, policies) for text in texts]
    except PluginError as error:
        raise SuiteError(str(error), place) from None
