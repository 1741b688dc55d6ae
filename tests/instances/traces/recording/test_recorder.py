"""What is recorded of every family is what its routers choose, worked out here in another way."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

pytest.importorskip("torch", reason="recording needs the extra record")

import transformers
from safetensors.torch import load_file, save_file
from tiny_moe.byte_tokens import byte_tokenizer
from tiny_routers import COMMON, FAMILIES, expected, made

from slimbench.instances.generators.generate import make_instance, read_recipe
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.traces.facts import read_facts
from slimbench.instances.traces.recording import recorder
from slimbench.instances.traces.recording.loading import load_model
from slimbench.instances.traces.recording.recorder import record

pytestmark = pytest.mark.slow
WINDOW = 24
TEXTS = {
    "ann": "It was the best of times, it was the worst of times. 2 + 2 = 4\n",
    "bob": "def largest(numbers):\n    return max(numbers)\n",
}


def saved(folder, model):
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return str(folder)


def written(folder, texts=TEXTS):
    paths = {user: folder / f"{user}.txt" for user in texts}
    for user, path in paths.items():
        path.write_text(texts[user], "utf-8")
    return paths


def windows_of(text):
    ids = byte_tokenizer()(text)["input_ids"]
    assert len(ids) == len(text.encode())
    return [ids[start : start + WINDOW] for start in range(0, len(ids), WINDOW)]


def family_named(name):
    return next(family for family in FAMILIES if family.name == name)


@pytest.fixture(scope="module")
def mixtral():
    """Return a tiny model in memory, without its head, and its tokenizer."""
    return made(family_named("mixtral")).model, byte_tokenizer()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_recorded_experts_and_facts_are_those_of_the_model(tmp_path, family):
    model = made(family)
    out = tmp_path / "trace.parquet"
    loaded = load_model(saved(tmp_path / "model", model))
    recording = record(*loaded, family.name, written(tmp_path), out, window=WINDOW)

    rows = pq.read_table(out).to_pylist()
    recorded = {(row["user"], row["layer"], row["token"]): row["experts"] for row in rows}
    chosen, dropped = {}, 0
    for user, text in TEXTS.items():
        for number, layers in enumerate(expected(family, model, windows_of(text))):
            for layer, experts in enumerate(layers):
                for token, group in enumerate(experts.tolist(), number * WINDOW):
                    dropped += group == [-1]
                    if group != [-1]:
                        chosen[user, layer, token] = group
    assert recorded == chosen
    assert len(rows) == recording.rows == len(chosen)
    assert recording.dropped == dropped
    assert (dropped > 0) == (family.name == "switch")
    assert recording.tokens == {user: len(text) for user, text in TEXTS.items()}
    assert recording.calls.sum() == sum(map(len, chosen.values()))
    assert len({tuple(group) for group in chosen.values()}) > family.top_k  # not one group for all
    for row in rows:
        assert row["weights"] == sorted(row["weights"], reverse=True)
        assert len(row["weights"]) == len(row["experts"])

    facts = read_facts(out)
    assert facts == recording.facts
    assert (facts.name, facts.moe_layers, facts.experts_per_layer, facts.top_k, facts.shared_experts) == (
        family.name, family.layers, family.experts, family.top_k, family.shared,
    )  # fmt: skip
    assert (facts.hidden_size, facts.params_per_expert, facts.matrices_per_expert) == (
        16, family.params_per_expert, family.matrices,
    )  # fmt: skip


def test_a_recorded_trace_makes_an_instance_without_a_row_of_the_zoo(tmp_path, mixtral):
    record(*mixtral, "ours", written(tmp_path), tmp_path / "ours.parquet", window=WINDOW)
    recipe = {"name": "n", "dispatch": "single", "routing": {"kind": "trace", "path": "ours.parquet"}}
    instance, note = make_instance(read_recipe(recipe), tmp_path)
    assert instance.user_names == ("ann", "bob")
    model = instance.models[0]
    assert (model.name, model.layers, model.experts_per_layer, model.top_k) == ("ours", 3, 4, 2)
    assert model.expert_bytes == 2 * 3 * 16 * 24
    assert note == "groups and their rates from the trace ours.parquet, 327 rows"


def test_a_text_longer_than_a_piece_is_read_whole_and_once(tmp_path, mixtral, monkeypatch):
    texts = {"lines": "one two\nthree\n" * 9, "words": "one two three " * 9, "neither": "x" * 101}
    monkeypatch.setattr(recorder, "_PIECE_CHARACTERS", 10)
    paths = written(tmp_path, texts)
    pieces = {user: list(recorder._pieces(path)) for user, path in paths.items()}
    for user, text in texts.items():
        assert "".join(pieces[user]) == text
        assert len(pieces[user]) > 5
        assert max(map(len, pieces[user])) <= 20
    made_of = record(*mixtral, "m", paths, tmp_path / "t.parquet", window=WINDOW)
    assert made_of.tokens == {user: len(text) for user, text in texts.items()}


@pytest.mark.parametrize("limit", [1, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW])
def test_no_more_tokens_are_read_than_asked_for(tmp_path, mixtral, limit):
    out = tmp_path / "t.parquet"
    texts = written(tmp_path, {"ann": TEXTS["ann"]})
    made_of = record(*mixtral, "m", texts, out, window=WINDOW, max_tokens=limit, column="task")
    assert made_of.tokens == {"ann": limit}
    table = pq.read_table(out)
    assert sorted(set(table["token"].to_pylist())) == list(range(limit))
    assert table.column_names[0] == "task"


@pytest.mark.parametrize(
    ("content", "message"), [(b"fine\n\xff\n", "bad.txt: is not UTF-8 text"), (b"", "bad.txt: has no tokens")]
)
def test_a_text_that_cannot_be_read_leaves_no_file(tmp_path, mixtral, content, message):
    texts = written(tmp_path) | {"bad": tmp_path / "bad.txt"}
    texts["bad"].write_bytes(content)
    before = set(tmp_path.iterdir())
    with pytest.raises(InstanceError, match=message):
        record(*mixtral, "m", texts, tmp_path / "t.parquet", window=WINDOW)
    assert set(tmp_path.iterdir()) == before


def test_a_model_without_experts_is_refused_and_told_what_was_looked_for(tmp_path):
    llama = transformers.LlamaModel(transformers.LlamaConfig(**COMMON))
    with pytest.raises(InstanceError, match=r"LlamaModel without .* expected one whose forward takes top_k_"):
        record(llama, byte_tokenizer(), "m", written(tmp_path), tmp_path / "t.parquet", window=WINDOW)


def test_a_window_longer_than_the_model_sees_is_refused(tmp_path, mixtral):
    with pytest.raises(InstanceError, match="window: is 65, expected 1 to 64"):
        record(*mixtral, "m", written(tmp_path), tmp_path / "t.parquet", window=65)


def test_a_model_that_lacks_weights_is_refused_not_filled_up_at_random(tmp_path):
    folder = Path(saved(tmp_path / "model", made(family_named("olmoe"))))
    weights = load_file(folder / "model.safetensors")
    lost = next(name for name in weights if name.endswith("mlp.gate.weight"))
    save_file({name: w for name, w in weights.items() if name != lost}, folder / "model.safetensors",
              metadata={"format": "pt"})  # fmt: skip
    with pytest.raises(InstanceError, match="lacks 1 weights, such as"):
        load_model(str(folder))


def test_what_is_no_model_is_one_line(tmp_path):
    with pytest.raises(InstanceError, match="cannot be loaded"):
        load_model(str(tmp_path))
