//! Options and keys that make no sense.

use super::{Attack, attack, fall_short};

const TRAIN: &str = "train --out out";
const COMPARE: &str = "compare --out out";
const LOSS: &str = "loss --student s.npy --teacher t.npy --labels y.npy --out out";

pub(super) fn attacks() -> Vec<Attack> {
    let all = [
        keys(),
        lists(),
        flags(),
        teachers(),
        sources(),
        losses(),
        others(),
    ];
    all.into_iter().flatten().collect()
}

#[test]
fn options_that_make_no_sense() {
    fall_short(&attacks());
}

/// `--set` with one key of every group.
fn keys() -> Vec<Attack> {
    let key = |name, set: &str, words| attack(name, format!("{TRAIN} --set {set}"), 2, words);
    vec![
        key("set: no key", "=", &["--set =: write KEY=VALUE"]),
        key("set: no value", "seed", &["--set seed: write KEY=VALUE"]),
        key(
            "set: an unknown key",
            "sed=1",
            &["unknown key `sed`", "`seed`"],
        ),
        key(
            "set: an unknown table",
            "sed.seed=1",
            &["unknown key `sed`"],
        ),
        key(
            "set: an unknown key of data",
            "data.rows=1",
            &["--set data.rows=1: unknown key `rows`", "`train-size`"],
        ),
        key(
            "set: no rows",
            "data.train-size=0",
            &["data.train-size", "from 1 on"],
        ),
        key(
            "set: a word for rows",
            "data.labelled=none",
            &["data.labelled", "\"few\" or \"all\""],
        ),
        key(
            "set: more noise than labels",
            "data.label-noise=1.1",
            &["data.label-noise=1.1", "between 0 and 1"],
        ),
        key(
            "set: a sensor of no number",
            "data.sensor-shift=nan",
            &["data.sensor-shift=nan", "from 0 to 1000"],
        ),
        key(
            "set: a sensor beyond reason",
            "data.sensor-shift=1e38",
            &["data.sensor-shift", "from 0 to 1000"],
        ),
        key(
            "set: no floor",
            "data.probability-floor=0",
            &["data.probability-floor=0", "both excluded"],
        ),
        key(
            "set: an unknown scaling",
            "data.scaling=x",
            &["data.scaling", "`column`"],
        ),
        key(
            "set: a number for yes or no",
            "data.teacher-shifts=1",
            &["data.teacher-shifts", "boolean"],
        ),
        key(
            "set: no steps",
            "student.batch=0",
            &["student.batch=0", "from 1 to 65536"],
        ),
        key(
            "set: a layer of nothing",
            "student.hidden=[0]",
            &["student.hidden=[0]", "from 1 to 65536"],
        ),
        key(
            "set: a layer below nothing",
            "student.hidden=[-1]",
            &["student.hidden", "`-1`"],
        ),
        key(
            "set: a layer that is no list",
            "student.hidden=5",
            &["student.hidden", "such as [64, 32]"],
        ),
        key(
            "set: an infinite rate",
            "student.learning-rate=1e39",
            &["student.learning-rate=1e39", "finite"],
        ),
        key(
            "set: a rate below 0",
            "teacher.learning-rate=-1",
            &["teacher.learning-rate=-1", "greater than 0"],
        ),
        key(
            "set: an unknown schedule",
            "student.schedule=linear",
            &["student.schedule", "`cosine`"],
        ),
        key(
            "set: an unknown optimiser",
            "teacher.optimiser=rmsprop",
            &["`rmsprop`", "`adamw`"],
        ),
        key(
            "set: momentum for ever",
            "student.optimiser.momentum=1",
            &["student.optimiser.momentum=1", "below 1"],
        ),
        key(
            "set: growth for decay",
            "student.optimiser.decay=-1",
            &["student.optimiser.decay=-1", "not negative"],
        ),
        key(
            "set: an unknown preset",
            "loss.preset=x",
            &["loss.preset", "lr-mse"],
        ),
        key(
            "set: a revision of nothing",
            "loss.revision.eta=0.5",
            &["revision.eta does not apply to \"none\""],
        ),
        key(
            "set: a negative weight",
            "loss.right.lambda-kd=-1",
            &["right.lambda-kd=-1", "not negative"],
        ),
        key(
            "set: temperatures that nobody gives",
            "loss.temperature=per-row",
            &["loss.temperature=per-row"],
        ),
        key(
            "set: an unknown score",
            "select.score=x",
            &["select.score", "`el2n`"],
        ),
        key(
            "set: more than all samples",
            "select.fraction=2",
            &["select.fraction=2", "between 0 and 1"],
        ),
        key(
            "set: a selection every -1 epochs",
            "select.every=-1",
            &["select.every", "`-1`"],
        ),
        key(
            "set: no factor",
            "features.factor.width=0",
            &["features.factor.width=0", "from 1 to 65536"],
        ),
        key(
            "set: an unknown split",
            "features.split=x",
            &["features.split", "`halves`"],
        ),
        key(
            "set: terms that are no list",
            "term.weight=1",
            &["term", "must be a list"],
        ),
        key(
            "set: an unknown scenario",
            "scenario=x",
            &["scenario", "`scarce-labels`"],
        ),
        key(
            "set: two masters",
            "mutual=true --set select.score=el2n",
            &["select", "leave out [select] or mutual"],
        ),
        key(
            "set: 30,000 levels",
            &format!("{}b=1", "a.".repeat(30_000)),
            &["write KEY=VALUE"],
        ),
        key(
            "set: 30,000 brackets",
            &format!("seed={}", "[".repeat(30_000)),
            &["must be a whole number"],
        ),
    ]
}

