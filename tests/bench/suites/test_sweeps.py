"""Sweeps: lists that are run through, what the instances are called, and what is refused."""

import pytest

from slimbench.bench.suites.sweeps import MAX_POINTS, points_of
from slimbench.instances import InstanceError

ENTRY = {"name": "a", "models": ["dbrx"], "network": {"servers": 2, "users": 3}}


def test_an_entry_without_lists_is_one_point_and_keeps_its_name():
    (point,) = points_of(ENTRY)
    assert (point.fields, point.swept) == (ENTRY, {})


def test_every_combination_is_a_point_the_seed_running_fastest():
    entry = ENTRY | {
        "seed": [1, 2],
        "network": {"servers": [2, 4], "users": 3, "capacity_share": [0.1, 0.25]},
    }
    points = list(points_of(entry))
    assert [point.fields["name"] for point in points] == [
        "a-n2-c0.1-s1", "a-n2-c0.1-s2", "a-n2-c0.25-s1", "a-n2-c0.25-s2",
        "a-n4-c0.1-s1", "a-n4-c0.1-s2", "a-n4-c0.25-s1", "a-n4-c0.25-s2",
    ]  # fmt: skip
    assert points[-1].fields["network"] == {"servers": 4, "users": 3, "capacity_share": 0.25}
    assert points[-1].swept == {"network.servers": 4, "network.capacity_share": 0.25, "seed": 2}
    assert entry["network"]["servers"] == [2, 4]  # as it was


def test_models_are_run_through_where_they_are_a_list_of_lists():
    points = list(points_of(ENTRY | {"models": [["dbrx"], ["dbrx", "mixtral-8x7b"]]}))
    assert [point.fields["models"] for point in points] == [["dbrx"], ["dbrx", "mixtral-8x7b"]]
    assert [point.fields["name"] for point in points] == ["a-dbrx", "a-dbrx+mixtral-8x7b"]
    assert points[1].swept == {"models": "dbrx+mixtral-8x7b"}


@pytest.mark.parametrize("table", [None, 3, ["servers"], {"servers": "many"}])
def test_what_is_no_table_of_lists_is_left_to_the_reader_of_recipes(table):
    (point,) = points_of({"name": "a", "network": table})
    assert point.fields["network"] == table


@pytest.mark.parametrize(
    ("entry", "field", "problem"),
    [
        ({"network": {"users": []}}, "network.users", "is an empty list"),
        ({"models": [[]], "seed": []}, "seed", "is an empty list"),
        (
            {"seed": list(range(101)), "routing": {"tokens": list(range(100))}},
            "",
            f"stands for 10,100 instances, expected at most {MAX_POINTS:,}",
        ),
    ],
)
def test_lists_that_stand_for_nothing_or_for_too_much_are_refused(entry, field, problem):
    with pytest.raises(InstanceError) as raised:
        next(points_of(entry))
    assert (raised.value.field, raised.value.problem) == (field, problem)
