"""What a plugin must look like, and how a call of it is written."""

from types import MappingProxyType
from typing import Literal

import pytest

from slimbench.bench import Guarantee, PluginError, SolveContext, Solver, solver
from slimbench.bench.plugins.plugin import parse_call
from slimbench.bench.plugins.registry import find_solvers
from slimbench.bench.plugins.warm_up import tiny_instance
from slimbench.instances import Instance, Placement


@solver("every-type")
def every_type(
    instance: Instance,
    context: SolveContext,
    *,
    depth: int = 2,
    rate: float = 0.5,
    limit: float | None = None,
    swap: bool = True,
    start: Literal["slim-dp", "none"] = "slim-dp",
    inner: str = "random",
    steps: tuple[int, ...] = (),
) -> Placement:
    """Do nothing, with a parameter of every type.

    Second paragraph.
    """
    return Placement.empty(instance)


SOLVERS = {"every-type": every_type, "popularity": find_solvers()["popularity"]}


def parsed(text):
    return parse_call(text, SOLVERS)


# Decorator


def test_decorating_keeps_name_summary_defaults_and_the_function_callable():
    assert isinstance(every_type, Solver)
    assert every_type.name == "every-type"
    assert every_type.summary == "Do nothing, with a parameter of every type."
    assert {p.name: p.default for p in every_type.parameters.values()} == {
        "depth": 2, "rate": 0.5, "limit": None, "swap": True, "start": "slim-dp", "inner": "random",
        "steps": (),
    }  # fmt: skip
    instance = tiny_instance("single")
    assert every_type(instance, SolveContext(None), depth=3) == Placement.empty(instance)


def test_a_plugin_declares_nothing_unless_it_says_so():
    assert every_type.guarantee is None
    assert not every_type.exact
    assert not every_type.compiled
    assert every_type.library({}) == "every-type"


def test_a_plugin_keeps_what_it_declares():
    guarantee = Guarantee("1/2", "always", "a theorem", lambda *_: 0.5)

    @solver("declared", guarantee=guarantee, exact=True, library=lambda p: f"lib-{p['x']}", compiled=True)
    def declared(instance, context, *, x: int = 1) -> Placement:
        return Placement.empty(instance)

    assert declared.guarantee is guarantee
    assert declared.exact
    assert declared.compiled
    assert declared.library({"x": 7}) == "lib-7"
    assert declared.summary == ""


def test_a_solver_reports_bounds_or_is_exact():
    @solver("bounded", bounds=True)
    def bounded(instance, context) -> Placement:
        return Placement.empty(instance)

    assert (bounded.exact, bounded.bounds, bounded.proves) == (False, True, True)
    with pytest.raises(PluginError, match="solver both: is exact, so its bounds count"):
        solver("both", exact=True, bounds=True)


def no_context(instance) -> Placement: ...
def positional_parameter(instance, context, depth: int = 2) -> Placement: ...
def without_default(instance, context, *, depth: int) -> Placement: ...
def without_type(instance, context, *, depth=2) -> Placement: ...
def any_parameters(instance, context, **parameters: int) -> Placement: ...
def unknown_type(instance, context, *, depth: "Undefined" = 2) -> Placement: ...  # noqa: F821


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (no_context, "expected a function (instance, context, *, parameter: type = default)"),
        (positional_parameter, "expected a function (instance, context, *, parameter: type = default)"),
        (any_parameters, "expected a function (instance, context, *, parameter: type = default)"),
        (without_default, "parameter depth: expected a type and a default"),
        (without_type, "parameter depth: expected a type and a default"),
        (unknown_type, "name 'Undefined' is not defined in the types of its parameters"),
    ],
)
def test_a_function_of_another_form_is_refused(function, problem):
    with pytest.raises(PluginError) as error:
        solver("mine")(function)
    assert str(error.value) == f"solver mine: {problem}"


@pytest.mark.parametrize("name", ["", "two words", "a[b]", "-dash", "a,b", "a=b", "line\nbreak"])
def test_a_name_that_a_call_could_not_hold_is_refused(name):
    with pytest.raises(PluginError, match="expected letters, digits, dots and dashes") as error:
        solver(name)(lambda instance, context: None)
    assert "\n" not in str(error.value)


