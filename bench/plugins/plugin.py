"""Solver plugins: decorated functions with typed keyword parameters and declared guarantees."""

from __future__ import annotations

import contextlib
import inspect
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from types import MappingProxyType
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

import msgspec

from slimbench.bench.plugins.context import SolveContext
from slimbench.instances import Instance, Placement

Parameters = Mapping[str, Any]
Kind = Literal["solver", "policy"]
Subject = TypeVar("Subject")
P = TypeVar("P", bound="Plugin[Any]")


class PluginError(ValueError):
    """A plugin is malformed, or called in a wrong way."""


@dataclass(frozen=True)
class Guarantee:
    """A proven lower bound on saving / optimum.

    Attributes
    ----------
    claim : str
        In words, such as ``1/2`` or ``alpha / (1 + alpha)``.
    conditions : str
        When it holds, in words.
    source : str
        The paper or theorem.
    ratio : callable
        (instance, parameters, figures that the run recorded) -> the bound, or None where the conditions
        do not hold.
    expected : bool
        Holds for the mean over seeds, not for every run.
    """

    claim: str
    conditions: str
    source: str
    ratio: Callable[[Instance, Parameters, Mapping[str, Any]], float | None]
    expected: bool = False

    def of_run(self, instance: Instance, parameters: Parameters, figures: Mapping[str, Any]) -> float | None:
        """Return the ratio of a run.

        Raises
        ------
        PluginError
            If it is neither a number from 0 to 1 nor None.
        """
        value: Any = self.ratio(instance, parameters, figures)
        if value is None:
            return None
        if type(value) is not bool and isinstance(value, Real):
            value = ratio = float(value)
            if 0 <= ratio <= 1:
                return ratio
        raise PluginError(f"its guarantee is {reprlib.repr(value)}, expected a number from 0 to 1, or None")


@dataclass(frozen=True)
class Plugin(Generic[Subject]):
    """A solver of an instance, or a policy for an observation: a function and what is declared of it.

    Attributes
    ----------
    summary : str
        First line of the function's docstring.
    parameters : mapping of inspect.Parameter
        Keyword parameters by name, in the order of the signature; annotations are types, not text.
    exact : bool
        It proves optima: its bounds are proofs that references may use, and close if given the time.
    bounds : bool
        Its bounds are such proofs, but it is no exact method: it stops with a gap, and counts among the
        heuristics. For a plugin that is not ``exact``.
    """

    name: str
    function: Callable[..., Placement]
    summary: str
    parameters: Mapping[str, inspect.Parameter]
    exact: bool
    bounds: bool

    @property
    def proves(self) -> bool:
        """True if references may use its bounds."""
        return self.exact or self.bounds

    def __call__(self, subject: Subject, context: SolveContext, **parameters: Any) -> Placement:
        """Run the function in this process."""
        return self.function(subject, context, **parameters)


@dataclass(frozen=True)
class Solver(Plugin[Instance]):
    """A solver, as ``@solver`` makes it.

    Attributes
    ----------
    library : callable
        (parameters) -> the code bases that prove its bounds, joined by ``+``; proofs with none in common
        cross-check a reference.
    compiled : bool
        Called once on tiny instances before the clock starts, so that compile time is not measured.
    prepare : callable or None
        Called with the parameters in the run's process before the clock starts, to import libraries.
    """

    guarantee: Guarantee | None
    library: Callable[[Parameters], str]
    compiled: bool
    prepare: Callable[[Parameters], None] | None


def solver(
    name: str,
    *,
    guarantee: Guarantee | None = None,
    exact: bool = False,
    bounds: bool = False,
    library: Callable[[Parameters], str] | None = None,
    compiled: bool = False,
    prepare: Callable[[Parameters], None] | None = None,
) -> Callable[[Callable[..., Placement]], Solver]:
    """Make a solver of a function ``(instance, context, *, parameter: type = default, ...) -> Placement``.

    Raises
    ------
    PluginError
        If the name or the signature is not of that form, or it is declared ``exact`` and ``bounds``.
    """
    if exact and bounds:
        raise PluginError(f"solver {name}: is exact, so its bounds count: expected no bounds=True beside it")

    def decorate(function: Callable[..., Placement]) -> Solver:
        return Solver(
            *described("solver", name, function, "instance"),
            exact=exact,
            bounds=bounds,
            guarantee=guarantee,
            library=library or (lambda _: name),
            compiled=compiled,
            prepare=prepare,
        )

    return decorate


