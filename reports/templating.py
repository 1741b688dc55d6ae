"""The templates of pages, with the style sheets and scripts that a page carries."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from slimbench.reports.bundles import datatables, vega
from slimbench.reports.numbers import order_value


def page_environment() -> Environment:
    """Templates that escape what is put into HTML; ``asset(name)`` is a file of ours or of a library."""
    environment = Environment(
        loader=PackageLoader("slimbench.reports", "templates"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["order"] = order_value
    environment.globals["asset"] = lambda name: _asset(environment, name)
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    return environment


def _asset(environment: Environment, name: str) -> Markup:
    if name == "vega.js":
        return Markup(vega())  # noqa: S704
    if name in ("datatables.js", "datatables.css"):
        return Markup(datatables()[name.endswith("css")])  # noqa: S704
    loader = environment.loader
    return Markup(loader.get_source(environment, name)[0] if loader else "")  # noqa: S704
