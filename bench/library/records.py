"""Records of the instance library: best placements and bounds, and the references that they make."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from slimbench.bench.execution.verification import RECOMPUTED
from slimbench.bench.results.references import Reference, reference_of
from slimbench.formulations.tolerances import AGREEMENT, agree, exceeds, saves_nothing
from slimbench.instances import Instance, InstanceError, Placement, evaluate
from slimbench.instances.library.changes import placement_hash, today
from slimbench.instances.library.index import Best, Bound, Entry, Facts, Found
from slimbench.instances.library.library import Library, raw_instance

BETTER: Final = 1e-9  # relative; a record that is better by less is rounding

Status = Literal["optimal", "open"]


def reference_of_entry(entry: Entry) -> Reference:
    """Return the reference that the records of an instance make, by the rules for runs.

    Raises
    ------
    ContradictionError
        If the best placement saves more than a bound that is not refuted.
    """
    best = entry.best
    runs: list[Mapping[str, Any]] = []
    run = {"instance": entry.name, "runtime_s": math.nan, "time_limit_s": math.nan}
    if best is not None:
        found = {"solver": best.by, "saving_s": best.saving_s, "latency_none_s": _latency_none_s(best)}
        runs.append({**run, **found, "exact": False, "bound_saving_s": None})
    for bound in entry.bounds:
        if not bound.refuted:
            optimal = best and agree(best.saving_s, bound.saving_s, _latency_none_s(best))
            proof = {"library": bound.library, "termination": "optimal" if optimal else "feasible"}
            found = {"solver": bound.by, "saving_s": None, "bound_saving_s": bound.saving_s}
            runs.append({**run, **found, **proof, "exact": True})
    return reference_of(runs)


def described(entry: Entry) -> dict[str, Any]:
    """Return facts, records and reference of an instance as plain values; None for what is unknown.

    ``status`` is ``optimal`` where the best saving and the least bound agree, and ``level`` is that of the
    reference; ``gap`` is (bound - saving) / bound, and 0 where nothing can be saved (``tolerance``).

    Raises
    ------
    ContradictionError
        As ``reference_of_entry`` does.
    """
    reference, best = reference_of_entry(entry), entry.best
    status: Status = "optimal" if reference.closed else "open"
    saving = best.saving_s if best else None
    bound = None if math.isnan(reference.bound_saving_s) else reference.bound_saving_s
    gap = None
    if saving is not None and bound is not None:
        nothing = saves_nothing(bound, reference.latency_none_s)
        gap = 0.0 if nothing else (bound - saving) / bound
    return {
        "name": entry.name,
        "size": entry.size,
        **msgspec.to_builtins(entry.facts),
        "models": list(entry.facts.models),
        "status": status,
        "saving_s": saving,
        "latency_s": best.latency_s if best else None,
        "bound_saving_s": bound,
        "gap": gap,
        "level": reference.level,
        "found_by": best.by if best else "",
        "found": best.date if best else "",
        "bounded_by": [bound.by for bound in entry.bounds if not bound.refuted],
        "refuted": [bound.by for bound in entry.bounds if bound.refuted],
        "sha256": entry.sha256,
        "source": entry.file if entry.recipe is None else entry.recipe,
    }


def new_entry(
    library: Library, name: str, size: str, recipe: dict[str, Any] | None = None, file: str | None = None
) -> Entry:
    """Return an entry without records, of a recipe or a file.

    Raises
    ------
    InstanceError
        If the instance cannot be made, or the entry is invalid.
    """
    instance = raw_instance(library.folder, name, recipe, file)
    fields = {"name": name, "size": size, "sha256": instance.sha256, "facts": Facts.of(instance)}
    given = {key: value for key, value in {"recipe": recipe, "file": file}.items() if value is not None}
    try:
        return msgspec.convert(msgspec.to_builtins(fields) | given, Entry)
    except msgspec.ValidationError as error:
        raise InstanceError("library", f"{name}: {error}") from None


def best_of(instance: Instance, placement: Placement, by: str, version: str = "") -> Best:
    """Evaluate a placement, and return its record of today.

    Raises
    ------
    InstanceError
        If the placement does not fit.
    """
    if violation := placement.violation(instance):
        raise InstanceError("placement", violation)
    worth = evaluate(instance, placement)
    return Best(
        saving_s=worth.saving_s,
        latency_s=worth.latency_s,
        placement=placement_hash(placement, instance),
        by=by,
        version=version,
        date=today(),
    )


def with_best(entry: Entry, best: Best) -> Entry:
    """Return the entry with this placement if it is better than the best one, else the same entry."""
    before, history = entry.best, entry.history
    if before is not None:
        if best.saving_s <= before.saving_s * (1 + BETTER):
            return entry
        found = Found(saving_s=before.saving_s, by=before.by, version=before.version, date=before.date)
        history = (*history, found)
    bounds = tuple(_marked(bound, best) for bound in entry.bounds)
    return msgspec.structs.replace(entry, best=best, history=history, bounds=bounds)


def with_bound(entry: Entry, bound: Bound) -> Entry:
    """Return the entry with this bound if it is lower than the least one, or agrees with another solver's.

    Bounds above the least one are dropped; refuted bounds are kept.
    """
    bound = _marked(bound, entry.best)
    same = next((b for b in entry.bounds if b.by == bound.by and not b.refuted), None)
    if bound in entry.bounds or (same is not None and same.saving_s <= bound.saving_s):
        return entry
    bounds = (*(b for b in entry.bounds if b is not same or bound.refuted), bound)
    most = min((b.saving_s for b in bounds if not b.refuted), default=math.inf) * (1 + AGREEMENT)
    kept = tuple(b for b in bounds if b.refuted or b.saving_s <= most)
    return msgspec.structs.replace(entry, bounds=kept)


def refutations(before: Entry, after: Entry) -> list[str]:
    """Return a line for each bound that is refuted in ``after`` and not in ``before``."""
    return [
        f"{after.name}: {bound.refuted}, above the bound of {bound.saving_s:.9g} s that {bound.by} claims"
        for bound in after.bounds
        if bound.refuted and bound not in before.bounds
    ]


def record_fault(entry: Entry, instance: Instance, placement: Placement | None) -> str | None:
    """Return how an entry differs from its instance and placement, or None."""
    if Facts.of(instance) != entry.facts:
        return f"facts are not those of the instance, expected {Facts.of(instance)}"
    if entry.best is None or placement is None:
        return None
    if violation := placement.violation(instance):
        return violation
    worth = evaluate(instance, placement)
    for field in ("saving_s", "latency_s"):
        stored, found = getattr(entry.best, field), getattr(worth, field)
        if abs(stored - found) > RECOMPUTED * worth.latency_none_s:
            return f"best.{field} is {stored!r}, its placement gives {found!r}"
    return None


def _marked(bound: Bound, best: Best | None) -> Bound:
    """Return the bound, marked as refuted if the best verified placement saves more."""
    if bound.refuted or best is None or not exceeds(best.saving_s, bound.saving_s, _latency_none_s(best)):
        return bound
    saying = f"a verified placement of {best.by} saves {best.saving_s:.9g} s"
    return msgspec.structs.replace(bound, refuted=saying)


def _latency_none_s(best: Best) -> float:
    return best.latency_s + best.saving_s
