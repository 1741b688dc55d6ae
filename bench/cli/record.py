"""``slimbench record``: which experts a Hugging Face model calls on texts, as a routing trace."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from slimbench.bench.cli.options import print_facts
from slimbench.instances import InstanceError
from slimbench.instances.files.records import refuse_twice

NEEDED = ("torch", "transformers")


def record(
    model: Annotated[str, typer.Argument(help="Folder of the model, or its name on the Hugging Face hub.")],
    texts: Annotated[list[Path], typer.Argument(help="UTF-8 texts; each is a user, named by its stem.")],
    out: Annotated[Path, typer.Option("--out", help="Trace to write: .parquet.")],
    name: Annotated[
        str, typer.Option("--name", help="Name of the model in the trace; default: its folder.")
    ] = "",
    window: Annotated[int, typer.Option(min=1, help="Tokens that the model sees at once.")] = 512,
    tokens: Annotated[int | None, typer.Option(min=1, help="Largest number of each text.")] = None,
    task: Annotated[bool, typer.Option("--task", help="The texts are tasks instead of users.")] = False,
    device: Annotated[str, typer.Option(help="Where the model runs, such as cuda.")] = "cpu",
) -> None:
    """Record which experts a Hugging Face Mixture-of-Experts model calls while it reads texts.

    $ slimbench record models/olmoe ann.txt bob.txt --out trace.parquet
    """
    if missing := [library for library in NEEDED if find_spec(library) is None]:
        raise InstanceError(
            "record", f'needs {" and ".join(missing)}, expected it by pip install "slimbench[record]"'
        )
    from slimbench.instances.traces.recording.loading import load_model
    from slimbench.instances.traces.recording.recorder import record as record_trace

    users = {path.stem: path for path in texts}
    refuse_twice("texts", (path.stem for path in texts), "a different file name for each user")
    name = name or Path(model).resolve().name
    loaded, tokenizer = load_model(model, device)
    column: Literal["user", "task"] = "task" if task else "user"
    made = record_trace(loaded, tokenizer, name, users, out, window=window, max_tokens=tokens, column=column)
    facts = made.facts
    shares = made.calls.max(axis=1) / made.calls.sum(axis=1)
    print_facts(
        {
            "file": out,
            "model": f"{facts.name} ({facts.note})",
            "MoE layers": facts.moe_layers,
            "experts a layer": f"{facts.experts_per_layer}, top {facts.top_k}, shared {facts.shared_experts}",
            "expert": f"{facts.params_per_expert} parameters, {facts.bytes_per_expert_bf16} bytes in bf16",
            "tokens": ", ".join(f"{user} {count}" for user, count in made.tokens.items()),
            "rows": made.rows,
            "dropped": f"{made.dropped} calls beyond capacity, without a row",
            "most called expert": "share of calls by layer: "
            + " ".join(f"{share:.3f}" for share in shares)
            + f" (uniform {1 / facts.experts_per_layer:.3f})",
        }
    )
