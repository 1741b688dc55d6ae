"""A small Mixture-of-Experts language model on bytes, trained from scratch."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from transformers import PreTrainedModel, Qwen3MoeConfig, Qwen3MoeForCausalLM

from tiny_moe.byte_tokens import byte_tokenizer

WINDOW: Final = 256
_BATCH: Final = 8
_PEAK_RATE: Final = 2e-3
_WARM_UP_STEPS: Final = 40
# Large enough that no expert is left out, small enough that kinds of text have experts of their own.
_BALANCE: Final = 0.01


@dataclass(frozen=True)
class TinyMoe:
    """What distinguishes one tiny model from another."""

    name: str
    file: str
    experts: int
    top_k: int
    layers: int = 4
    hidden_size: int = 128
    expert_size: int = 128


TINY_MODELS: Final = (
    TinyMoe("tiny-moe-top2", "top2.parquet", 16, 2),
    TinyMoe("tiny-moe-top1", "top1.parquet", 32, 1),
)


def new_model(tiny: TinyMoe, seed: int) -> PreTrainedModel:
    """A model with random weights.

    Gate weights are not normalised over the chosen experts: with top-1 they would be 1, and the router would
    learn nothing from the text.
    """
    torch.manual_seed(seed)
    return Qwen3MoeForCausalLM(
        Qwen3MoeConfig(
            vocab_size=len(byte_tokenizer()),
            hidden_size=tiny.hidden_size,
            moe_intermediate_size=tiny.expert_size,
            num_hidden_layers=tiny.layers,
            num_attention_heads=4,
            num_key_value_heads=4,
            head_dim=tiny.hidden_size // 4,
            num_experts=tiny.experts,
            num_experts_per_tok=tiny.top_k,
            norm_topk_prob=False,
            router_aux_loss_coef=_BALANCE,
            output_router_logits=True,
            max_position_embeddings=WINDOW,
            tie_word_embeddings=True,
            use_cache=False,
            experts_implementation="eager",
        )
    )


def train(model: PreTrainedModel, texts: Sequence[str], steps: int, seed: int) -> None:
    """Train on windows of all texts in turn, drawn uniformly; AdamW, warm-up, then cosine decay to zero."""
    encode = byte_tokenizer()
    tokens = [np.array(encode(text, add_special_tokens=False)["input_ids"]) for text in texts]
    rng = np.random.Generator(np.random.PCG64(seed))
    optimiser = torch.optim.AdamW(model.parameters(), lr=_PEAK_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps))
    model.train()
    for step in range(steps):
        chosen = [tokens[(step * _BATCH + b) % len(tokens)] for b in range(_BATCH)]
        starts = [int(rng.random() * (len(text) - WINDOW)) for text in chosen]
        batch = torch.tensor(np.stack([t[s : s + WINDOW] for t, s in zip(chosen, starts, strict=True)]))
        loss = model(input_ids=batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        if step % 25 == 0:
            print(f"step {step} of {steps}: loss {loss.item():.3f}", file=sys.stderr, flush=True)
    model.eval()


def losses(model: PreTrainedModel, texts: Mapping[str, str]) -> dict[str, float]:
    """Cross-entropy of each text in nats a byte, without the router's balance loss."""
    encode = byte_tokenizer()
    found = {}
    model.eval()
    for name, text in texts.items():
        ids = encode(text, add_special_tokens=False)["input_ids"]
        windows = torch.tensor(ids[: len(ids) // WINDOW * WINDOW]).reshape(-1, WINDOW)
        with torch.inference_mode():
            logits = model(input_ids=windows, output_router_logits=False).logits[:, :-1]
        found[name] = float(torch.nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten()))
    return found


def _rate(step: int, steps: int) -> float:
    """Share of the peak learning rate."""
    warm = min(1.0, (step + 1) / _WARM_UP_STEPS)
    return warm * 0.5 * (1 + math.cos(math.pi * step / steps))