fn lists() -> Vec<Attack> {
    let key = |name, set: &str, words| attack(name, format!("{COMPARE} --set {set}"), 2, words);
    vec![
        key(
            "compare: no methods",
            "methods=[]",
            &["methods=[]", "at least one method"],
        ),
        key(
            "compare: no rates",
            "learning-rates=[]",
            &["learning-rates=[]", "greater than 0"],
        ),
        key(
            "compare: no shares",
            "budget.fractions=[]",
            &["budget.fractions=[]", "between 0 and 1"],
        ),
        key(
            "compare: no scores",
            "budget.scores=[] --fractions 0.5 --methods ds",
            &["budget.scores=[]", "at least one score"],
        ),
        attack(
            "compare: a method twice",
            format!("{COMPARE} --methods kd,lr,kd"),
            2,
            &["--methods kd,lr,kd", "`kd` is there twice"],
        ),
        attack(
            "compare: a rate twice",
            format!("{COMPARE} --lr-grid 0.1,0.1"),
            2,
            &["--lr-grid 0.1,0.1", "`0.1` is there twice"],
        ),
        attack(
            "compare: a share twice",
            format!("{COMPARE} --methods ds --fractions 0.5,0.5"),
            2,
            &["--fractions 0.5,0.5", "`0.5` is there twice"],
        ),
        attack(
            "compare: a score twice",
            format!("{COMPARE} --methods ds --fractions 0.5 --scores el2n,el2n"),
            2,
            &["--scores el2n,el2n", "is there twice"],
        ),
        attack(
            "compare: shares of no selection",
            format!("{COMPARE} --methods kd --fractions 0.5"),
            2,
            &["--fractions 0.5", "ds or lr-ds"],
        ),
        attack(
            "compare: an unknown method",
            format!("{COMPARE} --methods kdd"),
            2,
            &["--methods kdd", "lr-ds"],
        ),
        attack(
            "compare: nothing between commas",
            format!("{COMPARE} --methods kd,,lr"),
            2,
            &["--methods kd,,lr"],
        ),
        attack(
            "compare: an unknown scenario",
            format!("{COMPARE} --scenario x"),
            2,
            &["'x'", "--scenario", "other-rows"],
        ),
    ]
}