def described(
    kind: Kind, name: str, function: Callable[..., Placement], subject: str
) -> tuple[str, Callable[..., Placement], str, Mapping[str, inspect.Parameter]]:
    """Return name, function, summary and parameters of a plugin.

    Parameters
    ----------
    function : callable
        Of the form ``(subject, context, *, parameter: type = default, ...)``.

    Raises
    ------
    PluginError
        If the name or the signature is not of that form.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise PluginError(f"{kind} name {name!r}: expected letters, digits, dots and dashes")
    try:
        signature = list(inspect.signature(function, eval_str=True).parameters.values())
    except NameError as error:
        raise PluginError(f"{kind} {name}: {error} in the types of its parameters") from error
    if len(signature) < 2 or any(p.kind is not p.KEYWORD_ONLY for p in signature[2:]):
        raise PluginError(
            f"{kind} {name}: expected a function ({subject}, context, *, parameter: type = default)"
        )
    for p in signature[2:]:
        if p.default is p.empty or p.annotation is p.empty:
            raise PluginError(f"{kind} {name}: parameter {p.name}: expected a type and a default")
    summary = (inspect.getdoc(function) or "").partition("\n")[0]
    return name, function, summary, MappingProxyType({p.name: p for p in signature[2:]})


@dataclass(frozen=True)
class Call:
    """A solver with a value for each of its parameters.

    Attributes
    ----------
    label : str
        The call as text, without the parameters that have their default: equal calls have equal labels.
    """

    solver: Solver
    parameters: Parameters
    label: str


def parse_call(text: str, solvers: Mapping[str, Solver]) -> Call:
    """Read ``name`` or ``name[p=v,q=w]``; a value may itself be such a call.

    Raises
    ------
    PluginError
        If the text is not of that form, or names an unknown solver or parameter, or a value does not fit.
    """
    return Call(*read_call("solver", text, solvers))


def read_call(kind: Kind, text: str, known: Mapping[str, P]) -> tuple[P, Parameters, str]:
    """Return plugin, parameters and label of a call of one of the ``known`` plugins.

    Raises
    ------
    PluginError
        As ``parse_call``.
    """
    match = re.fullmatch(r"\s*([^\[\]\s]+)\s*(?:\[(.*)\])?\s*", text)
    if not match:
        raise PluginError(f"{kind} {text!r}: expected name or name[parameter=value,...]")
    name, arguments = match[1], match[2] or ""
    if name not in known:
        raise PluginError(f"{kind} {name!r}: unknown, expected one of {', '.join(sorted(known))}")
    plugin = known[name]
    declared = plugin.parameters
    given: dict[str, Any] = {}
    for part in _split_top_level(kind, arguments):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or key in given:
            raise PluginError(f"{kind} {text!r}: {part.strip()!r}, expected each parameter=value once")
        if key not in declared:
            expected = ", ".join(declared) or "none"
            raise PluginError(f"{kind} {name}: parameter {key!r}: unknown, expected one of {expected}")
        given[key] = _converted(f"{kind} {name}", declared[key], value)
    parameters = {p.name: given.get(p.name, p.default) for p in declared.values()}
    changed = [f"{k}={_text(v)}" for k, v in parameters.items() if v != declared[k].default]
    return plugin, MappingProxyType(parameters), name + (f"[{','.join(changed)}]" if changed else "")


def _converted(plugin: str, parameter: inspect.Parameter, value: str) -> Any:
    if value == "none":
        with contextlib.suppress(msgspec.ValidationError):  # it may be a word, as in Literal["all", "none"]
            return msgspec.convert(None, parameter.annotation)
    try:
        return msgspec.convert(value, parameter.annotation, strict=False)
    except msgspec.ValidationError as error:
        problem = str(error).replace("`", "")
        if get_origin(parameter.annotation) is Literal:
            problem = f"expected one of {', '.join(map(str, get_args(parameter.annotation)))}"
        raise PluginError(f"{plugin}: parameter {parameter.name}: is {value!r}: {problem}") from None


def _text(value: Any) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _split_top_level(kind: Kind, text: str) -> list[str]:
    """Split at the commas outside brackets."""
    parts, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if depth < 0:
            break
        if character == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    if depth:
        raise PluginError(f"{kind} parameters [{text}]: brackets do not match")
    return [*parts, text[start:]] if text.strip() else []
