"""A run folder as frames: runs over time in long form, whatever they reported."""

import json

import numpy as np
import pytest

from slimbench.bench import load_results
from slimbench.bench.results import TRAJECTORY_COLUMNS
from slimbench.bench.store import Store

INSTANCE = {
    "instance_hash": "h", "instance": "tiny", "file": "f", "dispatch": "single", "top_k": 2, "note": "",
}  # fmt: skip
RUN = {
    "role": "measure", "instance_hash": "h", "solver": "a[x=1]", "solver_name": "a", "parameters": "{}",
    "library": "a", "exact": False, "repeat": 0, "seed": 1, "time_limit_s": 1.0, "memory_limit_mb": 1.0,
    "guarantee_claim": "", "guarantee_conditions": "", "guarantee_source": "", "guarantee_expected": False,
}  # fmt: skip


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path)
    store.plan([INSTANCE], [RUN | {"role": "reference"}, RUN, RUN | {"repeat": 1}], {"suite": "s"})
    yield store
    store.close()


def test_measured_runs_over_time_in_long_form(store, tmp_path):
    steps = [[0.1, None, 2.0], [0.2, 0.5, 2.0], [0.4, 0.5, 1.0]]
    store.finish(1, {"status": "ok", "trajectory": json.dumps([[0.3, 9.0, 9.0]])})
    store.finish(2, {"status": "ok", "trajectory": json.dumps(steps)})
    store.finish(3, {"status": "time_limit", "trajectory": json.dumps([[0.5, 0.25, None]])})
    table = load_results(tmp_path).trajectories
    assert tuple(table.columns) == TRAJECTORY_COLUMNS
    assert table["run_id"].tolist() == [2, 2, 2, 3]
    assert table["repeat"].tolist() == [0, 0, 0, 1]
    assert set(table["instance"]) == {"tiny"}
    assert set(table["solver"]) == {"a[x=1]"}
    assert table["seconds"].tolist() == [0.1, 0.2, 0.4, 0.5]
    np.testing.assert_array_equal(table["saving_s"], [np.nan, 0.5, 0.5, 0.25])
    np.testing.assert_array_equal(table["bound_saving_s"], [2.0, 2.0, 1.0, np.nan])


def test_runs_that_are_only_planned_have_no_rows_but_columns_of_numbers(store, tmp_path):
    table = load_results(tmp_path).trajectories
    assert tuple(table.columns) == TRAJECTORY_COLUMNS
    assert len(table) == 0
    assert all(table[column].dtype.kind == "f" for column in TRAJECTORY_COLUMNS[-3:])
