"""An inspection in a terminal. Names are shown as they are: nothing in them is markup."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import rich.table
from rich.console import Console
from rich.text import Text

from slimbench.instances.problem.errors import one_line
from slimbench.reports.placement import inspection
from slimbench.reports.placement.character_maps import map_lines, placement_lines
from slimbench.reports.placement.facts import facts_of
from slimbench.reports.placement.inspection import Inspection
from slimbench.reports.tables.tables import Column, Table, name, table_of

MAX_ROWS = 12  # of users, servers, layers and experts; how many others there are is said


def print_inspection(seen: Inspection, console: Console) -> None:
    """Print everything; with no placement, what the instance is and what is asked for."""
    facts = facts_of(seen.instance)
    for key, value in facts.items():
        console.print(f"{key:<{max(map(len, facts))}}  {value}", markup=False, soft_wrap=True)
    _print_map(seen, console)
    if not seen.placements:
        _print_demand(seen, console)
        return
    _print_overall(seen, console)
    _print_users(seen, console)
    _print_storage(seen, console)
    _print_differences(seen, console)
    _print_heat_maps(seen, console)


def _print_map(seen: Inspection, console: Console) -> None:
    known = {"servers": seen.instance.server_positions_m, "users": seen.instance.user_positions_m}
    lacking = " and ".join(name for name, positions_m in known.items() if positions_m is None)
    servers_m, users_m = (np.zeros((0, 2)) if p is None else p for p in known.values())
    if len(servers_m) + len(users_m):
        _say(console, "", "map", *map_lines(servers_m, users_m))
    if lacking:
        _say(console, f"map: the instance does not say where {lacking} are")


def _print_overall(seen: Inspection, console: Console) -> None:
    frame = inspection.overall(seen)
    frame["worse_s"] = frame["worse_s"].where(frame["placement"].isin(seen.others))
    against = [_ms("worse_s", f"against {_name(seen, 0)} ms", signed=True)] if seen.others else []
    fits = Column(
        "fits",
        ("placement", "violation"),
        lambda placement, why: "" if placement == inspection.NOTHING else "no" if why else "yes",
    )
    columns = (name("placement"), _ms("latency_s", "latency ms"), _ms("saving_s", "saving ms"))
    columns += (_percent("saving_share", "saving %"), *against, fits)
    _print_table(console, "Latency a token, all users", table_of(frame, columns))
    for row in frame.dropna(subset="violation").to_dict("records"):
        _say(console, f"{row['placement']} does not fit: {row['violation']}")


def _print_users(seen: Inspection, console: Console) -> None:
    frame = inspection.by_user(seen)
    parts = [
        part.drop(columns="placement").set_index("user").add_suffix(f" {placement}")
        for placement, part in frame.groupby("placement", sort=False)
    ]
    columns = [name("user"), _ms(f"latency_none_s {_name(seen, 0)}", "none ms")]
    for placement in seen.placements:
        columns.append(_ms(f"latency_s {placement}", f"{placement} ms"))
        columns.append(_percent(f"kept_share {placement}", "kept %"))
    columns += [_ms(f"worse_s {other}", f"{other} worse by ms", signed=True) for other in seen.others]
    worst = f"who loses most by leaving {_name(seen, 0)}" if seen.others else "who keeps most of it"
    title = f"Who pays: share of the latency a token, worst off first ({worst})"
    _print_rows(console, title, pd.concat(parts, axis=1).reset_index(), columns, "user")


def _print_storage(seen: Inspection, console: Console) -> None:
    models = [model.name for model in seen.instance.models]
    own = [_count(f"{m}", f"{model} bytes") for m, model in enumerate(models) if len(models) > 1]
    columns = (name("server"), _count("experts"), _count("used_bytes", "bytes"))
    columns += (_count("capacity_bytes", "capacity"), _percent("used", "used %"), *own)
    for placement, part in inspection.storage(seen).groupby("placement", sort=False):
        servers = part.groupby("server", sort=False)
        frame = servers[["experts", "used_bytes"]].sum().join(servers["capacity_bytes"].first())
        with np.errstate(divide="ignore", invalid="ignore"):
            frame["used"] = frame["used_bytes"].to_numpy(float) / frame["capacity_bytes"].to_numpy(float)
        for m in range(len(models)):
            frame[f"{m}"] = servers["used_bytes"].nth(m).to_numpy()
        _print_rows(console, f"Storage of {placement}", frame.reset_index(), columns, "server")


def _print_differences(seen: Inspection, console: Console) -> None:
    first = _name(seen, 0)
    for frame, keys in (
        (inspection.differences_by_server(seen), ["server"]),
        (inspection.differences_by_layer(seen), ["model", "layer"]),
    ):
        for other, part in frame.groupby("other", sort=False):
            differ = (part["only_first"] + part["only_other"]).sort_values(ascending=False, kind="stable")
            total = (
                dict.fromkeys(keys, "")
                | {keys[0]: "all"}
                | part[["only_first", "only_other", "both"]].sum().to_dict()
            )
            shown = pd.concat([part.loc[differ.index[:MAX_ROWS]].astype(object), pd.DataFrame([total])])
            columns = [*(name(key) for key in keys), _count("only_first", f"only {first}")]
            columns += [_count("only_other", f"only {other}"), _count("both")]
            title = f"(server, expert) pairs of {first} and {other}, by {keys[-1]}"
            _print_table(console, title, table_of(shown, columns))
            _say_others(console, len(part), keys[-1])


def _print_heat_maps(seen: Inspection, console: Console) -> None:
    first = next(iter(seen.placements.values()))
    if not seen.others:
        _say(console, "", f"Server x (layer, expert) of {_name(seen, 0)}: # cached, . not")
        _say(console, *placement_lines(seen.instance, first, None, console.width))
    for other in seen.others:
        legend = f"# both, < only {_name(seen, 0)}, > only {other}, . neither; as numbers both/only/only"
        _say(console, "", f"Server x (layer, expert): {legend}")
        _say(console, *placement_lines(seen.instance, first, seen.placements[other], console.width))


def _print_demand(seen: Inspection, console: Console) -> None:
    calls = Column("calls a token", ("calls",), lambda value: f"{value:.4f}")
    experts = inspection.demand(seen.instance).sort_values("calls", ascending=False, kind="stable")
    columns = [*map(name, ("model", "layer", "expert")), calls]
    _print_rows(console, "Experts called most often", experts, columns, "expert")
    title = "Users: share of the latency a token, no expert cached"
    columns = [name("user"), _ms("latency_none_s", "none ms")]
    _print_rows(console, title, inspection.by_user(seen), columns, "user")
    columns = [name("model"), name("layer"), _percent("top_share", "calls to the first %")]
    columns.append(name("half", "experts for half of the calls"))
    _print_rows(console, "Popularity by layer", inspection.concentration(seen.instance), columns, "layer")


def _print_rows(
    console: Console, title: str, frame: pd.DataFrame, columns: Sequence[Column], noun: str
) -> None:
    _print_table(console, title, table_of(frame[:MAX_ROWS], columns))
    _say_others(console, len(frame), noun)


def _print_table(console: Console, title: str, table: Table) -> None:
    grid = rich.table.Table()
    for i, header in enumerate(table.titles):
        grid.add_column(Text(one_line(header)), justify="right" if i else "left", overflow="fold")
    for row in table.rows:
        grid.add_row(*(Text(one_line(cell.text)) for cell in row))
    console.print()
    console.print(Text(one_line(title), "bold"), soft_wrap=True)  # as a title of the table it would fold
    console.print(grid)


def _say(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(Text(one_line(line)), soft_wrap=True)


def _say_others(console: Console, count: int, noun: str) -> None:
    left = count - MAX_ROWS
    if left > 0:
        _say(console, f"and {left:,} other {noun}{'s' if left > 1 else ''}; --json has all")


def _name(seen: Inspection, number: int) -> str:
    return list(seen.placements)[number]


def _ms(key: str, title: str, *, signed: bool = False) -> Column:
    sign = "+" if signed else ""
    return Column(title, (key,), lambda s: "" if math.isnan(s) else f"{1e3 * s:{sign}#.4g}")


def _percent(key: str, title: str) -> Column:
    def text(share: float) -> str:
        return "" if math.isnan(share) else "over" if math.isinf(share) else f"{100 * share:.1f}"

    return Column(title, (key,), text)


def _count(key: str, title: str = "") -> Column:
    return Column(title or key, (key,), lambda number: f"{number:,}")
