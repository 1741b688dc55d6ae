"""The README of the shipped traces, from what was measured when they were made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def readme(figures: Mapping[str, Any]) -> str:
    """The text, in Markdown; every figure in it is one of ``figures``."""
    loader = FileSystemLoader(Path(__file__).parent)
    templates = Environment(loader=loader, undefined=StrictUndefined, keep_trailing_newline=True)
    return templates.get_template("readme.md.j2").render(figures)
