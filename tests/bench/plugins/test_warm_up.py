"""Which tiny instances a compiled solver is warmed on."""

import pytest

from slimbench.bench.plugins.plugin import Call, solver
from slimbench.bench.plugins.warm_up import Shape, tiny_instance, warm_up
from slimbench.instances import DISPATCHES, Placement


@pytest.fixture
def seen():
    """Return (dispatch, widest layer) of every instance that ``call`` was run on."""
    return []


@pytest.fixture
def call(seen, monkeypatch):
    """Return a call of a compiled solver that notes what it is run on; nothing is warm yet."""
    monkeypatch.setattr("slimbench.bench.plugins.warm_up._warm", set())

    @solver("noted", compiled=True)
    def noted(instance, context):
        seen.append((instance.dispatch, instance.models[0].experts_per_layer))
        return Placement.empty(instance)

    return Call(noted, {}, noted.name)


@pytest.mark.parametrize(("widest", "width"), [(1, 8), (8, 8), (9, 16), (16, 16), (17, 18), (500, 18)])
def test_the_shape_of_a_job_decides(call, seen, widest, width):
    warm_up(call, Shape("parallel", widest))
    assert seen == [("parallel", 3), ("parallel", width)]


def test_without_a_shape_every_dispatch_is_warm_few_experts_and_many(call, seen):
    warm_up(call)
    assert seen == [(dispatch, width) for dispatch in DISPATCHES for width in (3, 18)]


def test_what_is_warm_is_not_run_again(call, seen):
    for widest in (2, 5, 3):
        warm_up(call, Shape("single", widest))
    warm_up(call, Shape("serial", 2))
    assert seen == [("single", 3), ("single", 8), ("serial", 3), ("serial", 8)]


def test_shape_of_an_instance():
    assert Shape.of(tiny_instance("serial")) == Shape("serial", 3)
