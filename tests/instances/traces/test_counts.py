"""Traces by the batch: the same counts as row by row in plain Python, parts of tokens, and little memory."""

import hashlib
import json
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from slimbench.instances import InstanceError, Model
from slimbench.instances.traces.batches import TraceReader
from slimbench.instances.traces.counts import TraceCounts, count_trace
from slimbench.instances.traces.parquet import parquet_batches

MODELS = [Model("toy", 3, 8, 2, 1), Model("qwen3-next", 2, 512, 10, 1)]
Key = tuple[str, int, int, tuple[int, ...]]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slimbench.instances.traces.text._BLOCK_ROWS", 64)
    monkeypatch.setattr("slimbench.instances.traces.parquet._BATCH_ROWS", 64)


def routed(tokens: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of prompts of ten tokens, a prompt of one user, task and model; every token in every layer."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(tokens):
        prompt = number // 10
        model = MODELS[prompt % 5 == 0]
        for layer in range(model.layers):
            ranks = rng.permutation(model.experts_per_layer)[: rng.integers(1, model.top_k + 1)]
            rows.append(
                {
                    "user": f"u{prompt % 3}",
                    "task": ("law", "art")[prompt % 2],
                    "prompt": prompt,
                    "token": number % 10,
                    "model": model.name,
                    "layer": layer,
                    "experts": ranks.tolist(),
                }
            )
    return rows


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        cells = [[" ".join(map(str, v)) if isinstance(v, list) else v for v in row.values()] for row in rows]
        lines = [",".join(map(str, line)) for line in [list(rows[0]), *cells]]
        path.write_text("\n".join(lines) + "\n")
    return path


def counted(counts: TraceCounts) -> Counter[Key]:
    """The groups with their counts, in plain Python."""
    return Counter(
        {
            (
                counts.user_names[counts.users[place]],
                int(counts.models[place]),
                int(counts.layers[place]),
                tuple(int(expert) for expert in group if expert >= 0),
            ): int(count)
            for place, group, count in zip(counts.group_places, counts.groups, counts.counts, strict=True)
        }
    )


def by_hand(rows: list[dict[str, Any]], by: str = "user") -> Counter[Key]:
    numbers = {model.name: m for m, model in enumerate(MODELS)}
    return Counter(
        (str(row[by]), numbers[row["model"]], row["layer"], tuple(sorted(row["experts"]))) for row in rows
    )


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("by", ["user", "task", "prompt"])
def test_groups_are_counted_whole_by_any_column(tmp_path: Path, suffix: str, by: Any) -> None:
    rows = routed(200)
    counts = count_trace(write(tmp_path / f"a{suffix}", rows), MODELS, by)
    assert counted(counts) == by_hand(rows, by)
    assert counts.user_names == tuple(dict.fromkeys(str(row[by]) for row in rows))
    assert (counts.n_rows, counts.tokens, counts.shortfall) == (len(rows), 200, 0)
    assert counts.counted().tolist() == counts.rows.tolist()
    assert counts.activations().rates.sum() == pytest.approx(3 * 0.8 + 2 * 0.2)


def test_rows_with_user_and_task_need_a_word_on_which_makes_the_users(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", routed(20))
    with pytest.raises(InstanceError, match=r"row 1: user: expected one of user and task, .*or routing.by"):
        count_trace(path, MODELS)
    rows = [{**row, "prompt": None} if i == 70 else row for i, row in enumerate(routed(50))]
    with pytest.raises(InstanceError, match="row 71: prompt: is missing, expected one in every row"):
        count_trace(write(tmp_path / "a.jsonl", rows), MODELS, "prompt")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_fault_in_a_later_block_is_named_by_its_row_in_the_file(tmp_path: Path, suffix: str) -> None:
    rows = routed(200)
    rows[300]["experts"] = [1, 1]
    rows[310]["layer"] = 9
    with pytest.raises(InstanceError, match=r"row 301: experts: is \[1, 1\], expected distinct"):
        count_trace(write(tmp_path / f"a{suffix}", rows), MODELS, "user")


def test_a_parquet_file_with_metadata_and_several_row_groups_is_read(tmp_path: Path) -> None:
    rows = routed(100)
    table = pa.Table.from_pylist(rows).replace_schema_metadata({"slimbench.model": "{}"})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=50)
    assert counted(count_trace(tmp_path / "a.parquet", MODELS, "user")) == by_hand(rows)


# Parts of the tokens


def test_parts_that_do_not_meet_share_no_token_and_miss_none(tmp_path: Path) -> None:
    rows = routed(500)
    path = write(tmp_path / "a.parquet", rows)
    parts = [count_trace(path, MODELS, "user", part) for part in [(0, 0.3), (0.3, 0.8), (0.8, 1)]]
    assert sum(map(counted, parts), Counter()) == by_hand(rows)
    assert sum(part.tokens for part in parts) == 500  # no token is in two parts with some of its layers
    assert {part.user_names for part in parts} == {("u0", "u1", "u2")}
    assert [part.tokens / 500 for part in parts] == pytest.approx([0.3, 0.5, 0.2], abs=0.08)


def test_a_sample_hangs_on_the_names_of_tokens_alone(tmp_path: Path) -> None:
    rows = routed(300)
    ordered = count_trace(write(tmp_path / "a.parquet", rows), MODELS, "user", (0, 0.5), seed=1)
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    for suffix in (".csv", ".jsonl"):
        path = write(tmp_path / f"b{suffix}", shuffled)
        assert counted(count_trace(path, MODELS, "user", (0, 0.5), seed=1)) == counted(ordered)
    other = count_trace(tmp_path / "a.parquet", MODELS, "user", (0, 0.5), seed=2)
    assert counted(other) != counted(ordered)


def test_a_place_is_splitmix64_of_the_names_one_after_another(tmp_path: Path) -> None:
    def mixed(state: int) -> int:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ state >> 27) * 0x94D049BB133111EB % 2**64
        return state ^ state >> 31

    def text(name: str) -> int:
        return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")

    nothing = int.from_bytes(b"nothing!", "big")
    hashes = {0: mixed(0), 1: mixed(1), "x": text("x"), -7: mixed(2**64 - 7), 2**63: text(str(2**63))}
    hashes |= {"12": mixed(12), "012": text("012"), "٣": text("٣")}
    common = {"user": "ann", "model": "toy", "layer": 0, "experts": [0]}
    path = write(tmp_path / "a.jsonl", [common | {"token": token} for token in hashes])
    (batch,) = TraceReader(path, MODELS)
    for place, token in zip(batch.places(3), hashes.values(), strict=True):
        state = text("3")
        for name in (text("toy"), text("ann"), nothing, nothing, token):  # no task, no prompt
            state = mixed(state ^ name)
        assert place == (state >> 11) / 2**53


