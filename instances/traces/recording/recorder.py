"""Record a routing trace of a model on texts, in bounded memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from torch import nn

from slimbench.instances.files.bounded import refuse_irregular
from slimbench.instances.files.files import naming_file, replacing
from slimbench.instances.problem.arrays import IntArray
from slimbench.instances.problem.errors import InstanceError
from slimbench.instances.traces.recording.model_facts import experts_size, model_facts
from slimbench.instances.traces.recording.routers import moe_layers, watching
from slimbench.instances.traces.recording.trace_writer import TraceWriter
from slimbench.instances.zoo import ZooModel

_PIECE_CHARACTERS: Final = 2**16  # of a text, tokenised at a time


@dataclass(frozen=True, eq=False)
class Recording:
    """What was recorded.

    Parameters
    ----------
    facts : ZooModel
    tokens : dict
        Of each user or task, by its name.
    rows : int
        One a token and layer.
    dropped : int
        Tokens that a layer sent to no expert, as Switch does beyond its capacity; these have no row.
    calls : (layers, experts) int64
        How often each expert was called.
    """

    facts: ZooModel
    tokens: Mapping[str, int]
    rows: int
    dropped: int
    calls: IntArray


def record(
    model: nn.Module,
    tokenizer: Any,
    name: str,
    texts: Mapping[str, Path],
    out: Path,
    *,
    window: int = 512,
    max_tokens: int | None = None,
    column: Literal["user", "task"] = "user",
) -> Recording:
    """Let a model read texts, and write which experts its routers chose.

    A text is read in windows of tokens, one after another, none seeing the one before; no special tokens are
    added. The encoder of an encoder-decoder model reads the window, and its decoder the same window shifted
    right by one: each sparse layer of both sees each token once.

    Parameters
    ----------
    model : PreTrainedModel
        Without a head: logits are not needed.
    tokenizer : PreTrainedTokenizerBase
    name : str
        Of the model, in the column ``model``.
    texts : dict of Path
        UTF-8 files by the user (or task) that they stand for.
    out : Path
        ``.parquet``; it appears when everything is recorded.
    window : int
        Tokens that the model sees at once.
    max_tokens : int, optional
        Of each text; all of them without it.
    column : {"user", "task"}

    Raises
    ------
    InstanceError
        If the model has no known routers, a text is not UTF-8 or empty, or the file cannot be written.
    """
    if out.suffix != ".parquet":
        raise InstanceError("", "has an unknown file type, expected .parquet", out)
    longest = getattr(model.config, "max_position_embeddings", None) or window
    if not 1 <= window <= longest:
        raise InstanceError("window", f"is {window}, expected 1 to {longest}, what the model can see")
    layers = moe_layers(model)
    experts = experts_size(model, layers)
    calls = np.zeros((len(layers), experts.number), np.int64)
    tokens = dict.fromkeys(texts, 0)
    model.eval()
    with naming_file(out), replacing(out) as file, TraceWriter(file, column, name, calls) as writer:
        with watching(layers), torch.inference_mode():
            for user, path in texts.items():
                with naming_file(path):
                    for ids in _windows(path, tokenizer, window, max_tokens):
                        _read(model, ids)
                        writer.write(user, tokens[user], [layer.taken(len(ids)) for layer in layers])
                        tokens[user] += len(ids)
                    if not tokens[user]:
                        raise InstanceError("", "has no tokens, expected text")
        facts = model_facts(name, model, len(layers), experts, writer.top_k)
        writer.finish(facts)
    return Recording(facts, tokens, writer.rows, writer.dropped, calls)


def _read(model: nn.Module, ids: list[int]) -> None:
    batch = torch.tensor([ids], device=next(model.parameters()).device)
    if model.config.is_encoder_decoder:
        start = torch.full_like(batch[:, :1], model.config.decoder_start_token_id)
        model(input_ids=batch, decoder_input_ids=torch.cat([start, batch[:, :-1]], dim=1), use_cache=False)
    else:
        model(input_ids=batch, use_cache=False)


def _windows(path: Path, tokenizer: Any, window: int, max_tokens: int | None) -> Iterator[list[int]]:
    """Token ids of a text, as many as a window has; the last may have fewer."""
    ids: list[int] = []
    left = sys.maxsize if max_tokens is None else max_tokens
    for piece in _pieces(path):
        ids += tokenizer(piece, add_special_tokens=False)["input_ids"]
        while len(ids) >= min(window, left) > 0:
            yield ids[: min(window, left)]
            ids = ids[window:]
            left -= window
        if left <= 0:
            return
    if ids:
        yield ids


def _pieces(path: Path) -> Iterator[str]:
    """A text in pieces of bounded length that end with a line, or where none does, with a word."""
    refuse_irregular(path)
    with path.open(encoding="utf-8", newline="") as file:
        rest = ""
        try:
            while piece := file.read(_PIECE_CHARACTERS):
                rest += piece
                end = rest.rfind("\n") + 1 or rest.rfind(" ") + 1 or len(rest)
                yield rest[:end]
                rest = rest[end:]
        except UnicodeDecodeError as error:
            raise InstanceError("", f"is not UTF-8 text ({error.reason})") from None
        yield rest
