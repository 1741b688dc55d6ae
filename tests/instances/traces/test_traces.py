import codecs
import csv
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.problem.instance import Model
from slimbench.instances.traces.batches import SUFFIXES
from slimbench.instances.traces.counts import count_trace
from slimbench.instances.traces.traces import read_trace
from slimbench.instances.zoo import zoo_model

FIELD = Path(__file__).parents[1] / "field"
MODELS = [Model("toy", 2, 4, 2, 1), Model("other", 1, 8, 3, 1)]
ROWS: list[dict[str, Any]] = [
    {"user": "ann", "model": "toy", "layer": 0, "experts": [1, 0]},
    {"user": "ann", "model": "toy", "layer": 0, "experts": [0, 1]},
    {"user": "ann", "model": "toy", "layer": 0, "experts": [2]},
    {"user": "ann", "model": "toy", "layer": 1, "experts": [3, 2]},
    {"user": "bob", "model": "other", "layer": 0, "experts": [7, 1, 4]},
]
# ann has 3 tokens (its layer 1 was logged once), bob 1: shares 3/4 and 1/4
RATES = {
    (0, 0, 0, (0, 1)): 2 / 3 * 3 / 4,
    (0, 0, 0, (2,)): 1 / 3 * 3 / 4,
    (0, 0, 1, (2, 3)): 3 / 4,
    (1, 1, 0, (1, 4, 7)): 1 / 4,
}


def write(folder: Path, rows: list[dict[str, Any]], suffix: str) -> Path:
    path = folder / f"trace{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    if ".csv" in suffix:
        plain = folder / "plain.csv"
        with plain.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            for row in rows:
                lists = {name: " ".join(map(str, v)) for name, v in row.items() if isinstance(v, list)}
                writer.writerow(row | lists)
        text = plain.read_bytes()
    else:
        text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_gives_the_same_activations(tmp_path: Path, suffix: str) -> None:
    made, users = read_trace(write(tmp_path, ROWS, suffix), MODELS)
    assert users == ("ann", "bob")
    rates = {
        (int(u), int(m), int(layer), tuple(int(e) for e in group if e >= 0)): float(rate)
        for u, m, layer, group, rate in zip(
            made.users, made.models, made.layers, made.groups, made.rates, strict=True
        )
    }
    assert rates == pytest.approx(RATES)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_weights_tokens_and_tasks_change_nothing(tmp_path: Path, suffix: str) -> None:
    rows = [
        {"task": row["user"], "token": i, **row, "weights": [0.5 for _ in row["experts"]]}
        for i, row in enumerate(ROWS)
    ]
    for row in rows:
        del row["user"]
    plain, names = read_trace(write(tmp_path, ROWS, ".jsonl"), MODELS)
    made, task_names = read_trace(write(tmp_path, rows, suffix), MODELS)
    assert task_names == names
    assert made.rates.tolist() == plain.rates.tolist()
    assert made.groups.tolist() == plain.groups.tolist()


def test_where_every_token_is_logged_in_every_layer_a_rate_is_the_count_over_all_tokens(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"user": user, "model": "toy", "layer": layer, "experts": rng.permutation(4)[:2].tolist()}
        for user, tokens in [("ann", 30), ("bob", 10)]
        for _ in range(tokens)
        for layer in range(2)
    ]
    made, _ = read_trace(write(tmp_path, rows, ".parquet"), MODELS)
    counts = made.rates * 40
    assert counts == pytest.approx(np.round(counts))
    assert counts[made.layers == 1].sum() == pytest.approx(40)
    assert counts[(made.layers == 0) & (made.users == 0)].sum() == pytest.approx(30)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": 2}, "row 3: layer: is 2, expected 0 to 1"),
        ({"model": "toi"}, "row 3: model: is 'toi', expected one of toy, other"),
        ({"experts": [0, 4]}, "row 3: experts: names expert 4, expected 0 to 3"),
        ({"experts": [1, 1]}, r"row 3: experts: is \[1, 1\], expected distinct"),
        ({"experts": [0, 1, 2]}, "row 3: experts: has 3 experts, expected 1 to top_k = 2"),
        ({"experts": []}, "row 3: experts: has 0 experts"),
        ({"experts": None}, "row 3: experts: "),
        ({"user": None}, "row 3: user: expected one of user and task"),
        ({"weights": [0.5, 0.5]}, "row 3: weights: has 2 entries, expected 1"),
        ({"task": "t"}, "row 3: user: expected one of user and task"),
    ],
)
def test_faults_are_named_by_row_and_field(
    tmp_path: Path, suffix: str, change: dict[str, Any], message: str
) -> None:
    rows = [{**row, **dict.fromkeys(change.keys() - row.keys())} for row in ROWS]
    rows[2] = rows[2] | change
    with pytest.raises(InstanceError, match=rf"trace\{suffix}: {message}"):
        read_trace(write(tmp_path, rows, suffix), MODELS)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": -1}, r"row \d: layer: expected int >= 0"),
        ({"experts": [-1]}, r"row 3: experts\[0\]: expected int >= 0"),
    ],
)
def test_values_that_are_no_indices_are_named(
    tmp_path: Path, suffix: str, change: dict[str, Any], message: str
) -> None:
    rows = [*ROWS[:2], ROWS[2] | change, *ROWS[3:]]
    with pytest.raises(InstanceError, match=rf"trace\{suffix}: {message}"):
        read_trace(write(tmp_path, rows, suffix), MODELS)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,toy,-1,0,", "row 1: layer: is '-1', expected an integer >= 0"),
        ("a,toy,,0,", "row 1: layer: is '', expected an integer >= 0"),
        ('a,toy,0,"[8, 36]",', "row 1: experts: is '[8, 36]', expected integers >= 0 separated by spaces"),
        (
            "a,toy,0,[8, 36],",
            "row 1: has 6 values, expected 5 as in the header, where several experts are one",
        ),
        (
            "a,toy,0,0,half",
            "row 1: weights: is 'half', expected numbers separated by spaces, such as 0.7 0.3",
        ),
    ],
)
def test_csv_says_how_numbers_and_lists_are_written(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "trace.csv").write_text(f"user,model,layer,experts,weights\n{line}\n")
    with pytest.raises(InstanceError, match=re.escape(f"trace.csv: {message}")):
        read_trace(tmp_path / "trace.csv", MODELS)


