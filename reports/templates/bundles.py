"""JavaScript libraries that a page carries, so that it works offline."""

from __future__ import annotations

import contextlib
import functools
from importlib import metadata, resources
from pathlib import Path
from typing import Final

import platformdirs
import vl_convert

from slimbench.instances.files.files import write_atomically

_SNIPPET: Final = "window.vegaEmbed = vegaEmbed;"  # what the bundle defines for a page
_DEFINED: Final = "window.vegaEmbed="  # how that ends up in it


@functools.cache
def vega() -> str:
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
def datatables() -> tuple[str, str]:
    """DataTables with jQuery (MIT) as an ES module whose default export it is, and its style sheet."""
    folder = resources.files("itables") / "html"
    script, style = (
        (folder / name).read_text(encoding="utf-8") for name in ("dt_bundle.js", "dt_bundle.css")
    )
    return _inside_page(script), style


def _inside_page(script: str) -> str:
    """The script with nothing in it that ends a script element."""
    return script.replace("</script", r"<\/script").replace("<!--", r"<\!--")