# Values


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("depth=3", "depth", 3),
        ("rate=0.25", "rate", 0.25),
        ("rate=2", "rate", 2.0),
        ("rate=1e-3", "rate", 0.001),
        ("limit=5", "limit", 5.0),
        ("limit=none", "limit", None),
        ("swap=false", "swap", False),
        ("swap=true", "swap", True),
        ("start=none", "start", "none"),
        ("inner=none", "inner", "none"),
        ("inner=12", "inner", "12"),
        ("inner=popularity", "inner", "popularity"),
        ("inner=every-type[depth=3,swap=false]", "inner", "every-type[depth=3,swap=false]"),
        ("inner=a[x=b[y=1,z=2]]", "inner", "a[x=b[y=1,z=2]]"),
    ],
)
def test_a_value_is_converted_to_its_parameters_type(text, name, value):
    found = parsed(f"every-type[{text}]").parameters[name]
    assert found == value
    assert type(found) is type(value)


def test_parameters_not_named_have_their_defaults():
    call = parsed("every-type[depth=7]")
    assert isinstance(call.parameters, MappingProxyType)
    assert dict(call.parameters) == {p.name: p.default for p in every_type.parameters.values()} | {"depth": 7}


def test_a_call_inside_a_call_does_not_end_the_outer_one():
    call = parsed("every-type[inner=every-type[inner=a[b=1],depth=4],depth=5]")
    assert call.parameters["inner"] == "every-type[inner=a[b=1],depth=4]"
    assert call.parameters["depth"] == 5


# Labels


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("every-type", "every-type"),
        ("  every-type  ", "every-type"),
        ("every-type[]", "every-type"),
        ("every-type[depth=2]", "every-type"),
        ("every-type[rate=0.50,limit=none,swap=true]", "every-type"),
        ("every-type[depth=-3]", "every-type[depth=-3]"),
        ("every-type[ rate = 1 , depth = 3 ]", "every-type[depth=3,rate=1.0]"),
        ("every-type[limit=5]", "every-type[limit=5.0]"),
        ("every-type[limit=5.00]", "every-type[limit=5.0]"),
        ("every-type[swap=false]", "every-type[swap=false]"),
        ("every-type[swap=0]", "every-type[swap=false]"),
        ("every-type[start=none]", "every-type[start=none]"),
        ("every-type[inner=a[b=1,c=2]]", "every-type[inner=a[b=1,c=2]]"),
    ],
)
def test_equal_calls_have_equal_labels_and_a_label_reads_back_as_its_call(text, label):
    call = parsed(text)
    assert call.label == label
    again = parsed(label)
    assert again.label == label
    assert again.parameters == call.parameters


# Errors


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "solver '': expected name or name[parameter=value,...]"),
        ("two words", "solver 'two words': expected name or name[parameter=value,...]"),
        ("every-type[depth=3", "solver 'every-type[depth=3': expected name or name[parameter=value,...]"),
        ("every-type]", "solver 'every-type]': expected name or name[parameter=value,...]"),
        ("[depth=3]", "solver '[depth=3]': expected name or name[parameter=value,...]"),
        ("nobody", "solver 'nobody': unknown, expected one of every-type, popularity"),
        ("every-type[depth]", "solver 'every-type[depth]': 'depth', expected each parameter=value once"),
        ("every-type[depth=1,]", "solver 'every-type[depth=1,]': '', expected each parameter=value once"),
        (
            "every-type[depth=1,depth=2]",
            "solver 'every-type[depth=1,depth=2]': 'depth=2', expected each parameter=value once",
        ),
        (
            "every-type[width=1]",
            "solver every-type: parameter 'width': unknown, expected one of depth, rate, limit, swap, start,"
            " inner, steps",
        ),
        ("popularity[depth=1]", "solver popularity: parameter 'depth': unknown, expected one of none"),
        ("every-type[depth=two]", "solver every-type: parameter depth: is 'two': Expected int, got str"),
        ("every-type[depth=1.5]", "solver every-type: parameter depth: is '1.5': Expected int, got str"),
        ("every-type[depth=none]", "solver every-type: parameter depth: is 'none': Expected int, got str"),
        ("every-type[rate=]", "solver every-type: parameter rate: is '': Expected float, got str"),
        ("every-type[swap=maybe]", "solver every-type: parameter swap: is 'maybe': Expected bool, got str"),
        (
            "every-type[start=up]",
            "solver every-type: parameter start: is 'up': expected one of slim-dp, none",
        ),
        ("every-type[steps=1]", "solver every-type: parameter steps: is '1': Expected array, got str"),
        ("every-type[inner=a],depth=1]", "solver parameters [inner=a],depth=1]: brackets do not match"),
        ("every-type[inner=a[b,depth=1]", "solver parameters [inner=a[b,depth=1]: brackets do not match"),
    ],
)
def test_a_wrong_call_is_one_clear_line(text, problem):
    with pytest.raises(PluginError) as error:
        parsed(text)
    assert str(error.value) == problem