fn flags() -> Vec<Attack> {
    let flag = |name, flag: &str, words| attack(name, format!("{TRAIN} {flag}"), 2, words);
    vec![
        flag(
            "train: an unknown flag",
            "--epoch 3",
            &["--epoch", "--epochs"],
        ),
        flag(
            "train: words for epochs",
            "--epochs many",
            &["--epochs many", "a whole number"],
        ),
        flag(
            "train: no epochs",
            "--epochs 0",
            &["--epochs 0", "from 1 to 1000000"],
        ),
        flag("train: epochs below 0", "--epochs -3", &["--epochs -3"]),
        flag(
            "train: half an epoch",
            "--teacher-epochs 0.5",
            &["--teacher-epochs 0.5", "a whole number"],
        ),
        flag("train: a seed below 0", "--seed -1", &["--seed -1"]),
        flag(
            "train: rows beyond the data",
            "--train-size 99999",
            &["--train-size 99999", "1118 rows"],
        ),
        flag(
            "train: rows beyond the teacher's data",
            "--teacher-train-size 99999",
            &["--teacher-train-size 99999", "1118 rows"],
        ),
        flag("train: sizes of letters", "--hidden a-b", &["--hidden a-b"]),
        flag(
            "train: sizes of nothing",
            "--hidden 3--3",
            &["--hidden 3--3"],
        ),
        flag(
            "train: noise of the teacher",
            "--teacher-label-noise 2",
            &["--teacher-label-noise 2", "between 0 and 1"],
        ),
        flag(
            "train: an unknown scaling",
            "--scaling x",
            &["--scaling x", "`column`"],
        ),
        flag(
            "train: an unknown preset",
            "--preset x",
            &["--preset x", "lr-mse"],
        ),
        flag(
            "train: an unknown engine",
            "--engine gpu",
            &["'gpu'", "--engine", "cuda"],
        ),
        flag(
            "train: an unknown format",
            "--format xml",
            &["'xml'", "--format", "json"],
        ),
        flag(
            "train: a format of nothing",
            "--dry-run --format json",
            &["--dry-run", "--format"],
        ),
        flag(
            "train: a flag twice",
            "--epochs 1 --epochs 2",
            &["--epochs", "multiple times"],
        ),
        flag("train: an argument too many", "run.toml", &["'run.toml'"]),
        flag("train: a flag without its value", "--epochs", &["--epochs"]),
        attack(
            "train: force without a place",
            "train --force",
            2,
            &["--out"],
        ),
        attack(
            "train: a rate that diverges",
            format!("{TRAIN} --epochs 2 --teacher-epochs 1 --set student.learning-rate=1e30"),
            2,
            &[
                "student.learning-rate",
                "must be smaller",
                "diverged in epoch 1",
                "try",
            ],
        ),
        attack(
            "train: a teacher that diverges",
            format!("{TRAIN} --epochs 1 --teacher-epochs 2 --set teacher.learning-rate=1e30"),
            2,
            &[
                "teacher.learning-rate",
                "must be smaller",
                "diverged",
                "try",
            ],
        ),
        attack(
            "compare: a teacher that diverges",
            format!(
                "{COMPARE} --methods ce --epochs 1 --teacher-epochs 2 --set teacher.learning-rate=1e30"
            ),
            2,
            &[
                "teacher.learning-rate",
                "must be smaller",
                "diverged",
                "try",
            ],
        ),
    ]
}

fn teachers() -> Vec<Attack> {
    let flag =
        |name, flag: &str, status, words| attack(name, format!("{TRAIN} {flag}"), status, words);
    vec![
        flag(
            "teacher: of other rows",
            "--data csv:ok.csv --teacher-logits s.npy",
            1,
            &["s.npy"],
        ),
        flag(
            "teacher: absent",
            "--data csv:ok.csv --teacher-logits x.npy",
            1,
            &["x.npy"],
        ),
        flag(
            "teacher: logits and probabilities",
            "--teacher-logits s.npy --teacher-probabilities s.npy",
            2,
            &["--teacher-logits", "--teacher-probabilities"],
        ),
        flag(
            "teacher: ids of nothing",
            "--teacher-ids y.npy",
            2,
            &["--teacher-ids y.npy", "give its logits"],
        ),
        flag(
            "teacher: features of nothing",
            "--teacher-features s.npy",
            2,
            &["--teacher-features s.npy", "give its logits"],
        ),
        flag(
            "teacher: trained and given",
            "--teacher-logits s.npy --teacher-epochs 3",
            2,
            &["--teacher-epochs 3: does not apply with --teacher-logits"],
        ),
        flag(
            "teacher: rows for nobody",
            "--teacher-logits s.npy --teacher-train-size 3",
            2,
            &["--teacher-train-size 3: does not apply"],
        ),
        flag(
            "teacher: three files",
            "--teacher-logits s.npy,s.npy,s.npy",
            2,
            &["--teacher-logits"],
        ),
    ]
}

