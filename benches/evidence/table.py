#!/usr/bin/env python3
"""Prints results of `fused-kd compare --format json` as the tables of docs/evidence.md.

    benches/evidence/table.py evidence/*.json
    benches/evidence/table.py --against ce evidence/forest-*.json

The first table has a row per file: how good its teacher is, and test accuracies of the three
methods that others are held against. The second has a column per file: each method's test accuracy
less that of `kd`, in points, paired by seed, with its 95 % confidence interval by Student's t. Bold intervals
leave out 0.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

BASELINES = ("ce", "kd", "lr")
ABSENT = "–"


class Refused(Exception):
    """A file that is no result of a comparison."""


def read(file: Path) -> dict[str, Any]:
    """One comparison."""
    try:
        comparison = json.loads(file.read_bytes())
    except ValueError as error:
        raise Refused(f"`{file}` is not JSON: {error}") from None
    found = comparison.get("methods") if isinstance(comparison, dict) else None
    if not found or not isinstance(found, list):
        raise Refused(f"`{file}` is not what one `fused-kd compare --format json` prints")
    return comparison


def accuracy(value: float | None) -> str:
    """A share in 0..1 as per cent."""
    return ABSENT if value is None else f"{100.0 * value:.1f}"


def difference(paired: dict[str, Any] | None) -> str:
    """A difference in points with its interval, which one seed does not have."""
    if paired is None:
        return ABSENT
    mean = f"{100.0 * paired['mean']:+.1f}"
    if paired.get("interval") is None:
        return mean
    low, high = paired["interval"]
    text = f"{mean} [{100.0 * low:+.1f}, {100.0 * high:+.1f}]"
    return f"**{text}**" if low > 0.0 or high < 0.0 else text


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, rows)])


def methods(comparison: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The methods by name."""
    return {method["name"]: method for method in comparison["methods"]}


def overview(comparisons: dict[str, dict[str, Any]]) -> str:
    """The teacher and the baselines of each comparison."""

    def row(name: str, comparison: dict[str, Any]) -> list[str]:
        teacher, found = comparison.get("teacher") or {}, methods(comparison)
        students = [found[b]["test_accuracy"]["mean"] if b in found else None for b in BASELINES]
        shares = [teacher.get("test_accuracy"), teacher.get("train_accuracy"), *students]
        return [name, *map(accuracy, shares)]

    head = ["comparison", "teacher test %", "accuracy on training rows %"]
    head += [f"`{baseline}`" for baseline in BASELINES]
    return markdown(head, [row(*item) for item in comparisons.items()])


def differences(comparisons: dict[str, dict[str, Any]], against: str) -> str:
    """Each method less the method `against`, in each comparison."""
    by_name = {name: methods(comparison) for name, comparison in comparisons.items()}
    names = dict.fromkeys(method for found in by_name.values() for method in found)

    def cell(found: dict[str, dict[str, Any]], method: str) -> str:
        return difference(found.get(method, {}).get(f"vs_{against}"))

    rows = [
        [f"`{method}`", *(cell(found, method) for found in by_name.values())]
        for method in names
        if method != against
    ]
    return markdown(["method", *by_name], rows)


def seeds(comparisons: dict[str, dict[str, Any]]) -> str:
    """Over how many seeds the means are."""
    counts = {
        len(method["test_accuracy"]["per_seed"])
        for comparison in comparisons.values()
        for method in comparison["methods"]
    }
    return " or ".join(map(str, sorted(counts)))


def report(comparisons: dict[str, dict[str, Any]], against: str) -> str:
    return (
        f"Means over {seeds(comparisons)} seeds.\n\n"
        f"{overview(comparisons)}\n\n"
        f"Gain over `{against}` in test accuracy, in points [95 % CI]:\n\n"
        f"{differences(comparisons, against)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="results; a column is called like its file",
    )
    parser.add_argument(
        "--against",
        choices=BASELINES,
        default="kd",
        help="the method to hold others against (default: kd)",
    )
    arguments = parser.parse_args()
    comparisons = {file.stem: read(file) for file in arguments.files}
    if len(comparisons) < len(arguments.files):
        raise Refused("two files are called alike, and so would be their columns")
    print(report(comparisons, arguments.against))


if __name__ == "__main__":
    try:
        main()
    except (Refused, OSError) as error:
        sys.exit(f"error: {error}")
