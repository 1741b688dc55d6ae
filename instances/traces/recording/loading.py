"""Models and tokenizers by transformers' Auto classes, from a folder or a hub."""

from __future__ import annotations

from typing import Any

from safetensors import SafetensorError
from torch import nn
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from slimbench.instances.problem.errors import InstanceError


def load_model(source: str, device: str = "cpu") -> tuple[nn.Module, Any]:
    """A model without its head, in the type it was saved in, and its tokenizer.

    Nothing that comes with the model is run: no code of its own, and weights from safetensors alone.

    Raises
    ------
    InstanceError
        If either cannot be loaded, or weights are missing.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        model, info = AutoModel.from_pretrained(
            source, dtype="auto", use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
        model.to(device)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InstanceError(f"model {source}", f"cannot be loaded ({reason})") from None
    if missing := sorted(info["missing_keys"]):
        raise InstanceError(
            f"model {source}", f"lacks {len(missing)} weights, such as {missing[0]}, expected all of them"
        )
    return model, tokenizer
