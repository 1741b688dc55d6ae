"""Fuzz readers and MILP backends; exits 1 if one is at fault: ``nox -s fuzz``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from fuzz.isolation import run_isolated
from fuzz.optima import OPTIMA, everything
from fuzz.watch import content_of

ALL = everything()
FILES, INSTANCES = 100_000, 2_000
TOLD = 20  # faults of a reader; the others are counted


def main() -> int:
    """Run the readers that are asked for, one after another."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("readers", nargs="*", metavar="reader", help=f"of {', '.join(ALL)}; default: all")
    parser.add_argument(
        "--inputs", type=int, help=f"for each; default: {FILES} files to a reader, {INSTANCES} to a backend"
    )
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faults", type=Path, default=Path("fuzz-faults"), help="folder for faulty inputs")
    options = parser.parse_args()
    if unknown := set(options.readers) - ALL.keys():
        parser.error(f"unknown reader {min(unknown)}, expected one of {', '.join(ALL)}")
    faults = 0
    for name in options.readers or ALL:
        inputs = options.inputs or (INSTANCES if name in OPTIMA else FILES)
        numbers = range(options.first, options.first + inputs)
        faults += run(name, options.seed, numbers, options.faults)
    return 1 if faults else 0


def run(name: str, seed: int, numbers: range, folder: Path) -> int:
    """Fuzz one reader, print its figures and faults, and save the inputs at fault; returns their number."""
    reader, found = ALL[name], 0

    def tell(number: int, fault: str) -> None:
        nonlocal found
        found += 1
        if found > TOLD:
            return
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{name}-{seed}-{number}-{reader.file}"
        file.write_bytes(content_of(reader, name, seed, number))
        again = f"python -m fuzz {name} --seed {seed} --first {number} --inputs 1"
        print(f"{name}: {fault}\n  input {file}, again with: {again}", flush=True)

    start = time.monotonic()
    tally = run_isolated(everything, name, seed, numbers, tell)
    slowest_s, slowest = tally.slowest
    growth, grown = tally.growth
    print(
        f"{name}: {tally.inputs} inputs in {time.monotonic() - start:.0f} s, {tally.accepted} read, "
        f"{len(tally.kinds)} kinds of refusal, {found} faults; slowest {slowest_s:.3f} s (input {slowest}), "
        f"peak {tally.peak_bytes / 2**20:.0f} MiB, most growth {growth / 2**20:.0f} MiB (input {grown})",
        flush=True,
    )
    return found


if __name__ == "__main__":
    sys.exit(main())