WANTED = "expected the columns model, layer, experts, and user or task; prompt, token and weights"


@pytest.mark.parametrize(
    ("suffix", "place"), [(".jsonl", "row 1"), (".csv", "header"), (".parquet", "header")]
)
def test_unknown_and_missing_columns_are_refused_with_those_wanted(
    tmp_path: Path, suffix: str, place: str
) -> None:
    problem = "is not a field of this format" if suffix == ".jsonl" else "is no column of a trace"
    with pytest.raises(InstanceError, match=f"{place}: gate: {problem}, {WANTED}"):
        read_trace(write(tmp_path, [row | {"gate": 1} for row in ROWS], suffix), MODELS)
    with pytest.raises(InstanceError, match=f"{place}: layer: is missing, {WANTED}"):
        rows = [{name: v for name, v in row.items() if name != "layer"} for row in ROWS]
        read_trace(write(tmp_path, rows, suffix), MODELS)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_without_users_is_refused_by_its_header(tmp_path: Path, suffix: str) -> None:
    rows = [{"prompt": 1, **{name: v for name, v in row.items() if name != "user"}} for row in ROWS]
    path = write(tmp_path, rows, suffix)
    with pytest.raises(InstanceError, match=f"header: user: is missing, {WANTED}"):
        read_trace(path, MODELS)
    with pytest.raises(InstanceError, match=f"header: task: is missing, {WANTED}"):
        count_trace(path, MODELS, "task")
    assert count_trace(path, MODELS, "prompt").user_names == ("1",)


def test_an_index_that_pandas_wrote_is_named(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS, index=[5, 6, 7, 8, 9])
    frame.assign(experts=["0"] * 5).to_csv(tmp_path / "a.csv")
    frame.to_parquet(tmp_path / "a.parquet")
    no_name, index = (
        "header: column 1: has no name, such as an index of pandas (left out by index=False), ",
        "header: __index_level_0__: is an index of pandas (left out by index=False), ",
    )
    for name, message in (("a.csv", no_name), ("a.parquet", index)):
        with pytest.raises(InstanceError, match=re.escape(message) + WANTED):
            read_trace(tmp_path / name, MODELS)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".jsonl", ".jsonl.gz"])
def test_a_byte_order_mark_is_no_part_of_a_trace(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path, ROWS, suffix)
    packed = suffix.endswith(".gz")
    text = codecs.BOM_UTF8 + (gzip.decompress(path.read_bytes()) if packed else path.read_bytes())
    path.write_bytes(gzip.compress(text) if packed else text)
    assert sorted(read_trace(path, MODELS)[0].rates) == pytest.approx(sorted(RATES.values()))


# Files found in use


def test_a_spreadsheets_csv_is_read() -> None:
    activations, users = read_trace(FIELD / "bom.csv", [zoo_model("dbrx").model()])
    assert users == ("u0", "u1")
    assert activations.groups.tolist() == [[1, 2, 3, 4], [4, 5, 6, 7]]


def test_a_parquet_file_of_shared_beginnings_is_read() -> None:
    activations, users = read_trace(FIELD / "deltabyte.parquet", [zoo_model("olmoe-1b-7b").model()])
    assert users == ("u0",)
    rows = pq.read_table(FIELD / "deltabyte.parquet").to_pylist()
    groups = {(row["layer"], *sorted(row["experts"])) for row in rows}
    read = zip(activations.layers.tolist(), activations.groups.tolist(), strict=True)
    assert {(layer, *group) for layer, group in read} == groups


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("trace.jsonl", b"", "has no rows"),
        ("trace.csv", b"user,model,layer,experts\n", "has no rows"),
        ("trace.jsonl", b"{\n", "row 1: is not JSON"),
        ("trace.jsonl", b"\xff\n", "line 1: is not UTF-8 text"),
        ("trace.csv", b"user,model,layer,experts\nann,toy,0,1,2\n", "row 1: has 5 values, expected 4"),
        ("trace.csv", b"user,model,layer,experts\nann,toy\n", "row 1: layer: "),
        ("trace.csv", b"user,model,layer,experts,weights\nann,toy,0,1,half\n", "row 1: weights"),
        ("trace.csv.gz", b"user", "is not a complete gzip file"),
        ("trace.parquet", b"user", "is not a Parquet file"),
        ("trace.txt", b"user", "has an unknown file type, expected .parquet"),
    ],
)
def test_files_that_are_no_traces_are_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InstanceError, match=rf"{name}: {message}"):
        read_trace(tmp_path / name, MODELS)


def test_a_trace_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InstanceError, match=r"none\.csv: No such file"):
        read_trace(tmp_path / "none.csv", MODELS)
