"""What a reader of text traces must do: the reasons why pyarrow's CSV and JSON readers are not used."""

from pathlib import Path

import pytest

from slimbench.instances import InstanceError, Model
from slimbench.instances.traces.counts import count_trace
from slimbench.instances.traces.traces import read_trace

MODELS = [Model("toy", 2, 4, 2, 1)]
HEADER = b"user,model,layer,experts,weights\n"


def test_a_csv_row_may_end_before_empty_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(HEADER + b"a,toy,0,1\nb,toy,1,2,0.5\n")
    assert read_trace(tmp_path / "a.csv", MODELS)[1] == ("a", "b")


def test_json_users_may_be_numbers_and_texts(tmp_path: Path) -> None:
    rows = [f'{{"user": {user}, "model": "toy", "layer": 0, "experts": [0]}}' for user in ("7", '"7"', '"b"')]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    assert count_trace(tmp_path / "a.jsonl", MODELS).user_names == ("7", "b")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", HEADER + b"a,toy,0,1\n\xff,toy,0,1\n", "line 3: is not UTF-8 text"),
        ("a.jsonl", b'{"user": 1, "model": "toy", "layer": 0, "experts": [0]}' * 2, "row 1: is not JSON"),
        ("a.csv", HEADER + b"a,toy,0,1,1\nb,toy,2,1,1\nc,toy,0,x,1\n", "row 2: layer: is 2, expected 0 to 1"),
        ("a.csv", HEADER + b"a,toy,0,1,1\nb,toy,0,x,1\nc,toy,y,1,1\n", "row 2: experts: is 'x', expected"),
        ("a.csv", HEADER + b'a,toy,0,1,1\nb,toy,9,1,1\n"c,toy\n', "row 2: layer: is 9"),
        ("a.jsonl", b'{"user": 1, "model": "toy", "layer": 2, "experts": [0]}\n{', "row 1: layer: is 2"),
    ],
)
def test_the_first_fault_is_told_with_its_place(
    name: str, content: bytes, problem: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InstanceError, match=problem):
        read_trace(tmp_path / name, MODELS)
