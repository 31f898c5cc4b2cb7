#!/usr/bin/env python3
"""Makes the teachers and compares all methods under each of them.

    benches/evidence/run.py --optdigits DIR --out evidence
    benches/evidence/table.py evidence/*.json

Runs teachers.py (into OUT/teachers), then `fused-kd compare` once for each comparison below, whose
result is OUT/NAME.json. The program is $FUSED_KD, or else `cargo run --release` of this repository.
The methods are all that need nothing of the teacher but its logits: those with feature terms or
with two students have no use for a file. Results are the same each time on the same machine.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from files import replaced

HERE = Path(__file__).resolve().parent
METHODS = "ce,kd,lr,lr-mse,ka-ps,ka-lsr,dtd-flsw,dtd-cwsm,dtd-ka,dkd,lskd,ds,lr-ds"
# An epoch has 17 times as many steps as with 200 rows, hence fewer epochs and learning rates.
ALL_ROWS = ("--train-size", "all", "--epochs", "40", "--lr-grid", "0.005,0.02,0.1")


class Comparison(NamedTuple):
    """One call of `fused-kd compare`."""

    data: str
    """`digits` or `optdigits`."""
    flag: str
    teacher: str
    """The teacher's files begin so."""
    options: tuple[str, ...] = ()


COMPARISONS = {
    "boosting-digits": Comparison("digits", "--teacher-logits", "boosting-digits"),
    "boosting-200": Comparison("optdigits", "--teacher-logits", "boosting"),
    "forest-200": Comparison("optdigits", "--teacher-probabilities", "forest"),
    "weak-forest-200": Comparison("optdigits", "--teacher-probabilities", "weak-forest"),
    "boosting-all": Comparison("optdigits", "--teacher-logits", "boosting", ALL_ROWS),
    "forest-all": Comparison("optdigits", "--teacher-probabilities", "forest", ALL_ROWS),
    "weak-forest-all": Comparison("optdigits", "--teacher-probabilities", "weak-forest", ALL_ROWS),
}


def program() -> list[str]:
    given = os.environ.get("FUSED_KD")
    if given:
        return [given]
    manifest = HERE.parents[1] / "Cargo.toml"
    return ["cargo", "run", "--release", "--quiet", "--manifest-path", str(manifest), "--"]


def compare(comparison: Comparison, optdigits: Path, teachers: Path, seeds: int) -> list[str]:
    """The command line of one comparison."""
    if comparison.data == "digits":
        data, files = "digits", [teachers / f"{comparison.teacher}.npy"]
    else:
        data = f"csv:{optdigits / 'optdigits.tra'},{optdigits / 'optdigits.tes'}"
        files = [teachers / f"{comparison.teacher}-{rows}.npy" for rows in ("train", "test")]
    return [
        *program(), "compare",
        "--data", data,
        comparison.flag, ",".join(map(str, files)),
        "--methods", METHODS,
        "--seeds", str(seeds),
        *comparison.options,
        "--format", "json",
    ]  # fmt: skip


def whole(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"`{text}`: write a whole number of at least {least}")
        return int(text)

    return parse


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--optdigits",
        type=Path,
        metavar="DIR",
        required=True,
        help="where optdigits.tra and optdigits.tes (UCI) are",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        required=True,
        help="write the results here, in place of older ones; made if need be",
    )
    parser.add_argument(
        "--teachers",
        type=Path,
        metavar="DIR",
        help="take what teachers.py has made before from here",
    )
    parser.add_argument(
        "--seeds",
        type=whole(1),
        metavar="N",
        default=10,
        help="runs per method and learning rate; intervals need at least 2 (default: 10)",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        choices=COMPARISONS,
        default=list(COMPARISONS),
        help=f"make these comparisons alone: {', '.join(COMPARISONS)}",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the commands, run none")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    teachers = arguments.teachers or arguments.out / "teachers"
    make = [
        sys.executable, str(HERE / "teachers.py"),
        "--optdigits", str(arguments.optdigits), "--out", str(teachers),
        "--only", *dict.fromkeys(COMPARISONS[name].teacher for name in arguments.only),
    ]  # fmt: skip
    commands = {
        name: compare(COMPARISONS[name], arguments.optdigits, teachers, arguments.seeds)
        for name in arguments.only
    }
    if arguments.dry_run:
        for command in [*([] if arguments.teachers else [make]), *commands.values()]:
            print(shlex.join(command))
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    if not arguments.teachers:
        subprocess.run(make, check=True)
    for name, command in commands.items():
        start = time.perf_counter()
        with replaced(arguments.out / f"{name}.json") as out:
            subprocess.run(command, stdout=out, check=True)
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        # What failed has said why.
        sys.exit(f"error: exit status {error.returncode} of: {shlex.join(error.cmd)}")
    except OSError as error:
        sys.exit(f"error: {error}")
