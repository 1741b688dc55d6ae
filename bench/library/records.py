"""What counts as a record of the instance library: a better placement, a lower bound, and what they prove."""

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
    """What the records of an instance add up to, by the rules for the references of a run.

    Raises
    ------
    ContradictionError
        If the best placement saves more than a bound that is not refuted.
    """
    nothing = {"instance": entry.name, "runtime_s": math.nan, "time_limit_s": math.nan}
    best = entry.best
    runs: list[Mapping[str, Any]] = []
    if best is not None:
        found = {"solver": best.by, "saving_s": best.saving_s, "latency_none_s": _latency_none_s(best)}
        runs.append({**nothing, **found, "exact": False, "bound_saving_s": None})
    runs += [
        {
            **nothing,
            "solver": bound.by,
            "exact": True,
            "library": bound.library,
            "saving_s": None,
            "bound_saving_s": bound.saving_s,
            "termination": "optimal" if _is_proof(bound, best) else "feasible",
        }
        for bound in entry.bounds
        if not bound.refuted
    ]
    return reference_of(runs)


def described(entry: Entry) -> dict[str, Any]:
    """An instance, its facts, its records and what they add up to, as plain values; None for what is unknown.

    ``status`` is ``optimal`` where the best saving and the least bound agree, and ``level`` says on whose
    word; ``gap`` is what is missing to
    the bound, as a share of it; 0 where the bound says that nothing can be saved (``tolerance``).

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
    """An entry without records, of a recipe or a file.

    Raises
    ------
    InstanceError
        If it cannot be made, or is not what an entry must be.
    """
    instance = raw_instance(library.folder, name, recipe, file)
    fields = {"name": name, "size": size, "sha256": instance.sha256, "facts": Facts.of(instance)}
    given = {key: value for key, value in {"recipe": recipe, "file": file}.items() if value is not None}
    try:
        return msgspec.convert(msgspec.to_builtins(fields) | given, Entry)
    except msgspec.ValidationError as error:
        raise InstanceError("library", f"{name}: {error}") from None


def best_of(instance: Instance, placement: Placement, by: str, version: str = "") -> Best:
    """A placement's record, evaluated here and now.

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
    """The entry with this placement if it is better than the best one; the same entry if not."""
    before = entry.best
    if before is None:
        return _refuted(msgspec.structs.replace(entry, best=best))
    if best.saving_s <= before.saving_s * (1 + BETTER):
        return entry
    earlier = Found(saving_s=before.saving_s, by=before.by, version=before.version, date=before.date)
    return _refuted(msgspec.structs.replace(entry, best=best, history=(*entry.history, earlier)))


def with_bound(entry: Entry, bound: Bound) -> Entry:
    """The entry with this bound if it lowers the least one, or is of another solver and agrees with it."""
    bound = _judged(bound, entry.best)
    same = next((b for b in entry.bounds if b.by == bound.by and not b.refuted), None)
    if bound in entry.bounds or (same is not None and same.saving_s <= bound.saving_s):
        return entry
    others = tuple(b for b in entry.bounds if b is not same or bound.refuted)
    return _relevant(msgspec.structs.replace(entry, bounds=(*others, bound)))


def refutations(before: Entry, after: Entry) -> list[str]:
    """A line for each bound that is refuted after and was not before."""
    return [
        f"{after.name}: {bound.refuted}, above the bound of {bound.saving_s:.9g} s that {bound.by} claims"
        for bound in after.bounds
        if bound.refuted and bound not in before.bounds
    ]


def record_fault(entry: Entry, instance: Instance, placement: Placement | None) -> str | None:
    """Why what the index says of an instance and its placement is not so; None where it is."""
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


def _refuted(entry: Entry) -> Entry:
    """The entry, its bounds below the best verified placement marked."""
    bounds = tuple(_judged(bound, entry.best) for bound in entry.bounds)
    return msgspec.structs.replace(entry, bounds=bounds)


def _judged(bound: Bound, best: Best | None) -> Bound:
    if bound.refuted or best is None or not exceeds(best.saving_s, bound.saving_s, _latency_none_s(best)):
        return bound
    saying = f"a verified placement of {best.by} saves {best.saving_s:.9g} s"
    return msgspec.structs.replace(bound, refuted=saying)


def _relevant(entry: Entry) -> Entry:
    """The entry without bounds that lie above the least one and so say nothing any more."""
    standing = [bound.saving_s for bound in entry.bounds if not bound.refuted]
    most = min(standing, default=math.inf) * (1 + AGREEMENT)
    bounds = tuple(bound for bound in entry.bounds if bound.refuted or bound.saving_s <= most)
    return msgspec.structs.replace(entry, bounds=bounds)


def _is_proof(bound: Bound, best: Best | None) -> bool:
    return best is not None and agree(best.saving_s, bound.saving_s, _latency_none_s(best))


def _latency_none_s(best: Best) -> float:
    return best.latency_s + best.saving_s
