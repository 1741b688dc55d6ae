"""Faults in JSON instances and placements: each gives one line that names the file and the field."""
# ruff: noqa: E501  (one fault a line)

import json
import math
from pathlib import Path
from typing import Any

import pytest
from damage import EXTRA, REMOVE, assert_refused, put
from samples import TWO_CELLS, TWO_CELLS_PLACEMENT, placed, two_cells

from slimbench.instances import (
    InstanceError,
    Placement,
    read_instance,
    read_placement,
    write_placement,
)

INT32 = 2**31 - 1
FAULTS: list[tuple[str, str, str, tuple[Any, ...], Any]] = [
    ("format", "format", "is 'other', expected 'slimbench.instance'", ("format",), "other"),
    (
        "format of a placement", "format", "is 'slimbench.placement', expected 'slimbench.instance'",
        ("format",), "slimbench.placement",
    ),
    ("version", "version", "is 2, expected 1", ("version",), 2),
    ("version text", "version", "expected int, got str", ("version",), "1"),
    ("version float", "version", "expected int, got float", ("version",), 1.0),
    *((f"no {f}", f, "is missing", (f,), REMOVE) for f in TWO_CELLS),
    *(
        (f"no {where[0]}.{where[-1]}", f"{where[0]}[{where[1]}].{where[2]}", "is missing", where, REMOVE)
        for where in [
            *(("servers", 1, f) for f in TWO_CELLS["servers"][0]),
            *(("models", 0, f) for f in TWO_CELLS["models"][0]),
            ("users", 0, "name"),
            *(("activations", 2, f) for f in TWO_CELLS["activations"][0]),
        ]
    ),
    ("extra", "solver", EXTRA, ("solver",), 1),
    ("extra in server", "servers[0].solver", EXTRA, ("servers", 0, "solver"), 1),
    ("extra in model", "models[0].solver", EXTRA, ("models", 0, "solver"), 1),
    ("extra in user", "users[1].solver", EXTRA, ("users", 1, "solver"), 1),
    ("extra in activation", "activations[1].solver", EXTRA, ("activations", 1, "solver"), None),
    ("edge users", "edge_latency_s", "has 1 entries, expected 2, one a user", ("edge_latency_s", 1), REMOVE),
    (
        "edge servers", "edge_latency_s[1]", "has 1 entries, expected 2, one a server",
        ("edge_latency_s", 1, 0), REMOVE,
    ),
    (
        "edge models", "edge_latency_s[0][1]", "has 2 entries, expected 1, one a model",
        ("edge_latency_s", 0, 1), [0.1, 0.1],
    ),
    ("cloud users", "cloud_latency_s", "has 3 entries, expected 2, one a user", ("cloud_latency_s",), [[1]] * 3),
    (
        "cloud models", "cloud_latency_s[0]", "has 0 entries, expected 1, one a model",
        ("cloud_latency_s", 0), [],
    ),
    ("dispatch", "dispatch", "is 'Single', expected one of single, parallel, serial", ("dispatch",), "Single"),
    ("base negative", "base_latency_s", "is -0.5, expected a finite number >= 0", ("base_latency_s",), -0.5),
    ("base null", "base_latency_s", "expected float, got null", ("base_latency_s",), None),
    ("base bool", "base_latency_s", "expected float, got bool", ("base_latency_s",), True),
    (
        "edge negative", "edge_latency_s[0][0][0]", "is -0.01, expected a number >= 0 or null",
        ("edge_latency_s", 0, 0, 0), -0.01,
    ),
    (
        "edge nan", "edge_latency_s[1][0][0]", "is nan, expected a finite number",
        ("edge_latency_s", 1, 0, 0), math.nan,
    ),
    (
        "edge infinity", "edge_latency_s[1][1][0]", "is inf, expected a finite number",
        ("edge_latency_s", 1, 1, 0), math.inf,
    ),
    (
        "edge bool", "edge_latency_s[0][1][0]", "expected float | null, got bool",
        ("edge_latency_s", 0, 1, 0), False,
    ),
    ("cloud null", "cloud_latency_s[1][0]", "expected float, got null", ("cloud_latency_s", 1, 0), None),
    (
        "cloud negative", "cloud_latency_s[1][0]", "is -1.0, expected a finite number >= 0",
        ("cloud_latency_s", 1, 0), -1,
    ),
    (
        "cloud nan", "cloud_latency_s[1][0]", "is nan, expected a finite number",
        ("cloud_latency_s", 1, 0), math.nan,
    ),
    (
        "rate negative", "activations[2].rate", "is -0.1, expected a finite number >= 0",
        ("activations", 2, "rate"), -0.1,
    ),
    ("rate nan", "activations[0].rate", "is nan, expected a finite number", ("activations", 0, "rate"), math.nan),
    (
        "rate -inf", "activations[0].rate", "is -inf, expected a finite number",
        ("activations", 0, "rate"), -math.inf,
    ),
    ("rate text", "activations[0].rate", "expected float, got str", ("activations", 0, "rate"), "0.5"),
    ("rate bool", "activations[0].rate", "expected float, got bool", ("activations", 0, "rate"), True),
    *(
        (f"capacity {v}", "servers[0].capacity_bytes", problem, ("servers", 0, "capacity_bytes"), v)
        for v, problem in [
            (-1, "expected int >= 0"),
            (1.5, "expected int, got float"),
            (2.0, "expected int, got float"),
            (True, "expected int, got bool"),
            (None, "expected int, got null"),
            (2**62 + 1, f"expected int <= {2**62}"),
        ]
    ),
    *(
        (f"{f} {v}", f"models[0].{f}", problem, ("models", 0, f), v)
        for f in ("layers", "experts_per_layer", "top_k", "expert_bytes")
        for v, problem in [
            (0, "expected int >= 1"),
            (-3, "expected int >= 1"),
            (1.5, "expected int, got float"),
            (1.0, "expected int, got float"),
            (True, "expected int, got bool"),
            ("1", "expected int, got str"),
        ]
    ),
    ("top_k", "models[0].top_k", "is 4, expected at most experts_per_layer = 3", ("models", 0, "top_k"), 4),
    (
        "group larger than top_k", "activations[0].experts", "has 3 experts, expected 1 to top_k = 2",
        ("activations", 0, "experts"), [0, 1, 2],
    ),
    (
        "group empty", "activations[1].experts", "has 0 experts, expected 1 to top_k = 2",
        ("activations", 1, "experts"), [],
    ),
    (
        "expert twice", "activations[2].experts", "names expert 1 twice, expected distinct experts",
        ("activations", 2, "experts"), [1, 1],
    ),
    (
        "expert high", "activations[2].experts", "names expert 3, expected 0 to 2",
        ("activations", 2, "experts"), [1, 3],
    ),
    ("expert negative", "activations[2].experts[1]", "expected int >= 0", ("activations", 2, "experts", 1), -1),
    ("expert float", "activations[2].experts[1]", "expected int, got float", ("activations", 2, "experts", 1), 2.0),
    ("expert bool", "activations[2].experts[0]", "expected int, got bool", ("activations", 2, "experts", 0), True),
    (
        "expert huge", "activations[0].experts[0]", f"expected int <= {INT32}",
        ("activations", 0, "experts", 0), 2**31,
    ),
    ("user high", "activations[1].user", "is 2, expected 0 to 1", ("activations", 1, "user"), 2),
    ("model high", "activations[1].model", "is 1, expected 0 to 0", ("activations", 1, "model"), 1),
    ("layer high", "activations[1].layer", "is 1, expected 0 to 0", ("activations", 1, "layer"), 1),
    ("user negative", "activations[1].user", "expected int >= 0", ("activations", 1, "user"), -1),
    ("user float", "activations[1].user", "expected int, got float", ("activations", 1, "user"), 0.0),
    ("no server at all", "servers", "is empty, expected at least one", (), {"servers": [], "edge_latency_s": [[], []]}),
    ("name twice", "servers[1].name", "is 'edge-0', expected a name of its own", ("servers", 1, "name"), "edge-0"),
    ("name empty", "users[0].name", "is '', expected a name of its own", ("users", 0, "name"), ""),
    (
        "name of two lines", "users[0].name", r"is 'a\nb', expected printable characters",
        ("users", 0, "name"), "a\nb",
    ),
    ("name number", "servers[0].name", "expected str, got int", ("servers", 0, "name"), 5),
    ("servers as table", "servers", "expected array, got object", ("servers",), {}),
    ("activation as list", "activations[0]", "expected object, got array", ("activations", 0), [0, 0, 0]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "problem", "where", "value"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_fault_in_json_is_named_with_file_and_field(
    field: str, problem: str, where: tuple[Any, ...], value: Any, tmp_path: Path
) -> None:
    document = put(TWO_CELLS, where, value) if where else {**TWO_CELLS, **value}
    path = tmp_path / "instance.json"
    path.write_text(json.dumps(document))
    assert_refused(lambda: read_instance(path), path, field, problem)


POSITION_FAULTS: list[tuple[str, str, tuple[Any, ...], Any]] = [
    ("servers[0].position_m", "is missing, expected it in all servers or none", ("servers", 0, "position_m"), REMOVE),
    ("users[1].position_m", "is missing, expected it in all users or none", ("users", 1, "position_m"), REMOVE),
    ("users[1].position_m", "expected array, got null", ("users", 1, "position_m"), None),
    ("users[1].position_m", "expected array of length 2", ("users", 1, "position_m"), [1.0, 2.0, 3.0]),
    ("users[1].position_m", "expected array of length 2", ("users", 1, "position_m"), []),
    ("servers[1].position_m[0]", "expected float, got str", ("servers", 1, "position_m", 0), "1"),
    ("servers[1].position_m[0]", "expected float, got bool", ("servers", 1, "position_m", 0), True),
    ("servers[1].position_m[1]", "is nan, expected a finite number", ("servers", 1, "position_m", 1), math.nan),
    ("servers[1].position_m[1]", "is -inf, expected a finite number", ("servers", 1, "position_m", 1), -math.inf),
    ("servers[1].position_m[1]", "is -2000000000.0, expected a number within 1e+09 m of 0", ("servers", 1, "position_m", 1), -2e9),
    ("models[0].position_m", EXTRA, ("models", 0, "position_m"), [0, 0]),
]  # fmt: skip


@pytest.mark.parametrize(("field", "problem", "where", "value"), POSITION_FAULTS)
def test_fault_of_a_position_is_named_with_file_and_field(
    field: str, problem: str, where: tuple[Any, ...], value: Any, tmp_path: Path
) -> None:
    path = tmp_path / "instance.json"
    path.write_text(json.dumps(put(placed(TWO_CELLS), where, value)))
    assert_refused(lambda: read_instance(path), path, field, problem)


@pytest.mark.parametrize("field", ["edge_latency_s[0][1][0]", "activations[0].rate", "base_latency_s"])
def test_number_too_large_for_a_float_is_named(field: str, tmp_path: Path) -> None:
    where = tuple(
        int(key) if key.isdigit() else key for key in field.replace("]", "").replace("[", ".").split(".")
    )
    path = tmp_path / "instance.json"
    path.write_text(json.dumps(put(TWO_CELLS, where, "?")).replace('"?"', "1e999"))
    assert_refused(lambda: read_instance(path), path, field, "is inf, expected a finite number")


# Placements

PLACEMENT_FAULTS: list[tuple[str, str, str, tuple[Any, ...], Any]] = [
    (
        "format", "format", "is 'slimbench.instance', expected 'slimbench.placement'",
        ("format",), "slimbench.instance",
    ),
    ("version", "version", "is 0, expected 1", ("version",), 0),
    *((f"no {f}", f, "is missing", (f,), REMOVE) for f in TWO_CELLS_PLACEMENT),
    ("extra", "solver", EXTRA, ("solver",), "x"),
    ("instance", "instance", "is 'other', expected 'two-cells'", ("instance",), "other"),
    (
        "server", "experts.edge-2", "is not a server, expected one of edge-0, edge-1",
        ("experts", "edge-2"), [],
    ),
    *(
        (
            f"triple {t}", "experts.edge-1[0]", f"is {t}, expected a (model, layer, expert) of the instance",
            ("experts", "edge-1", 0), t,
        )
        for t in ([0, 0, 3], [0, 1, 0], [1, 0, 0])
    ),
    (
        "twice", "experts.edge-0[1]", "names expert [0, 0, 0] twice, expected distinct experts",
        ("experts", "edge-0", 1), [0, 0, 0],
    ),
    ("pair", "experts[...][0]", "expected array of length 3", ("experts", "edge-1", 0), [0, 0]),
    ("negative", "experts[...][0][2]", "expected int >= 0", ("experts", "edge-1", 0, 2), -1),
    ("float", "experts[...][0][2]", "expected int, got float", ("experts", "edge-1", 0, 2), 2.0),
    ("bool", "experts[...][0][2]", "expected int, got bool", ("experts", "edge-1", 0, 2), True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "problem", "where", "value"),
    [f[1:] for f in PLACEMENT_FAULTS],
    ids=[f[0] for f in PLACEMENT_FAULTS],
)
def test_fault_in_a_placement_is_named_with_file_and_field(
    field: str, problem: str, where: tuple[Any, ...], value: Any, tmp_path: Path
) -> None:
    path = tmp_path / "placement.json"
    path.write_text(json.dumps(put(TWO_CELLS_PLACEMENT, where, value)))
    assert_refused(lambda: read_placement(path, two_cells()), path, field, problem)


def test_server_name_with_a_line_break_stays_on_the_line(tmp_path: Path) -> None:
    path = tmp_path / "placement.json"
    path.write_text(json.dumps(put(TWO_CELLS_PLACEMENT, ("experts", "a\nb"), [])))
    with pytest.raises(InstanceError, match=r"experts\.a\\nb: is not a server") as caught:
        read_placement(path, two_cells())
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("suffix", [".npz", ".txt", ""])
def test_placement_file_of_another_type_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"placement{suffix}"
    with pytest.raises(InstanceError, match="has an unknown file type"):
        read_placement(path, two_cells())
    with pytest.raises(InstanceError, match="has an unknown file type"):
        write_placement(Placement.empty(two_cells()), two_cells(), path)
    assert list(tmp_path.iterdir()) == []
