"""Templates of pages, with the style sheets and scripts that a page carries, so that it works offline."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Mapping
from importlib import metadata, resources
from pathlib import Path
from typing import Final

import platformdirs
import vl_convert
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from slimbench.instances.files.files import write_atomically
from slimbench.reports.tables.numbers import order_value

_SNIPPET: Final = "window.vegaEmbed = vegaEmbed;"  # what the bundle defines for a page
_DEFINED: Final = "window.vegaEmbed="  # how that ends up in it
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
        return Markup(_vega())  # noqa: S704
    if name in ("datatables.js", "datatables.css"):
        return Markup(_datatables()[name.endswith("css")])  # noqa: S704
    loader = environment.loader
    return Markup(loader.get_source(environment, name)[0] if loader else "")  # noqa: S704


@functools.cache
def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed (BSD-3-Clause) as one script.

    It takes seconds to put together, so it is kept in the user's cache folder where there is one to write to.
    """
    version = metadata.version("vl-convert-python")
    kept = Path(platformdirs.user_cache_dir("slimbench"), f"vega-{version}.js")
    with contextlib.suppress(OSError):
        script = kept.read_text(encoding="utf-8")
        if _DEFINED in script:
            return script
    script = _inside_page(str(vl_convert.javascript_bundle(_SNIPPET)))
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, script.encode())
    return script


@functools.cache
def _datatables() -> tuple[str, str]:
    """DataTables with jQuery (MIT) as an ES module whose default export it is, and its style sheet."""
    folder = resources.files("itables") / "html"
    script, style = (
        (folder / name).read_text(encoding="utf-8") for name in ("dt_bundle.js", "dt_bundle.css")
    )
    return _inside_page(script), style


def _inside_page(script: str) -> str:
    """The script with nothing in it that ends a script element."""
    return script.replace("</script", r"<\/script").replace("<!--", r"<\!--")
