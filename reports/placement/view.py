"""Charts and tables of placements of one instance: what a page embeds."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from slimbench.instances import Instance, Placement
from slimbench.reports.charts.chart import Chart
from slimbench.reports.placement import inspection
from slimbench.reports.placement.chart import placement_heat_map
from slimbench.reports.placement.demand import popularity
from slimbench.reports.placement.inspection import Inspection, inspect_placements
from slimbench.reports.placement.places import place_map
from slimbench.reports.placement.who_pays import stored, who_pays
from slimbench.reports.tables.numbers import NOTHING, time_text
from slimbench.reports.tables.tables import Cell, Table

MAX_ROWS = 500  # of a table in a page
DIGITS = 4


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
    if not seen.placements:
        return {"Users": _users_without(seen)}
    tables = {"Latency a token": _overall(seen), "Who pays": _users(seen), "Storage": _storage(seen)}
    if seen.others:
        tables["Where they differ, by server"] = _differences(seen, inspection.differences_by_server(seen), 1)
        tables["Where they differ, by layer"] = _differences(seen, inspection.differences_by_layer(seen), 2)
    return tables


def rows_left_out(seen: Inspection) -> str:
    """A sentence on tables that are cut, or nothing."""
    instance = seen.instance
    longest = max(instance.n_users, instance.n_servers, instance.n_layers) * max(1, len(seen.placements))
    return (
        f"Tables show at most {MAX_ROWS} rows; the command line's --json has all."
        if longest > MAX_ROWS
        else ""
    )


def _overall(seen: Inspection) -> Table:
    rows = []
    for row in inspection.overall(seen).to_dict("records"):
        none = row["placement"] == inspection.NOTHING
        fits = Cell("" if none else "yes", "text")
        if row["violation"]:
            fits = Cell(row["violation"], "bad")
        rows.append(
            [
                Cell(row["placement"], "name"),
                Cell(time_text(row["latency_s"], DIGITS)),
                Cell(time_text(row["saving_s"], DIGITS)),
                Cell(_percent(row["saving_share"])),
                Cell(_above(seen, row)),
                fits,
            ]
        )
    titles = ("placement", "latency", "saving", "saving ÷ latency", "above the first", "fits")
    return Table(titles, rows)


def _users(seen: Inspection) -> Table:
    rows = [
        [
            Cell(row["user"], "name"),
            Cell(row["placement"], "name"),
            Cell(time_text(row["latency_none_s"], DIGITS)),
            Cell(time_text(row["latency_s"], DIGITS)),
            Cell(_percent(row["kept_share"])),
            *([Cell(_above(seen, row)), Cell(_percent(row["worse_share"]))] if seen.others else []),
        ]
        for row in _first(inspection.by_user(seen))
    ]
    titles = ["user", "placement", "no expert cached", "latency", "kept"]
    return Table([*titles, *(["above the first", "share"] if seen.others else [])], rows)


def _users_without(seen: Inspection) -> Table:
    rows = [
        [Cell(row["user"], "name"), Cell(time_text(row["latency_none_s"], DIGITS))]
        for row in _first(inspection.by_user(seen))
    ]
    return Table(("user", "no expert cached"), rows)


def _storage(seen: Inspection) -> Table:
    rows = [
        [
            Cell(row["server"], "name"),
            Cell(row["placement"], "name"),
            Cell(row["model"], "name"),
            Cell(f"{row['experts']:,}"),
            Cell(f"{row['used_bytes']:,}"),
            Cell(f"{row['capacity_bytes']:,}"),
            Cell(_percent(row["used_bytes"] / row["capacity_bytes"] if row["capacity_bytes"] else math.nan)),
        ]
        for row in _first(inspection.storage(seen))
    ]
    titles = ("server", "placement", "model", "experts", "bytes", "capacity", "used")
    return Table(titles, rows)


def _differences(seen: Inspection, frame: pd.DataFrame, n_keys: int) -> Table:
    keys = list(frame.columns[1 : 1 + n_keys])
    counts = ("only_first", "only_other", "both")
    frame = frame.assign(differ=frame["only_first"] + frame["only_other"])
    rows = [
        [
            *(Cell(str(row[key]), "name" if key != "layer" else "number") for key in keys),
            Cell(row["other"], "name"),
            *(Cell(f"{row[count]:,}") for count in counts),
        ]
        for row in _first(frame.sort_values("differ", ascending=False, kind="stable"))
    ]
    first = next(iter(seen.placements))
    return Table([*keys, "against", f"only in {first}", "only in the other", "in both"], rows)


def _first(frame: pd.DataFrame) -> Sequence[Mapping[Hashable, Any]]:
    return frame[:MAX_ROWS].to_dict("records")


def _above(seen: Inspection, row: Mapping[Hashable, Any]) -> str:
    """How far a latency is above the baseline's, with its sign; nothing for the baseline itself."""
    if row["placement"] not in seen.others:
        return NOTHING
    sign = "-" if row["worse_s"] < 0 else "+"
    return f"{sign}{time_text(abs(row['worse_s']), DIGITS)}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if math.isfinite(share) else NOTHING
