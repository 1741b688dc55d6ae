"""Page of the instance library: what is known of each instance."""

from __future__ import annotations

import math
from typing import Any, Final, get_args

from slimbench.bench.library.records import described
from slimbench.instances.library.index import Size
from slimbench.instances.library.library import Library
from slimbench.reports.tables.numbers import NOTHING, gap_text, significant
from slimbench.reports.templates.templating import page_environment

SAVING_DIGITS: Final = 7


def library_page(library: Library) -> str:
    """Markdown of a library; docs/LIBRARY.md is that of the shipped one.

    Raises
    ------
    ContradictionError
        If an instance's best placement saves more than a bound that is not refuted.
    """
    rows = [described(entry) for entry in library.index.instances]
    sizes = {size: [_cells(row) for row in rows if row["size"] == size] for size in get_args(Size)}
    content = {
        "release": library.index.release,
        "date": library.index.date,
        "n_instances": len(rows),
        "n_optimal": sum(row["status"] == "optimal" for row in rows),
        "n_checked": sum(row["level"] in {"certified", "cross-checked"} for row in rows),
        "sizes": sizes,
        "refuted": [(row["name"], by) for row in rows for by in row["refuted"]],
    }
    return page_environment().get_template("library.md.j2").render(content)


def _cells(row: dict[str, Any]) -> dict[str, str]:
    """A row of the table; times in milliseconds per token."""
    saving, bound = (math.nan if row[key] is None else row[key] for key in ("saving_s", "bound_saving_s"))
    gap = gap_text(saving, bound, row["status"] == "optimal")
    return {
        "instance": row["name"],
        "models": ", ".join(row["models"]),
        "dispatch": row["dispatch"],
        "servers": f"{row['servers']}",
        "users": f"{row['users']}",
        "layers": f"{row['layers']}",
        "experts": f"{row['experts']:,}",
        "K": f"{row['top_k']}",
        "activations": f"{row['activations']:,}",
        "capacity": f"{row['capacity_share']:.0%}",
        "saving (ms)": _milliseconds(saving),
        "bound (ms)": _milliseconds(bound),
        "gap": "optimal" if row["status"] == "optimal" else gap,
        "level": row["level"],
        "found by": f"{row['found_by']}, {row['found']}" if row["found_by"] else NOTHING,
        "sha256": row["sha256"][:12],
    }


def _milliseconds(seconds: float) -> str:
    return NOTHING if math.isnan(seconds) else significant(1000 * seconds, SAVING_DIGITS)
