"""The line that a message about a suite names."""

import pytest

from slimbench.bench.suites.toml_lines import line_of

TEXT = """\
name = "mine"
solvers = [
  "a",
  "b",
]

[limits]  # of each run
time_s = 3
"memory_mb" = 4

[[instances]]
name = "x"
network = { servers = 3 }

[[instances]]
name = "y"

[instances.routing]
kind = "zipf"
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("name", 1),
        ("solvers", 2),
        ("solvers[1]", 2),
        ("limits", 7),
        ("limits.time_s", 8),
        ("limits.memory_mb", 9),
        ("limits.cpu_s", 7),  # not written: its table is
        ("instances[0]", 11),
        ("instances[0].name", 12),
        ("instances[0].network.servers", 13),
        ("instances[1]", 15),
        ("instances[1].name", 16),
        ("instances[1].routing", 18),
        ("instances[1].routing.kind", 19),
        ("instances[2].name", None),
        ("reference", None),
        ("names", None),
    ],
)
def test_a_place_is_on_the_line_of_its_key_or_table(place, line):
    assert line_of(TEXT, place) == line


def test_a_text_without_lines_has_no_place():
    assert line_of("", "name") is None
