"""The templates of pages, with the style sheets and scripts that a page carries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from slimbench.reports.tables.numbers import order_value
from slimbench.reports.templates.bundles import datatables, vega

_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>|#~$&])")
_HTML: Final[Mapping[str, str]] = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def page_environment() -> Environment:
    """Templates that escape what is put into HTML; ``md`` escapes for Markdown.

    ``asset(name)`` is a file of ours or of a library.
    """
    environment = Environment(
        loader=PackageLoader("slimbench.reports", "templates"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["order"] = order_value
    environment.filters["md"] = _markdown
    environment.globals["asset"] = lambda name: _asset(environment, name)
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    return environment


def _markdown(text: object) -> str:
    """Text that Markdown shows as it stands, also within a table."""
    flat = " ".join(str(text).split())
    return _MARKDOWN.sub(lambda match: _HTML.get(match[1], f"\\{match[1]}"), flat)


def _asset(environment: Environment, name: str) -> Markup:
    if name == "vega.js":
        return Markup(vega())  # noqa: S704
    if name in ("datatables.js", "datatables.css"):
        return Markup(datatables()[name.endswith("css")])  # noqa: S704
    loader = environment.loader
    return Markup(loader.get_source(environment, name)[0] if loader else "")  # noqa: S704
