"""Routing logs of vLLM-MoE-Logger: JSON lines, one of facts, then one for each token and logged layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, NamedTuple

import msgspec

from slimbench.instances.files.records import naming_field
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.routing.recipe import Count


class LogFacts(msgspec.Struct, tag_field="type", tag="meta"):
    """The first line."""

    layers_logged: Annotated[list[Count], msgspec.Meta(min_length=1)]
    top_k: Annotated[int, msgspec.Meta(ge=1)]
    model_id: str = ""


class Route(msgspec.Struct, tag_field="type", tag="route"):
    """Any other line: the experts that a token called in a layer, in order of their weights."""

    layer: int
    topk_ids: list[Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]]
    req_id: str | int | None = None
    token_idx: int | None = None


class NumberedRoute(NamedTuple):
    """A route and its line, from 1."""

    line: int
    route: Route


class RoutingLog:
    """The routes of a log, in order, without its warm-up.

    A log starts with a profiling pass on dummy tokens, which all call one group: of each layer two or more
    leading routes of the same group are dropped.

    Parameters
    ----------
    lines : iterable of str

    Attributes
    ----------
    facts : LogFacts
    dropped : int
        Routes dropped as warm-up so far.

    Raises
    ------
    InstanceError
        Naming line and field of the first fault, when the log is made and while it is run through.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self.dropped = 0
        self._lines = enumerate(lines, 1)
        _, first = next(self._lines, (0, ""))
        if not first:
            raise InstanceError("", "is empty, expected meta on the first line")
        facts = _decoded(1, first)
        if not isinstance(facts, LogFacts):
            raise _out_of_place(1)
        self.facts = facts

    def __iter__(self) -> Iterator[NumberedRoute]:
        """Read the log, once."""
        warm_up: dict[int, NumberedRoute] = {}  # the first route of a layer, until another group is called
        repeats: Counter[int] = Counter()  # of its group, itself included
        for number, line in self._lines:
            route = _decoded(number, line)
            if not isinstance(route, Route):
                raise _out_of_place(number)
            self._check(number, route)
            layer = route.layer
            if layer not in repeats:
                warm_up[layer] = NumberedRoute(number, route)
            if layer in warm_up:
                if set(route.topk_ids) == set(warm_up[layer].route.topk_ids):
                    repeats[layer] += 1
                    continue
                yield from self._measured(warm_up.pop(layer), repeats[layer])
            yield NumberedRoute(number, route)
        for layer, first in warm_up.items():
            yield from self._measured(first, repeats[layer])

    def _measured(self, first: NumberedRoute, repeats: int) -> Iterator[NumberedRoute]:
        """The first route of a layer, unless it was repeated."""
        if repeats == 1:
            yield first
        else:
            self.dropped += repeats

    def _check(self, number: int, route: Route) -> None:
        logged, top_k = self.facts.layers_logged, self.facts.top_k
        if route.layer not in logged:
            raise InstanceError(
                f"line {number}: layer",
                f"is {route.layer}, expected {' or '.join(map(str, logged))} as in meta",
            )
        if len(set(route.topk_ids)) != top_k or len(route.topk_ids) != top_k:
            raise InstanceError(
                f"line {number}: topk_ids", f"is {route.topk_ids}, expected {top_k} distinct experts"
            )


def is_routing_log(first_line: str) -> bool:
    """Whether this is the first line of such a log, damaged or not, and no row of a trace."""
    try:
        return _KIND.decode(first_line).type == "meta"
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return False


class _Kind(msgspec.Struct):
    type: str


_KIND = msgspec.json.Decoder(_Kind)
_LINE = msgspec.json.Decoder(LogFacts | Route)


def _decoded(number: int, line: str) -> LogFacts | Route:
    with naming_field(f"line {number}", LogFacts | Route):
        record: LogFacts | Route = _LINE.decode(line)
    return record


def _out_of_place(number: int) -> InstanceError:
    return InstanceError(f"line {number}: type", "expected meta on the first line, route on others")
