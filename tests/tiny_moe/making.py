"""From text to a shipped trace: a tiny model is trained, saved, and its routers are recorded."""

from __future__ import annotations

import hashlib
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import torch

from slimbench.instances.traces.recording.loading import load_model
from slimbench.instances.traces.recording.recorder import record
from tiny_moe.byte_tokens import byte_tokenizer
from tiny_moe.corpus import read_corpus
from tiny_moe.figures import DECIMALS, load_figures
from tiny_moe.train import WINDOW, TinyMoe, losses, new_model, train

SEED: Final = 1


def make_trace(tiny: TinyMoe, out: Path, steps: int, recorded_tokens: int) -> dict[str, Any]:
    """Train one model and record its trace in the folder ``out``; returns what was measured."""
    torch.set_num_threads(1)  # sums in the same order on every machine, and room for the other model
    torch.use_deterministic_algorithms(True)
    corpus = read_corpus()
    held_out = {name: kind.users[0] for name, kind in corpus.items()}
    model = new_model(tiny, SEED)
    began = time.process_time()
    before = losses(model, held_out)
    train(model, [kind.training for kind in corpus.values()], steps, SEED)
    after = losses(model, held_out)
    trained_s = time.process_time() - began
    path = out / tiny.file
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder, "model")
        model.save_pretrained(saved)
        byte_tokenizer().save_pretrained(saved)
        texts = {}
        for name, kind in corpus.items():
            for number, text in enumerate(kind.users):
                user = f"{name}-{number}"
                texts[user] = Path(folder, f"{user}.txt")
                texts[user].write_text(text, "utf-8", newline="")
        recording = record(
            *load_model(str(saved)), tiny.name, texts, path, window=WINDOW, max_tokens=recorded_tokens
        )
    return {
        "model": tiny.name,
        "file": tiny.file,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        "rows": recording.rows,
        "users": len(texts),
        "tokens_a_user": recorded_tokens,
        "layers": tiny.layers,
        "experts": tiny.experts,
        "top_k": tiny.top_k,
        "expert_params": recording.facts.params_per_expert,
        "steps": steps,
        "trained_cpu_s": round(trained_s),
        "loss_before": {kind: round(loss, DECIMALS) for kind, loss in before.items()},
        "loss_after": {kind: round(loss, DECIMALS) for kind, loss in after.items()},
        **load_figures(path, recording.facts.model()),
    }
