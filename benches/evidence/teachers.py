#!/usr/bin/env python3
"""Makes teachers that fused-kd did not train, as files of logits and of probabilities for it.

    benches/evidence/teachers.py --optdigits DIR --out teachers

What a teacher says of a row that it learned from is no evidence of what it knows: a forest has
learned its rows by heart, and its probabilities for them are little but the labels over again. They
would teach a student next to nothing, and leave label revision nothing to revise. So every training
row is judged by a model, or by a part of one, that never saw it:

forest       a random forest of 500 trees on optdigits. A tree learns from rows drawn with
             replacement, which leave out 37 % of them; a training row gets the mean of the trees
             that left it out ("out of bag"), a test row the mean of all.
weak-forest  the same of 30 trees of depth 4, which is wrong on about one training row in eight: the
             papers are about teachers that err.
boosting     boosted trees on optdigits: raw scores, one per class, whose softmax the model was
             trained on. Training rows by ten folds, each judged by a model that learned from the
             other nine ("out of fold"); test rows by one that learned from all training rows.
boosting-digits
             the same on the digits that come with fused-kd, ten folds over all 1,797 rows, in one
             file. fused-kd draws its test rows from these, so that the models that judge a training
             row have seen test rows with their labels: prefer `boosting` where that matters.

Files are NumPy's, f32, [rows, 10], in the order of the data file's rows.
"""

from __future__ import annotations

import argparse
import gzip
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from files import replaced

# One thread: the models are small, and threads that share cores with other work wait for each
# other, which makes boosting many times slower.
os.environ["OMP_NUM_THREADS"] = "1"
try:
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
except ImportError as error:
    requirements = Path(__file__).with_name("requirements.txt")
    sys.exit(f"error: {error}; install what is needed with `pip install -r {requirements}`")

DIGITS = Path(__file__).resolve().parents[2] / "data/digits.csv.gz"
CLASSES = 10
SEED = 0
FOLDS = 10


class Refused(Exception):
    """Something is not as it has to be; the message says what, and what to do."""


class Rows(NamedTuple):
    """Rows of 64 features, and the digit that each shows."""

    features: np.ndarray
    labels: np.ndarray


class Table(NamedTuple):
    """A file to write: one row of `values` per row of the data, and the right answers."""

    name: str
    values: np.ndarray
    labels: np.ndarray


def read(file: Path) -> Rows:
    """Rows of comma-separated whole numbers, the digit last."""
    if not file.is_file():
        raise Refused(
            f"`{file}` is missing; optdigits.tra and optdigits.tes are at https://doi.org/10.24432/C50P49"
        )
    with gzip.open(file, "rt") if file.suffix == ".gz" else open(file) as lines:
        table = np.loadtxt(lines, delimiter=",", ndmin=2)
    if table.shape[1] != 65:
        raise Refused(f"`{file}` has {table.shape[1]} columns; 64 features and a label make 65")
    labels = table[:, -1].astype(int)
    if not np.array_equal(np.unique(labels), np.arange(CLASSES)):
        raise Refused(
            f"`{file}`: the last column has to hold the digits 0 to 9, each at least once"
        )
    return Rows(table[:, :-1], labels)


def optdigits(folder: Path | None) -> tuple[Rows, Rows]:
    """Training and test rows."""
    if folder is None:
        raise Refused("say where optdigits.tra and optdigits.tes are with --optdigits DIR")
    return read(folder / "optdigits.tra"), read(folder / "optdigits.tes")


def builtin_digits() -> Rows:
    """The digits that come with fused-kd, which have to be those that scikit-learn has."""
    ours, theirs = read(DIGITS), load_digits()
    same = np.array_equal(ours.features, theirs.data) and np.array_equal(ours.labels, theirs.target)
    if not same:
        raise Refused(
            f"`{DIGITS}` and scikit-learn's load_digits differ in rows or their order; "
            "a teacher of the one would be wrong for the other"
        )
    return ours


