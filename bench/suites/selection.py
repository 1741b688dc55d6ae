"""Select a part of a suite, and override its solvers, repeats, limits or seed."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import boolean
import msgspec

from slimbench.bench.plugins.plugin import Solver, parse_call
from slimbench.bench.suites.suite import Suite, SuiteError

_ALGEBRA: Final = boolean.BooleanAlgebra(allowed_in_token=tuple("._-[]=,:/"))

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Selection:
    """Filters and overrides of a suite.

    Attributes
    ----------
    solvers : sequence of str
        To measure instead of the suite's.
    datasets : sequence of str
        Patterns, such as ``switch-*``, of the names of instances; all where empty.
    keyword : str
        Words joined by ``and``, ``or``, ``not`` and brackets; a word holds where it is a part of the
        solver's, the instance's or the dispatch's name. Everything holds where empty.
    repeats, time_s, seed : optional
        Instead of the suite's.
    """

    solvers: Sequence[str] = ()
    datasets: Sequence[str] = ()
    keyword: str = ""
    repeats: int | None = None
    time_s: float | None = None
    seed: int | None = None

    def changed(self, suite: Suite) -> Suite:
        """The suite with what is given instead of its own."""
        changes: dict[str, Any] = {
            "solvers": tuple(self.solvers),
            "repeats": self.repeats,
            "seed": self.seed,
            "limits": msgspec.structs.replace(suite.limits, time_s=self.time_s) if self.time_s else None,
        }
        return msgspec.structs.replace(suite, **{k: v for k, v in changes.items() if v not in (None, ())})

    def has(self, name: str) -> bool:
        """Whether the instance or sequence of this name is meant."""
        return not self.datasets or any(fnmatch.fnmatchcase(name, pattern) for pattern in self.datasets)

    def cell_filter(self) -> Callable[[Row], bool]:
        """Whether a row (``solver``, ``instance``, ``dispatch``) is meant.

        Raises
        ------
        SuiteError
            If the expression is none.
        """
        if not self.keyword.strip():
            return lambda _: True
        try:
            expression = _ALGEBRA.parse(self.keyword)
        except boolean.ParseError as error:
            problem = str(error).splitlines()[0]
            raise SuiteError(f"{self.keyword!r}: {problem}; expected words, and, or, not, brackets") from None

        def wanted(row: Row) -> bool:
            text = f"{row['solver']} {row['instance']} {row['dispatch']}".lower()
            holds = {
                symbol: _ALGEBRA.TRUE if symbol.obj.lower() in text else _ALGEBRA.FALSE
                for symbol in expression.symbols
            }
            return bool(expression.subs(holds, simplify=True) == _ALGEBRA.TRUE)

        return wanted


EVERYTHING: Final = Selection()


def solver_filter(texts: Sequence[str], solvers: Mapping[str, Solver]) -> Callable[[Row], bool]:
    """Whether a row is of one of these solvers: ``name`` means all of its calls, ``name[p=v]`` that one.

    Raises
    ------
    PluginError
        If there is no such solver or parameter.
    """
    labels = {parse_call(text, solvers).label for text in texts if "[" in text}
    names = {parse_call(text, solvers).solver.name for text in texts if "[" not in text}
    return lambda row: row["solver"] in labels or row["solver_name"] in names