fn sources() -> Vec<Attack> {
    let source = |name, data: &str, words| attack(name, format!("{TRAIN} --data {data}"), 2, words);
    vec![
        source(
            "data: an unknown kind",
            "tsv:x",
            &["--data tsv:x", "`digits`"],
        ),
        source(
            "data: no path",
            "csv:",
            &["--data csv:", "a path is missing"],
        ),
        source(
            "data: three paths",
            "csv:a,b,c",
            &["--data csv:a,b,c", "3 paths, at most 2"],
        ),
        source(
            "data: an unknown option",
            "csv:ok.csv?colour=red",
            &["unknown option `colour=red`"],
        ),
        source(
            "data: an option of nothing",
            "csv:ok.csv?label=",
            &["`label` has no value"],
        ),
        source(
            "data: one class",
            "csv:ok.csv?classes=1",
            &["classes=1: a number from 2"],
        ),
        source(
            "data: a quote that is not closed",
            "csv:\"ok.csv",
            &["a quote is not closed"],
        ),
        source("data: no directory", "idx:", &["the directory is missing"]),
        source(
            "data: an unknown key",
            "synthetic:columns=3",
            &["there is no key `columns`"],
        ),
        source(
            "data: a key twice",
            "synthetic:rows=50,rows=60",
            &["`rows` is given twice"],
        ),
        source(
            "data: no spread",
            "synthetic:spread=0",
            &["spread=0", "more than 0"],
        ),
        source(
            "data: a spread of no number",
            "synthetic:spread=nan",
            &["spread=NaN", "more than 0"],
        ),
    ]
}

fn losses() -> Vec<Attack> {
    let set = |name, set: &str, words| attack(name, format!("{LOSS} --set {set}"), 2, words);
    vec![
        set(
            "loss: no temperature",
            "temperature=0",
            &["temperature=0", "greater than 0"],
        ),
        set(
            "loss: an infinite temperature",
            "temperature=1e39",
            &["temperature=1e39", "finite"],
        ),
        set(
            "loss: temperatures that are not given",
            "temperature=per-row",
            &["--tau"],
        ),
        set(
            "loss: temperatures without a use",
            "temperature=4 --tau y.npy",
            &["--tau y.npy: the loss would ignore it"],
        ),
        set(
            "loss: an unknown key",
            "foo=1",
            &["unknown key `foo`", "`temperature`"],
        ),
        set(
            "loss: 30,000 levels",
            &format!("{}b=1", "a.".repeat(30_000)),
            &["write KEY=VALUE"],
        ),
        attack(
            "loss: an unknown preset",
            format!("{LOSS} --preset x"),
            2,
            &["'x'", "--preset", "lr-mse"],
        ),
        attack(
            "loss: no labels",
            "loss --student s.npy --teacher t.npy --out out",
            2,
            &["--labels"],
        ),
        attack(
            "loss: no path",
            "loss --student= --teacher t.npy --labels y.npy --out out",
            2,
            &["--student"],
        ),
    ]
}

fn others() -> Vec<Attack> {
    let bench = |name, flags: &str, words| attack(name, format!("bench {flags}"), 2, words);
    vec![
        attack("no such command", "distil", 2, &["'distil'"]),
        attack(
            "escape sequences as a command",
            "\u{1b}[2J\u{9b}31m\u{202e}",
            2,
            &["subcommand"],
        ),
        attack(
            "escape sequences as a value",
            "train --engine \u{1b}[2J\u{202e}",
            2,
            &["--engine", "cuda"],
        ),
        attack(
            "presets: none of this name",
            "presets kdd",
            2,
            &["'kdd'", "lskd"],
        ),
        attack(
            "predict: no model",
            "predict --data csv:ok.csv",
            2,
            &["--model"],
        ),
        attack(
            "predict: unknown rows",
            "predict --model x --data digits --rows some",
            2,
            &["'some'", "--rows", "validation"],
        ),
        bench(
            "bench: a shape of nothing",
            "--shape 0x5",
            &["'0x5'", "--shape", "at least 1"],
        ),
        bench(
            "bench: a shape of letters",
            "--shape axb",
            &["'axb'", "1024x1000"],
        ),
        bench(
            "bench: noise of no number",
            "--noise nan",
            &["'nan'", "--noise", "from 0 to 1000"],
        ),
        bench("bench: noise below 0", "--noise -1", &["'-1'", "--noise"]),
        bench(
            "bench: no samples",
            "--samples 0",
            &["--samples", "1..=10000"],
        ),
        bench("bench: no threads", "--threads 0", &["--threads 0"]),
        bench("bench: an unknown type", "--dtype f8", &["'f8'", "bf16"]),
        bench(
            "bench: an unknown instruction set",
            "--isa sse9",
            &["'sse9'", "avx2"],
        ),
        bench(
            "bench: a network of one layer",
            "--what step --network 5",
            &["'5'", "64-32-10"],
        ),
        bench(
            "bench: a batch of rows",
            "--batch 5",
            &["--batch", "--what step"],
        ),
        bench(
            "bench: a shape of steps",
            "--what step --shape 5x5",
            &["--shape", "does not apply"],
        ),
        bench(
            "bench: temperatures row by row",
            "--set temperature=per-row --shape 8x8",
            &["row by row", "--set temperature=4"],
        ),
    ]
}