def forest(name: str, folder: Path | None, **options: object) -> list[Table]:
    """Probabilities of a random forest, out of bag where it was trained."""
    train, test = optdigits(folder)
    model = RandomForestClassifier(oob_score=True, random_state=SEED, **options)
    model.fit(*train)
    return [
        Table(f"{name}-train.npy", probabilities(name, model.oob_decision_function_), train.labels),
        Table(
            f"{name}-test.npy", probabilities(name, model.predict_proba(test.features)), test.labels
        ),
    ]


def probabilities(name: str, values: np.ndarray) -> np.ndarray:
    """`values`, if every row is a distribution. A row that no tree left out is zeros or NaN."""
    if not np.allclose(values.sum(axis=1), 1.0):
        raise Refused(f"{name}: every tree has seen some training row; give the forest more trees")
    return values


def boosted() -> HistGradientBoostingClassifier:
    """Ten trees per round, one per class. Small trees, as the rows are few."""
    return HistGradientBoostingClassifier(max_iter=100, max_leaf_nodes=8, random_state=SEED)


def out_of_fold(rows: Rows) -> np.ndarray:
    """Raw scores of each row by a model that learned from the nine folds without it."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    return cross_val_predict(boosted(), *rows, cv=folds, method="decision_function")


def boosting(name: str, folder: Path | None) -> list[Table]:
    """Raw scores on optdigits."""
    train, test = optdigits(folder)
    judged = boosted().fit(*train).decision_function(test.features)
    return [
        Table(f"{name}-train.npy", out_of_fold(train), train.labels),
        Table(f"{name}-test.npy", judged, test.labels),
    ]


def boosting_digits(name: str, _: Path | None) -> list[Table]:
    """Raw scores on the digits that come with fused-kd."""
    rows = builtin_digits()
    return [Table(f"{name}.npy", out_of_fold(rows), rows.labels)]


TEACHERS: dict[str, Callable[[str, Path | None], list[Table]]] = {
    "forest": lambda name, folder: forest(name, folder, n_estimators=500),
    "weak-forest": lambda name, folder: forest(name, folder, n_estimators=30, max_depth=4),
    "boosting": boosting,
    "boosting-digits": boosting_digits,
}


def checked(table: Table) -> np.ndarray:
    """The values as they are written."""
    values = np.ascontiguousarray(table.values, dtype="<f4")
    if values.shape != (len(table.labels), CLASSES):
        raise Refused(f"{table.name}: {values.shape} values for {len(table.labels)} rows")
    if not np.isfinite(values).all():
        raise Refused(f"{table.name}: some values are not finite")
    return values


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--optdigits",
        type=Path,
        metavar="DIR",
        help="where optdigits.tra and optdigits.tes (UCI) are",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        required=True,
        help="write the files here; made if need be",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        choices=TEACHERS,
        default=list(TEACHERS),
        help=f"make these teachers alone: {', '.join(TEACHERS)}",
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(f"{'file':22} {'shape':>11} {'right %':>8} {'zeros %':>8} {'seconds':>8}")
    for name in arguments.only:
        start = time.perf_counter()
        tables = TEACHERS[name](name, arguments.optdigits)
        seconds = time.perf_counter() - start
        for table in tables:
            values = checked(table)
            with replaced(arguments.out / table.name) as out:
                np.save(out, values)
            right = 100.0 * (values.argmax(axis=1) == table.labels).mean()
            zeros = 100.0 * (values == 0.0).mean()
            shape = " × ".join(map(str, values.shape))
            print(
                f"{table.name:22} {shape:>11} {right:8.2f} {zeros:8.2f} {seconds:8.1f}", flush=True
            )
    print("zeros: exact ones; seconds: of all files of the teacher together")


if __name__ == "__main__":
    try:
        main()
    except (Refused, OSError) as error:
        sys.exit(f"error: {error}")