def test_places_are_spread_evenly(tmp_path: Path) -> None:
    rows = [
        {"user": f"u{i % 2}", "token": i, "model": "toy", "layer": 0, "experts": [0]} for i in range(4000)
    ]
    places = np.sort(
        np.concatenate([batch.places(0) for batch in TraceReader(write(tmp_path / "a.jsonl", rows), MODELS)])
    )
    assert np.abs(places - (np.arange(4000) + 0.5) / 4000).max() < 1.95 / np.sqrt(4000)  # Kolmogorov, 0.1 %


def test_without_numbers_of_tokens_whole_prompts_are_drawn_and_without_both_nothing(tmp_path: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != "token"} for row in routed(500)]
    sample = count_trace(write(tmp_path / "a.jsonl", rows), MODELS, "prompt", (0, 0.5))
    kept = {prompt for prompt, *_ in counted(sample)}
    assert 15 < len(kept) < 35  # of 50
    whole = [row for row in rows if str(row["prompt"]) in kept]
    assert counted(sample) == by_hand(whole, "prompt")
    for row in rows:
        del row["prompt"]
    with pytest.raises(InstanceError, match=r"b\.jsonl: token: is missing, expected a token or a prompt"):
        count_trace(write(tmp_path / "b.jsonl", rows), MODELS, "user", (0, 0.5))


def test_a_part_without_tokens_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", routed(5))
    with pytest.raises(InstanceError, match=r"a\.jsonl: has no token in the part \[0, 1e-09\)"):
        count_trace(path, MODELS, "user", (0, 1e-9))


# What is dropped


def test_rates_of_rare_groups_are_gone_and_others_stay(tmp_path: Path) -> None:
    rows = routed(300)
    counts = count_trace(write(tmp_path / "a.parquet", rows), MODELS, "user")
    full, kept = counts.activations(), counts.activations(min_support=4)
    assert full.where(counts.counts >= 4).rates.tolist() == kept.rates.tolist()
    exact = by_hand(rows)
    assert counts.counted(4).sum() == sum(count for count in exact.values() if count >= 4)


def test_of_too_many_groups_the_most_frequent_stay_with_a_known_shortfall(tmp_path: Path) -> None:
    rows = routed(500)
    counts = count_trace(write(tmp_path / "a.parquet", rows), MODELS, "user", max_groups=40)
    exact, summary = by_hand(rows), counted(counts)
    assert len(summary) <= 40 < len(exact)
    assert all(exact[key] - counts.shortfall <= summary[key] <= exact[key] for key in exact)
    assert counts.rows.sum() == len(rows)  # shares of users and layers are exact all the same
    assert counts.activations().rates.sum() < 3 * 0.8 + 2 * 0.2


def test_arrow_holds_a_small_part_of_a_file_of_many_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    tokens = np.random.default_rng(1).integers(2**62, size=100 * 2**12)  # do not pack: 3 MiB
    pq.write_table(pa.table({"token": tokens}), path, row_group_size=2**12)
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in parquet_batches(path, len(tokens), list)]
    assert len(held) == 100 * 64
    assert max(held) < path.stat().st_size / 4


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_memory_does_not_grow_with_the_rows(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("slimbench.instances.traces.tally._PENDING_ROWS", 100)  # sorted at once: 10^6 else
    rows = routed(100)
    peaks = []
    for times in (2, 2, 40):  # the first imports and compiles
        path = write(tmp_path / f"a{times}{suffix}", rows * times)
        tracemalloc.start()
        count_trace(path, MODELS, "user")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.5 * peaks[1]
