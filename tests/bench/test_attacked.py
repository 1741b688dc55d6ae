"""The worst instances that ``slimbench attack`` found for our own solvers: none of them may become worse.

``tests/attacked/index.json`` has for each instance the call of the solver that it was found for, the ratio
that the solver had on it, the guarantee it declared there, and the optimal saving.
"""

import json
from pathlib import Path

import pytest
from adversarial import SOLVERS, run
from oracles import brute_force, plain_fits, plain_saving

from slimbench.bench.plugins.plugin import parse_call
from slimbench.instances import read_instance

FOLDER = Path(__file__).parents[1] / "attacked"
INDEX = json.loads((FOLDER / "index.json").read_text("utf-8"))
SAME = 1e-9  # ratios, relative optima: another platform may sum in another order
TIGHT = 1e-9  # of the margin, where a guarantee is met exactly


def each_finding():
    return pytest.mark.parametrize("found", INDEX, ids=[found["file"] for found in INDEX])


def solved(found):
    """Instance, verified ratio of the solver, and what it guarantees for this very run."""
    instance = read_instance(FOLDER / found["file"])
    call = parse_call(found["solver"], SOLVERS)
    placement, context = run(call.solver.name, instance, **call.parameters)
    assert plain_fits(instance, placement)
    declared = call.solver.guarantee
    guarantee = declared and declared.ratio(instance, call.parameters, context.figures)
    return instance, plain_saving(instance, placement) / found["optimum_s"], guarantee


@each_finding()
def test_the_optimum_is_as_recorded(found):
    instance = read_instance(FOLDER / found["file"])
    assert instance.dispatch == found["dispatch"]
    assert brute_force(instance)[0] == pytest.approx(found["optimum_s"], rel=SAME)


@each_finding()
def test_no_solver_does_worse_than_when_the_instance_was_found(found):
    _, ratio, guarantee = solved(found)
    assert found["ratio"] - SAME <= ratio <= 1 + SAME
    assert (guarantee is None) == (found["guarantee"] is None)
    if guarantee is not None:
        assert found["guarantee"] - SAME <= guarantee <= ratio + SAME


def test_one_half_is_tight_for_every_solver_that_declares_it():
    tight = {f["solver"] for f in INDEX if f["guarantee"] == 0.5 and f["ratio"] <= 0.5 + TIGHT}
    assert tight >= {"slim-greedy", "slim-dp", "slim-maxconv"}


def test_every_file_is_small_and_listed_once():
    files = sorted(path.name for path in FOLDER.iterdir() if path.name != "index.json")
    assert files == sorted(found["file"] for found in INDEX)
    assert all((FOLDER / name).stat().st_size < 4096 for name in files)
