//! Places where results must not go.

use super::{Attack, attack, fall_short};

const SHORT: &str = "--epochs 1 --teacher-epochs 1";
const LOSS: &str = "loss --student s.npy --teacher t.npy --labels y.npy";

/// The three commands that fill a directory, with what comes after `--out`.
fn directories(names: [&'static str; 3], out: &str, words: &'static [&'static str]) -> Vec<Attack> {
    let commands = [
        format!("train {SHORT}"),
        format!("compare --methods ce --seeds 1 --lr-grid 0.05 {SHORT}"),
        LOSS.to_owned(),
    ];
    let rows = names.into_iter().zip(commands);
    rows.map(|(name, command)| attack(name, format!("{command} --out {out}"), 1, words))
        .collect()
}

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = directories(
        [
            "train: results of another day",
            "compare: results of another day",
            "loss: results of another day",
        ],
        "old",
        &["`old`", "--force"],
    );
    all.extend(directories(
        [
            "train: a file for a directory",
            "compare: a file for a directory",
            "loss: a file for a directory",
        ],
        "ok.csv",
        &["`ok.csv`"],
    ));
    all.extend(directories(
        [
            "train: a file by force",
            "compare: a file by force",
            "loss: a file by force",
        ],
        "ok.csv --force",
        &["`ok.csv`", "directory"],
    ));
    all.extend(directories(
        [
            "train: in a directory that is not there",
            "compare: in a directory that is not there",
            "loss: in a directory that is not there",
        ],
        "no/such/place",
        &["no/such"],
    ));
    all.extend(directories(
        ["train: in a file", "compare: in a file", "loss: in a file"],
        "ok.csv/out",
        &["ok.csv"],
    ));
    all.extend([
        attack("out: no place", "train --out=", 2, &["--out"]),
        attack(
            "out: twice",
            "train --out a --out b",
            2,
            &["--out", "multiple times"],
        ),
    ]);
    if cfg!(target_os = "linux") {
        all.extend(directories(
            [
                "train: a place of the system's",
                "compare: a place of the system's",
                "loss: a place of the system's",
            ],
            "/proc/out",
            &["/proc/out"],
        ));
    }
    all
}

#[test]
fn places_where_results_must_not_go() {
    fall_short(&attacks());
}
