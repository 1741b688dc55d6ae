"""An inspection in a terminal. Names are shown as they are: nothing in them is markup."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from slimbench.instances.problem.errors import one_line
from slimbench.reports.placement import inspection
from slimbench.reports.placement.character_maps import map_lines, placement_lines
from slimbench.reports.placement.facts import facts_of
from slimbench.reports.placement.inspection import Inspection

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
    rows = []
    table = inspection.overall(seen)
    for row in table.to_dict("records"):
        worse = row["worse_s"] if row["placement"] in seen.others else math.nan
        rows.append(
            [
                row["placement"],
                _ms(row["latency_s"]),
                _ms(row["saving_s"]),
                _percent(row["saving_share"]),
                _ms(worse, signed=True),
                "" if row["placement"] == inspection.NOTHING else "no" if row["violation"] else "yes",
            ]
        )
    titles = ["placement", "latency ms", "saving ms", "saving %"]
    titles += [f"against {_name(seen, 0)} ms"] if seen.others else []
    _print_table(
        console, "Latency a token, all users", [*titles, "fits"], rows if seen.others else _without(rows, 4)
    )
    for row in table.dropna(subset="violation").to_dict("records"):
        _say(console, f"{row['placement']} does not fit: {row['violation']}")


def _print_users(seen: Inspection, console: Console) -> None:
    frame = inspection.by_user(seen)
    order = list(dict.fromkeys(frame["user"]))
    tables = {name: part.set_index("user") for name, part in frame.groupby("placement", sort=False)}
    first = tables[next(iter(seen.placements))]
    rows = []
    for user in order[:MAX_ROWS]:
        row = [user, _ms(first["latency_none_s"][user])]
        for name in seen.placements:
            row += [_ms(tables[name]["latency_s"][user]), _percent(tables[name]["kept_share"][user])]
        row += [_ms(tables[name]["worse_s"][user], signed=True) for name in seen.others]
        rows.append(row)
    titles = ["user", "none ms"]
    titles += [title for name in seen.placements for title in (f"{name} ms", "kept %")]
    titles += [f"{name} worse by ms" for name in seen.others]
    worst = f"who loses most by leaving {_name(seen, 0)}" if seen.others else "who keeps most of it"
    _print_table(console, f"Who pays: share of the latency a token, worst off first ({worst})", titles, rows)
    _say_others(console, len(order), "user")


def _print_storage(seen: Inspection, console: Console) -> None:
    frame = inspection.storage(seen)
    several = len(seen.instance.models) > 1
    for name, part in frame.groupby("placement", sort=False):
        rows = []
        for server, models in itertools.islice(part.groupby("server", sort=False), MAX_ROWS):
            total, room = int(models["used_bytes"].sum()), int(models["capacity_bytes"].iloc[0])
            share = total / room if room else math.inf if total else math.nan
            row = [str(server), f"{models['experts'].sum():,}", f"{total:,}", f"{room:,}", _percent(share)]
            rows.append(row + ([f"{used:,}" for used in models["used_bytes"]] if several else []))
        titles = ["server", "experts", "bytes", "capacity", "used %"]
        titles += [f"{model.name} bytes" for model in seen.instance.models if several]
        _print_table(console, f"Storage of {name}", titles, rows)
        _say_others(console, seen.instance.n_servers, "server")


def _print_differences(seen: Inspection, console: Console) -> None:
    first = _name(seen, 0)
    for frame, keys in (
        (inspection.differences_by_server(seen), ["server"]),
        (inspection.differences_by_layer(seen), ["model", "layer"]),
    ):
        for other, part in frame.groupby("other", sort=False):
            differ = part["only_first"] + part["only_other"]
            shown = part.assign(differ=differ).sort_values("differ", ascending=False, kind="stable")
            columns = ["only_first", "only_other", "both"]
            rows = [
                [*(str(row[key]) for key in keys), *(f"{row[column]:,}" for column in columns)]
                for row in shown[:MAX_ROWS].to_dict("records")
            ]
            rows.append(["all", *[""] * (len(keys) - 1), *(f"{part[column].sum():,}" for column in columns)])
            title = f"(server, expert) pairs of {first} and {other}, by {keys[-1]}"
            _print_table(console, title, [*keys, f"only {first}", f"only {other}", "both"], rows)
            _say_others(console, len(part), keys[-1])


def _print_heat_maps(seen: Inspection, console: Console) -> None:
    first = next(iter(seen.placements.values()))
    if not seen.others:
        _say(console, "", f"Server x (layer, expert) of {_name(seen, 0)}: # cached, . not")
        _say(console, *placement_lines(seen.instance, first, None, console.width))
    for name in seen.others:
        legend = f"# both, < only {_name(seen, 0)}, > only {name}, . neither; as numbers both/only/only"
        _say(console, "", f"Server x (layer, expert): {legend}")
        _say(console, *placement_lines(seen.instance, first, seen.placements[name], console.width))


def _print_demand(seen: Inspection, console: Console) -> None:
    rows = [
        [row["model"], str(row["layer"]), str(row["expert"]), f"{row['calls']:.4f}"]
        for row in inspection.demand(seen.instance)
        .sort_values("calls", ascending=False, kind="stable")[:MAX_ROWS]
        .to_dict("records")
    ]
    _print_table(
        console, "Experts called most often", ["model", "layer", "expert", "calls a token"], rows, names=1
    )
    _say_others(console, seen.instance.n_experts, "expert")
    users = inspection.by_user(seen)
    rows = [[row["user"], _ms(row["latency_none_s"])] for row in users[:MAX_ROWS].to_dict("records")]
    _print_table(console, "Users: share of the latency a token, no expert cached", ["user", "none ms"], rows)
    _say_others(console, len(users), "user")
    shares = inspection.concentration(seen.instance)
    rows = [
        [row["model"], str(row["layer"]), _percent(row["top_share"]), str(row["half"])]
        for row in shares[:MAX_ROWS].to_dict("records")
    ]
    titles = ["model", "layer", "calls to the first %", "experts for half of the calls"]
    _print_table(console, "Popularity by layer", titles, rows)
    _say_others(console, len(shares), "layer")


def _print_table(
    console: Console, title: str, titles: Sequence[str], rows: Iterable[Sequence[str]], names: int = 1
) -> None:
    table = Table()
    for i, header in enumerate(titles):
        table.add_column(Text(one_line(header)), justify="left" if i < names else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    console.print()
    console.print(Text(one_line(title), "bold"), soft_wrap=True)  # as a title of the table it would fold
    console.print(table)


def _say(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(Text(one_line(line)), soft_wrap=True)


def _say_others(console: Console, count: int, noun: str) -> None:
    left = count - MAX_ROWS
    if left > 0:
        _say(console, f"and {left:,} other {noun}{'s' if left > 1 else ''}; --json has all")


def _name(seen: Inspection, number: int) -> str:
    return list(seen.placements)[number]


def _without(rows: Iterable[Sequence[str]], column: int) -> list[list[str]]:
    return [[cell for i, cell in enumerate(row) if i != column] for row in rows]


def _ms(seconds: float, *, signed: bool = False) -> str:
    if math.isnan(seconds):
        return ""
    return f"{1e3 * seconds:{'+' if signed else ''}#.4g}"


def _percent(share: float) -> str:
    if math.isnan(share):
        return ""
    return "over" if math.isinf(share) else f"{100 * share:.1f}"
