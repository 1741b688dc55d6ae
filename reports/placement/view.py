"""Charts and tables of placements of one instance: what a page embeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from slimbench.instances import Instance, Placement
from slimbench.reports.charts.chart import Chart
from slimbench.reports.placement import inspection
from slimbench.reports.placement.chart import placement_heat_map
from slimbench.reports.placement.demand import popularity
from slimbench.reports.placement.inspection import Inspection, inspect_placements
from slimbench.reports.placement.places import place_map
from slimbench.reports.placement.who_pays import stored, who_pays
from slimbench.reports.tables.numbers import NOTHING, time_text
from slimbench.reports.tables.tables import Column, Table, name, seconds, table_of

MAX_ROWS = 500  # of a table in a page
DIGITS: Final = 4


def placement_charts(instance: Instance, placements: Mapping[str, Placement]) -> list[Chart]:
    """Heat map, latency of users, storage, map, demand; those that there is nothing to draw of are left out.

    Parameters
    ----------
    instance : Instance
    placements : mapping of Placement
        By the names to show; the first is the baseline, such as the optimum. There may be none.
    """
    return charts_of(inspect_placements(instance, placements))


def charts_of(seen: Inspection) -> list[Chart]:
    """The same of placements that are evaluated."""
    drawn = (
        placement_heat_map(seen),
        who_pays(seen),
        stored(seen),
        place_map(seen),
        popularity(seen.instance),
    )
    return [chart for chart in drawn if chart is not None]


def tables_of(seen: Inspection) -> dict[str, Table]:
    """Tables as text by their captions; none but that of users without a placement."""
    users = inspection.by_user(seen)[:MAX_ROWS]
    none = seconds("latency_none_s", "no expert cached", DIGITS)
    if not seen.placements:
        return {"Users": table_of(users, [name("user"), none])}

    def above(placement: str, worse_s: float) -> str:
        """How far a latency is above the baseline's, with its sign; nothing for the baseline itself."""
        if placement not in seen.others:
            return NOTHING
        return f"{'-' if worse_s < 0 else '+'}{time_text(abs(worse_s), DIGITS)}"

    latency = (name("placement"), seconds("latency_s", "latency", DIGITS))
    above_first = Column("above the first", ("placement", "worse_s"), above)
    overall = (
        *latency,
        seconds("saving_s", "saving", DIGITS),
        _percent("saving_share", "saving ÷ latency"),
        above_first,
        Column(
            "fits",
            ("placement", "violation"),
            lambda placement, why: why or ("" if placement == inspection.NOTHING else "yes"),
            lambda _, why: "bad" if why else "text",
        ),
    )
    compared = (above_first, _percent("worse_share", "share")) if seen.others else ()
    by_user = (name("user"), latency[0], none, latency[1], _percent("kept_share", "kept"), *compared)
    storage = inspection.storage(seen)[:MAX_ROWS]
    capacities = storage["capacity_bytes"]
    storage = storage.assign(used=storage["used_bytes"] / capacities.where(capacities > 0))
    stores = (
        *map(name, ("server", "placement", "model")),
        *(
            _count(*column)
            for column in (("experts",), ("used_bytes", "bytes"), ("capacity_bytes", "capacity"))
        ),
        _percent("used", "used"),
    )
    tables = {
        "Latency a token": table_of(inspection.overall(seen), overall),
        "Who pays": table_of(users, by_user),
        "Storage": table_of(storage, stores),
    }
    counts = (
        _count("only_first", f"only in {next(iter(seen.placements))}"),
        _count("only_other", "only in the other"),
        _count("both", "in both"),
    )
    for what, frame, keys in (
        ("server", inspection.differences_by_server(seen), (name("server"),)),
        ("layer", inspection.differences_by_layer(seen), (name("model"), Column("layer", ("layer",)))),
    ):
        if seen.others:
            differ = (frame["only_first"] + frame["only_other"]).sort_values(ascending=False, kind="stable")
            shown = frame.loc[differ.index[:MAX_ROWS]]
            tables[f"Where they differ, by {what}"] = table_of(
                shown, (*keys, name("other", "against"), *counts)
            )
    return tables


def rows_left_out(seen: Inspection) -> str:
    """A sentence on tables that are cut, or nothing."""
    instance = seen.instance
    longest = max(instance.n_users, instance.n_servers, instance.n_layers) * max(1, len(seen.placements))
    cut = f"Tables show at most {MAX_ROWS} rows; the command line's --json has all."
    return cut if longest > MAX_ROWS else ""


def _percent(key: str, title: str) -> Column:
    return Column(title, (key,), lambda share: f"{100 * share:.1f} %" if math.isfinite(share) else NOTHING)


def _count(key: str, title: str = "") -> Column:
    return Column(title or key, (key,), lambda number: f"{number:,}")
