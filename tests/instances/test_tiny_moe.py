"""The shipped traces are what their figures say, and the code that made them keeps its word."""

import hashlib
import json
from dataclasses import replace

import pytest

from slimbench.instances.generators.generate import make_instance, read_recipe
from slimbench.instances.traces.facts import read_facts
from slimbench.instances.zoo import SHIPPED_DATA, zoo_model

FOLDER = SHIPPED_DATA / "tiny-moe"
FIGURES = json.loads((FOLDER / "figures.json").read_text())
TRACES = pytest.mark.parametrize("trace", FIGURES["traces"], ids=lambda trace: trace["file"])


@TRACES
def test_a_shipped_trace_is_the_one_that_was_measured(trace):
    path = FOLDER / trace["file"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == trace["sha256"]
    facts = read_facts(path)
    assert (facts.name, facts.moe_layers, facts.experts_per_layer, facts.top_k, facts.params_per_expert) == (
        trace["model"], trace["layers"], trace["experts"], trace["top_k"], trace["expert_params"],
    )  # fmt: skip


@pytest.mark.parametrize(("file", "size_of"), [("top2.parquet", "phi-3.5-moe"), ("top1.parquet", "")])
def test_a_shipped_trace_makes_an_instance_from_any_folder(tmp_path, file, size_of):
    routing = {"kind": "trace", "path": f"tiny-moe/{file}", "size_of": size_of}
    recipe = {"name": "n", "dispatch": "single", "layers": 1, "routing": routing}
    instance, note = make_instance(read_recipe(recipe), tmp_path)
    assert instance.n_users == 21
    assert {
        len(set(instance.user_names) & {f"{kind}-{i}" for i in range(3)}) for kind in ("c", "python")
    } == {3}
    assert instance.rates.sum() == pytest.approx(1)
    assert file in note
    if size_of:
        assert instance.models[0].expert_bytes == zoo_model(size_of).bytes_per_expert_bf16


def test_the_text_of_users_is_not_trained_on():
    from tiny_moe.corpus import TRAIN_BYTES, USER_BYTES, USERS, read_corpus

    corpus = read_corpus()
    assert len(corpus) == 7
    for kind in corpus.values():
        assert len(kind.training.encode()) >= TRAIN_BYTES
        assert len(kind.users) == USERS
        for text in kind.users:
            assert len(text.encode()) >= USER_BYTES
            assert text[:500] not in kind.training


@TRACES
def test_loads_differ_more_between_kinds_of_text_than_within_one(trace):
    from tiny_moe.figures import load_figures

    path = FOLDER / trace["file"]
    figures = load_figures(path, read_facts(path).model())
    assert figures.items() <= trace.items()
    assert figures["distance_between_kinds"] > 2 * figures["distance_within_kinds"]


def test_the_readme_tells_these_figures():
    from tiny_moe.readme import readme

    assert readme(FIGURES) == (FOLDER / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_training_lowers_the_loss_and_gives_the_same_weights_twice():
    import torch
    from tiny_moe.train import TINY_MODELS, losses, new_model, train

    torch.set_num_threads(1)
    tiny = replace(TINY_MODELS[0], experts=4, layers=1, hidden_size=16, expert_size=16)
    text = "one two three four five\n" * 30
    models = [new_model(tiny, seed=5) for _ in range(2)]
    before = losses(models[0], {"text": text})["text"]
    for model in models:
        train(model, [text], steps=20, seed=7)
    assert losses(models[0], {"text": text})["text"] < before - 0.05
    for first, second in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(first, second)
