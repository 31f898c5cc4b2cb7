//! The program from the outside: what it prints, what it writes, and what it refuses.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::support::npy::{self, array, bytes};
use assert_cmd::Command;
use fused_kd::spec::{LossSpec, Preset};
use fused_kd::train::Setting;
use serde_json::Value;
use tempfile::TempDir;

/// The program, run in `directory` without colours.
fn fused_kd(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fused-kd"));
    command.current_dir(directory).env("NO_COLOR", "1");
    command
}

/// Exit status, standard output and standard error.
pub(crate) fn run(directory: &Path, arguments: &str) -> (i32, String, String) {
    let output = fused_kd(directory)
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().expect("not killed"),
        text(output.stdout),
        text(output.stderr),
    )
}

#[track_caller]
pub(crate) fn succeed(directory: &Path, arguments: &str) -> String {
    let (code, out, error) = run(directory, arguments);
    assert_eq!(code, 0, "{arguments}: {error}");
    out
}

#[track_caller]
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) const STUDENT: [f32; 12] = [
    1.0, 0.5, -0.5, 0.1, 0.2, 0.3, 2.0, -1.0, 0.0, 0.3, 0.1, -0.7,
];
pub(crate) const TEACHER: [f32; 12] =
    [3.0, 1.0, 0.0, 2.0, 0.0, 1.0, 0.5, 0.4, 0.6, -1.0, 2.0, 0.25];
pub(crate) const LABELS: [i64; 4] = [0, 1, 2, -100];

/// A directory with one batch of 4 rows and 3 classes: rows 0 and 2 right, row 1 wrong, row 3
/// without a label.
pub(crate) fn batch() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: Vec<u8>| fs::write(directory.path().join(name), bytes).unwrap();
    write("s.npy", array("<f4", &[4, 3], bytes(&STUDENT)));
    write("t.npy", array("<f4", &[4, 3], bytes(&TEACHER)));
    write("y.npy", array("<i8", &[4], bytes(&LABELS)));
    write("ones.npy", array("<f4", &[4], bytes(&[1.0_f32; 4])));
    directory
}

const FILES: &str = "loss --student s.npy --teacher t.npy --labels y.npy";

#[test]
fn help_teaches() {
    let here = Path::new(".");
    for (arguments, words) in [
        (
            "--help",
            &["presets", "devices", "loss", "Examples:", "Exit status"][..],
        ),
        (
            "loss --help",
            &[
                "--set",
                "revision.eta=0.7",
                "el2n",
                "summary.json",
                "[default: kd]",
            ],
        ),
        ("presets --help", &["Examples:", "--set"]),
        ("devices --help", &["Examples:", "auto"]),
        (
            "bench --help",
            &["Examples:", "--json", "memcpy", "FUSED_KD_ISA"],
        ),
    ] {
        let help = succeed(here, arguments);
        for word in words {
            assert!(help.contains(word), "{arguments} lacks {word}:\n{help}");
        }
    }
    assert_eq!(
        succeed(here, "--version").trim(),
        concat!("fused-kd ", env!("CARGO_PKG_VERSION"))
    );
    let (code, _, error) = run(here, "");
    assert!(code == 2 && error.contains("Usage:"), "{error}");
}

#[test]
fn presets_are_listed_and_printed() {
    let here = Path::new(".");
    let table = succeed(here, "presets");
    let list = json(&succeed(here, "presets --format json"));
    for (preset, entry) in Preset::ALL.iter().zip(list.as_array().unwrap()) {
        let name = preset.name();
        assert!(table.contains(name), "{name}");
        assert_eq!(entry["name"], name);
        assert_eq!(entry["formula"], preset.formula());
        assert_eq!(entry["source"], preset.source());
        let toml = succeed(here, &format!("presets {name}"));
        assert_eq!(toml::from_str::<LossSpec>(&toml).unwrap(), preset.spec());
        let one = json(&succeed(here, &format!("presets {name} --format json")));
        assert_eq!(&one, entry);
    }
    for name in ["ie-kd", "dml", "ie-dml"] {
        assert!(table.contains(name), "{name}");
        let list = list.as_array().unwrap();
        let entry = list.iter().find(|entry| entry["name"] == name).unwrap();
        assert_eq!(entry["mutual"] == true, name.ends_with("dml"));
        let terms = entry["terms"].as_array().map_or(0, Vec::len);
        assert_eq!(terms, if name.starts_with("ie") { 2 } else { 0 });
        // A whole file for a run, because these are no losses of logits alone.
        let setting = Setting::from_toml(&succeed(here, &format!("presets {name}"))).unwrap();
        assert_eq!(
            (setting.terms.len(), setting.mutual),
            (terms, entry["mutual"] == true)
        );
    }
    let (code, _, error) = run(here, "presets lrr");
    assert!(code == 2 && error.contains("lr-mse"), "{error}");
}

#[test]
fn devices_are_listed() {
    let here = Path::new(".");
    let table = succeed(here, "devices");
    assert!(table.contains(" *") && table.contains("thread"), "{table}");
    let list = json(&succeed(here, "devices --format json"));
    let list = list.as_array().unwrap();
    let names: Vec<&Value> = list.iter().map(|engine| &engine["name"]).collect();
    assert_eq!(names, ["cpu", "cuda", "wgpu", "wgpu-software", "reference"]);
    let chosen: Vec<&Value> = list
        .iter()
        .filter(|engine| engine["chosen"] == true)
        .collect();
    assert!(chosen.len() == 1 && chosen[0]["available"] == true);
}

/// Mesa's choice among devices complains where there is no display: that is no business of ours.
#[test]
fn devices_are_listed_in_quiet() {
    let mut command = fused_kd(Path::new("."));
    command
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("NODEVICE_SELECT");
    let output = command.arg("devices").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn lines_of_help_and_tables_fit_a_terminal() {
    let here = Path::new(".");
    for arguments in [
        "--help",
        "compare --help",
        "train --help",
        "predict --help",
        "loss --help",
        "presets --help",
        "devices --help",
        "bench --help",
        "completions --help",
        "man --help",
        "presets",
        "devices",
        "bench --samples 2 --shape 16x10",
        "bench --what step --samples 2 --network 6-5-4",
        "train --epochs 1 --teacher-epochs 1",
    ] {
        let mut command = fused_kd(here);
        command
            .env("COLUMNS", "80")
            .args(arguments.split_whitespace());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments}");
        let text = String::from_utf8(output.stdout).unwrap();
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{arguments}: {line}");
        }
    }
}

#[test]
fn shells_complete_all_commands() {
    let here = Path::new(".");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = succeed(here, &format!("completions {shell}"));
        for word in ["compare", "predict", "teacher-logits"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
    }
    let (code, _, error) = run(here, "completions tcsh");
    assert!(code == 2 && error.contains("powershell"), "{error}");
}

#[test]
fn every_command_has_a_manual_page() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    succeed(at, "man share/man1");
    let pages = names(&at.join("share/man1"));
    for command in [
        "compare",
        "train",
        "predict",
        "loss",
        "presets",
        "devices",
        "bench",
        "completions",
        "man",
    ] {
        let name = format!("fused-kd-{command}.1");
        assert!(pages.contains(&name), "{name}: {pages:?}");
        let page = fs::read_to_string(at.join("share/man1").join(&name)).unwrap();
        assert!(
            page.contains(".SH NAME")
                && page.contains(concat!("\"fused-kd ", env!("CARGO_PKG_VERSION"), "\"")),
            "{page}"
        );
        assert_eq!(page.matches(".nf\n").count(), page.matches(".fi\n").count());
    }
    assert_eq!(pages.len(), 10);
    let page = succeed(at, "man");
    assert!(page.contains(".SH NOTES\n.nf\nExamples:\n"), "{page}");
    let (code, _, error) = run(at, "man share/man1/fused-kd.1");
    assert!(code == 1 && error.contains("cannot write to"), "{error}");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    for arguments in ["presets", "presets lr", "devices", "--help"] {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_fused-kd"))
            .args(arguments.split_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.success() && error.is_empty(),
            "{arguments}: {error}"
        );
    }
}

/// Runs `loss` with `--format json`; the summary, which is also what `summary.json` says.
#[track_caller]
pub(crate) fn loss(directory: &Path, out: &str, more: &str) -> Value {
    let text = succeed(
        directory,
        &format!("{FILES} --out {out} --format json {more}"),
    );
    let file = fs::read_to_string(directory.join(out).join("summary.json")).unwrap();
    assert_eq!(text, file);
    json(&text)
}

#[track_caller]
pub(crate) fn assert_close(a: &[f64], b: &[f64]) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        let close = (a - b).abs() <= 1e-5 * b.abs().max(1.0);
        assert!(
            close || a == b || (a.is_nan() && b.is_nan()),
            "{i}: {a} {b}"
        );
    }
}

/// Every preset on this engine, against the reference.
#[track_caller]
fn agrees_with_the_reference(engine: &str) {
    let batch = batch();
    let at = batch.path();
    for preset in Preset::ALL.map(Preset::name) {
        let ours = format!("--preset {preset} --engine {engine}");
        let ours = loss(at, &format!("{preset}-{engine}"), &ours);
        let reference = format!("--preset {preset} --engine reference --upstream 1");
        let reference = loss(at, &format!("{preset}-reference"), &reference);
        let total = |summary: &Value| summary["total"].as_f64().unwrap();
        assert_close(&[total(&ours)], &[total(&reference)]);
        assert_eq!(ours["counts"], reference["counts"]);
        assert_eq!(
            (&ours["counts"]["right"], &ours["counts"]["wrong"]),
            (&3.into(), &1.into())
        );
        assert_eq!(
            ours["spec"],
            serde_json::to_value(Preset::from_name(preset).unwrap().spec()).unwrap()
        );
        let read = |engine: &str, file: &str| {
            npy::read(&fs::read(at.join(format!("{preset}-{engine}/{file}"))).unwrap())
        };
        let (ours, reference) = (read(engine, "grad.npy"), read("reference", "grad.npy"));
        assert_eq!(
            (ours.descr.as_str(), reference.descr.as_str()),
            ("'<f4'", "'<f8'")
        );
        assert_eq!(ours.shape, "(4, 3)");
        assert_close(&ours.floats(4), &reference.floats(8));
        let (ours, reference) = (read(engine, "stats.npy"), read("reference", "stats.npy"));
        assert!(
            ours.descr.starts_with("[('loss', '<f4'), ('kd', '<f4')"),
            "{}",
            ours.descr
        );
        assert!(
            reference
                .descr
                .contains("('el2n', '<f8'), ('teacher_top', '<u4')")
        );
        assert_eq!(
            (ours.values.len(), reference.values.len()),
            (4 * 64, 4 * 116)
        );
        for (ours, reference) in ours.values.chunks(64).zip(reference.values.chunks(116)) {
            assert_close(
                &npy::floats(&ours[..52], 4),
                &npy::floats(&reference[..104], 8),
            );
            assert_eq!(ours[52..], reference[104..], "tops and flags");
        }
    }
}

#[test]
fn the_cpu_agrees_with_the_reference() {
    agrees_with_the_reference("cpu");
}

/// Whether an engine of this build can run here; says so where it cannot.
fn runs_here(engine: &str, what: &str) -> bool {
    let list = json(&succeed(Path::new("."), "devices --format json"));
    let mut list = list.as_array().unwrap().iter();
    let device = list.find(|device| device["name"] == engine).unwrap();
    let available = device["available"] == true;
    if !available {
        crate::support::skip(what, &device["description"].to_string());
    }
    available
}

#[test]
fn wgpu_agrees_with_the_reference() {
    if runs_here("wgpu-software", "wgpu") {
        agrees_with_the_reference("wgpu-software");
    }
}

#[test]
fn cuda_agrees_with_the_reference() {
    if runs_here("cuda", "simt") {
        agrees_with_the_reference("cuda");
    }
}

/// One small measurement for programs; what it says of the copy is checked against itself.
#[track_caller]
fn measured(arguments: &str) -> Value {
    let results = json(&succeed(
        Path::new("."),
        &format!("bench --samples 3 --json {arguments}"),
    ));
    for case in results["cases"].as_array().unwrap() {
        let number = |key: &str| case[key].as_f64().unwrap();
        assert!(number("median_s") > 0.0, "{case}");
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b;
        assert!(close(
            number("gbs"),
            number("bytes") / number("median_s") / 1e9
        ));
        assert!(close(
            number("fraction"),
            number("gbs") / number("copy_gbs")
        ));
    }
    results
}

#[test]
fn speeds_are_measured() {
    let shapes = "--shape 8x100,3x7 --dtype f32,bf16 --preset kd,dkd";
    for threads in [1, 2] {
        let results = measured(&format!("--threads {threads} --isa portable {shapes}"));
        assert_eq!(
            (&results["engine"], &results["isa"]),
            (&"cpu".into(), &"portable".into())
        );
        assert_eq!(results["threads"], threads);
        let cases = results["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 8);
        let last = &cases[7];
        assert_eq!((&last["b"], &last["v"]), (&3.into(), &7.into()));
        assert_eq!(
            (&last["dtype"], &last["spec"]),
            (&"bf16".into(), &"dkd".into())
        );
        assert_eq!(last["bytes"], 3 * (3 * 7 * 2 + 4 + 64));
    }
    let lean = measured("--shape 4x10 --dtype f16 --stats none --no-gradient --set temperature=2");
    assert_eq!(lean["cases"][0]["bytes"], 4 * (2 * 10 * 2 + 4));
    assert!(lean["cases"][0]["noise"].is_null());
    let near = measured("--shape 4x100 --noise 0.125");
    assert_eq!(near["cases"][1]["noise"], 0.125);
    let table = succeed(Path::new("."), "bench --samples 2 --shape 16x10");
    assert!(
        table.contains("16x10") && table.contains("speed ÷ copy"),
        "{table}"
    );
    assert!(!table.contains("noise"), "{table}");
    let table = succeed(Path::new("."), "bench --samples 2 --shape 16x10 --noise 0");
    assert!(table.contains("noise 0"), "{table}");
}

#[test]
fn training_steps_are_measured() {
    let results = json(&succeed(
        Path::new("."),
        "bench --what step --samples 2 --network 6-5-4,6-4 --batch 8 --preset kd,dtd-flsw --json",
    ));
    assert_eq!(results["threads"], 1);
    let cases = results["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    assert_eq!(
        (&cases[0]["network"], &cases[0]["batch"]),
        (&"6-5-4".into(), &8.into())
    );
    assert_eq!(cases[3]["spec"], "dtd-flsw");
    assert!(
        cases
            .iter()
            .all(|case| case["median_s"].as_f64() > Some(0.0))
    );
}

#[test]
fn training_steps_on_wgpu_are_measured() {
    if !runs_here("wgpu-software", "wgpu") {
        return;
    }
    let step = "bench --what step --samples 2 --network 6-5-4 --batch 8 --preset kd";
    let step = format!("{step} --engine wgpu-software");
    let results = json(&succeed(Path::new("."), &format!("{step} --json")));
    assert_eq!(results["engine"], "wgpu-software");
    assert!(results["device"].is_string() && results["isa"].is_null());
    assert!(results["cases"][0]["median_s"].as_f64() > Some(0.0));
    assert!(succeed(Path::new("."), &step).contains("engine wgpu-software, "));
}

/// With the same seeds and order of data every method learns as much as on the CPU: to 1 point of
/// accuracy for each seed, after teachers that were trained there too.
#[track_caller]
fn trains_as_the_cpu(engine: &str) {
    let compare = |engine: &str| {
        let given = "compare --methods kd,lr-ds,ie+lr --seeds 2 --epochs 12 --teacher-epochs 12";
        let given = format!("{given} --lr-grid 0.05 --format json --engine {engine}");
        json(&succeed(Path::new("."), &given))
    };
    let (ours, cpu) = (compare(engine), compare("cpu"));
    assert_eq!(ours["engine"], engine);
    let methods = |of: &Value| of["methods"].as_array().unwrap().clone();
    assert_eq!(methods(&ours).len(), 3);
    for (ours, cpu) in methods(&ours).iter().zip(&methods(&cpu)) {
        let seeds = |of: &Value| of["test_accuracy"]["per_seed"].as_array().unwrap().clone();
        assert_eq!(seeds(ours).len(), 2);
        for (a, b) in seeds(ours).iter().zip(&seeds(cpu)) {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!(
                (a - b).abs() <= 0.01 && b > 0.7,
                "{}: {a}, {b}",
                cpu["name"]
            );
        }
    }
}

#[test]
fn wgpu_trains_as_the_cpu() {
    if runs_here("wgpu-software", "wgpu") {
        trains_as_the_cpu("wgpu-software");
    }
}

/// A student that was trained there predicts there, to the bit what it did in its run.
#[test]
fn wgpu_keeps_and_runs_a_student() {
    if !runs_here("wgpu-software", "wgpu") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let config = "[student]\nepochs = 3\n[teacher]\nepochs = 3\n[select]\nscore = \"el2n\"\n";
    fs::write(at.join("run.toml"), config).unwrap();
    succeed(
        at,
        "train --config run.toml --engine wgpu-software --out run",
    );
    let result = json(&fs::read_to_string(at.join("run/results.json")).unwrap());
    assert_eq!(result["engine"], "wgpu-software");
    let predict = "predict --model run/student.safetensors --data digits --rows test --format json";
    let predicted = json(&succeed(at, &format!("{predict} --engine wgpu-software")));
    assert_eq!(predicted["accuracy"], result["student"]["test_accuracy"]);
}

#[test]
fn speeds_on_cuda_are_measured() {
    if !runs_here("cuda", "simt") {
        return;
    }
    let results = measured("--engine cuda --shape 8x100 --dtype f32,bf16");
    assert_eq!(results["engine"], "cuda");
    assert!(
        results["isa"].as_str().unwrap().starts_with("sm_"),
        "{results}"
    );
    assert!(results["device"].is_string());
    let cases = results["cases"].as_array().unwrap();
    let regimes = |cases: &[Value]| -> Vec<Value> {
        cases.iter().map(|case| case["regime"].clone()).collect()
    };
    assert_eq!(regimes(cases), ["group16", "group16"]);
    let forced = "--engine cuda --shape 8x100 --dtype f32,bf16 --regime stream --noise 0.5";
    let forced = measured(forced);
    assert_eq!(
        regimes(forced["cases"].as_array().unwrap()),
        ["stream", "stream"]
    );
}

#[test]
fn speeds_on_wgpu_are_measured() {
    if !runs_here("wgpu-software", "wgpu") {
        return;
    }
    let shapes = "--shape 3x7,64x100 --dtype f32,bf16 --noise 0.5";
    let results = measured(&format!("--engine wgpu-software {shapes}"));
    assert_eq!(results["engine"], "wgpu-software");
    assert!(results["device"].is_string());
    assert_eq!(results["cases"].as_array().unwrap().len(), 4);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    for (arguments, words) in [
        ("--shape 10", &["10", "rows x classes"][..]),
        ("--shape 0x10", &["0x10"]),
        ("--dtype f8", &["f8", "bf16"]),
        ("--preset dtd-flsw", &["dtd-flsw", "--set temperature=4"]),
        ("--threads 0", &["--threads 0"]),
        ("--isa mmx", &["mmx", "avx512", "portable"]),
        ("--samples 0", &["0"]),
        ("--engine reference", &["reference", "--engine cpu"]),
        ("--noise=-1", &["-1", "from 0 to 1000"]),
        ("--noise nan", &["nan", "from 0 to 1000"]),
        ("--batch 8", &["--batch", "--what step"]),
        ("--what step --shape 8x8", &["--shape"]),
        ("--what step --noise 0.1", &["--noise"]),
        ("--what step --network 8", &["64-32-10"]),
        ("--what step --threads 2", &["--threads 2"]),
    ] {
        let (code, out, error) = run(Path::new("."), &format!("bench {arguments}"));
        assert!(code == 2 && out.is_empty(), "{arguments}: {code}");
        for word in words {
            assert!(error.contains(word), "{arguments} lacks {word}: {error}");
        }
    }
}

#[test]
fn the_summary_says_what_was_computed() {
    let batch = batch();
    let at = batch.path();
    let more =
        "--preset lr --set revision.eta=0.7 --set reduction=sum --upstream -2 --weights ones.npy";
    let summary = loss(at, "a", more);
    assert_eq!(summary["preset"], "lr");
    assert_eq!(summary["spec"]["revision"]["eta"], 0.7);
    assert_eq!(summary["upstream"], -2.0);
    assert_eq!(summary["counts"]["revised"], 1);
    assert_eq!(summary["counts"]["ignored"], 1);
    assert_eq!(summary["dtypes"]["labels"], "i8");
    let once = loss(at, "b", &more.replace("-2", "1"));
    let total = |summary: &Value| summary["total"].as_f64().unwrap();
    assert!((total(&summary) + 2.0 * total(&once)).abs() < 1e-5);
    let text = succeed(at, &format!("{FILES} --out c"));
    assert!(
        text.contains("teacher right on 3, wrong on 1, 1 without a label"),
        "{text}"
    );
    let (_, _, notes) = run(at, &format!("{FILES} --out d --engine auto"));
    assert!(notes.contains("engine auto: "), "{notes}");
    let smooth = "--preset ka-lsr --set revision.epsilon=0.7";
    let (_, _, warnings) = run(at, &format!("{FILES} --out e {smooth}"));
    assert!(
        warnings.contains("warning: revision.epsilon = 0.7"),
        "{warnings}"
    );
}

#[test]
fn files_in_every_type_and_order() {
    let batch = batch();
    let at = batch.path();
    let write = |name: &str, bytes: Vec<u8>| fs::write(at.join(name), bytes).unwrap();
    let expected = loss(at, "f4", "")["total"].as_f64().unwrap();
    let columns: Vec<f32> = (0..12).map(|i| STUDENT[i % 4 * 3 + i / 4]).collect();
    let big_endian: Vec<u8> = STUDENT.iter().flat_map(|v| v.to_be_bytes()).collect();
    let half = STUDENT.map(half::f16::from_f32);
    let double = STUDENT.map(f64::from);
    for (name, file, gradient, tolerance) in [
        (
            "fortran",
            npy::fortran("<f4", &[4, 3], bytes(&columns)),
            "'<f4'",
            0.0,
        ),
        ("big", array(">f4", &[4, 3], big_endian), "'<f4'", 0.0),
        ("half", array("<f2", &[4, 3], bytes(&half)), "'<f2'", 1e-3),
        (
            "double",
            array("<f8", &[4, 3], bytes(&double)),
            "'<f4'",
            0.0,
        ),
    ] {
        write(&format!("{name}.npy"), file);
        let files = FILES.replace("s.npy", &format!("{name}.npy"));
        let (code, out, warnings) = run(at, &format!("{files} --out {name} --format json"));
        assert_eq!(code, 0, "{name}: {warnings}");
        assert_eq!(
            warnings.contains("is f8 and the cpu engine computes in f4"),
            name == "double"
        );
        let summary = json(&out);
        assert_eq!(
            summary["warnings"].as_array().unwrap().len(),
            usize::from(name == "double")
        );
        let total = summary["total"].as_f64().unwrap();
        assert!(
            (total - expected).abs() <= tolerance,
            "{name}: {total} {expected}"
        );
        let written = npy::read(&fs::read(at.join(name).join("grad.npy")).unwrap());
        assert_eq!(written.descr, gradient, "{name}");
    }
    for (descr, labels) in [
        ("|i1", bytes(&LABELS.map(|y| y as i8))),
        ("<i2", bytes(&LABELS.map(|y| y as i16))),
        ("<i4", bytes(&LABELS.map(|y| y as i32))),
        ("<u8", bytes(&[0_u64, 1, 2, 2])),
    ] {
        write("y.npy", array(descr, &[4], labels));
        let summary = loss(at, &format!("labels-{}", &descr[1..]), "");
        assert_eq!(summary["dtypes"]["labels"], descr[1..]);
    }
}

#[test]
fn temperatures_per_row() {
    let batch = batch();
    let at = batch.path();
    fs::write(at.join("tau.npy"), array("<f8", &[4], bytes(&[4.0_f64; 4]))).unwrap();
    let fixed = loss(at, "fixed", "--set temperature=4");
    let per_row = loss(at, "per-row", "--set temperature=per-row --tau tau.npy");
    assert_eq!(fixed["total"], per_row["total"]);
}

#[test]
fn rows_without_sense_and_totals_that_json_has_no_number_for() {
    let batch = batch();
    let at = batch.path();
    let mut student = STUDENT;
    student[0] = f32::NAN;
    fs::write(at.join("s.npy"), array("<f4", &[4, 3], bytes(&student))).unwrap();
    for engine in ["cpu", "reference"] {
        let summary = loss(at, &format!("nan-{engine}"), &format!("--engine {engine}"));
        assert_eq!(summary["total"], "nan");
        assert_eq!(summary["counts"]["nonfinite"], 1);
    }
    student[0] = f32::NEG_INFINITY;
    fs::write(at.join("s.npy"), array("<f4", &[4, 3], bytes(&student))).unwrap();
    let summary = loss(at, "inf", "--upstream -1");
    assert_eq!(summary["total"], "-inf");
    assert_eq!(summary["counts"]["infinite"], 1);
    fs::write(at.join("s.npy"), array("<f4", &[0, 3], vec![])).unwrap();
    fs::write(at.join("t.npy"), array("<f4", &[0, 3], vec![])).unwrap();
    fs::write(at.join("y.npy"), array("<i4", &[0], vec![])).unwrap();
    assert_eq!(loss(at, "nothing", "")["total"], 0.0);
}

/// What lies in a directory.
fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn existing_results_are_replaced_only_by_force() {
    let batch = batch();
    let at = batch.path();
    loss(at, "out", "");
    let before = names(at);
    let (code, _, error) = run(at, &format!("{FILES} --out out"));
    assert!(
        code == 1 && error.contains("`out` exists already"),
        "{error}"
    );
    assert!(error.contains("--force"), "{error}");
    let summary = loss(at, "out", "--preset lr --force");
    assert_eq!(summary["preset"], "lr");
    assert_eq!(names(at), before);
    // A file of the user's is not lost with the run that it lies beside.
    fs::write(at.join("out/notes.txt"), "mine").unwrap();
    let (code, _, error) = run(at, &format!("{FILES} --out out --force"));
    assert!(code == 1 && error.contains("`notes.txt`"), "{error}");
    let expected = [
        "grad.npy",
        "notes.txt",
        "run.json",
        "stats.npy",
        "summary.json",
    ];
    assert_eq!(names(&at.join("out")), expected.map(str::to_owned).into());
    let (code, _, error) = run(at, &format!("{FILES} --out s.npy --force"));
    assert!(code == 1 && error.contains("not a directory"), "{error}");
    let (code, _, error) = run(at, &format!("{FILES} --out none/out"));
    assert!(
        code == 1 && error.contains("`none` is not a directory"),
        "{error}"
    );
}

/// Every file that can be wrong, in the place of which argument, and what the error must say.
fn wrong_files() -> Vec<(&'static str, Vec<u8>, &'static [&'static str])> {
    let f4 = |shape: &[u64], n: usize| array("<f4", shape, vec![0; 4 * n]);
    let i4 = |labels: [i32; 4]| array("<i4", &[4], bytes(&labels));
    let cut = |mut bytes: Vec<u8>, n| {
        bytes.truncate(bytes.len() - n);
        bytes
    };
    let header = |text: &str| npy::with_header(text, vec![]);
    let mut long_header = b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec();
    long_header.extend([b' '; 100]);
    let mut large = STUDENT.map(f64::from);
    large[5] = -1e300;
    vec![
        ("student", vec![], &["is empty", "numpy.save"]),
        (
            "student",
            b"PK\x03\x04 an archive of arrays".to_vec(),
            &["without an end", "write it again"],
        ),
        ("student", b"1, 2, 3".to_vec(), &["magic number"]),
        ("student", b"\x93NUMPY\x07\x00..".to_vec(), &["version 7.0"]),
        (
            "student",
            b"\x93NUMPY\x01\x00\x80\x00{".to_vec(),
            &["header cannot be read"],
        ),
        ("student", long_header, &["4294967295 bytes"]),
        ("student", header(&"[".repeat(60)), &["plain array"]),
        (
            "student",
            header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,)}"),
            &["plain array"],
        ),
        (
            "student",
            header("{'descr': '<q9', 'fortran_order': False, 'shape': (4, 3)}"),
            &["<q9"],
        ),
        (
            "student",
            header("{'descr': '|O', 'fortran_order': False, 'shape': (4, 3)}"),
            &["Python objects"],
        ),
        (
            "student",
            array("<f4", &[1 << 32, 1 << 32], vec![0; 48]),
            &["4294967296", "truncated"],
        ),
        (
            "student",
            array("<f4", &[1 << 63, 4, 0], vec![]),
            &["promises"],
        ),
        (
            "student",
            array("<f4", &[1 << 40, 3], vec![0; 48]),
            &["promises", "48 follow"],
        ),
        (
            "teacher",
            cut(f4(&[4, 3], 12), 1),
            &["48 bytes", "47 follow", "truncated"],
        ),
        ("teacher", f4(&[4, 3], 13), &["48 bytes", "52 follow"]),
        (
            "teacher",
            f4(&[3, 4], 12),
            &["(4, 3)", "(3, 4)", "s.npy", "same classes"],
        ),
        (
            "teacher",
            array("<i4", &[4, 3], vec![0; 48]),
            &["<i4", "floats", ".astype('f4')"],
        ),
        (
            "teacher",
            array("<f16", &[4, 3], vec![0; 192]),
            &["<f16", "floats"],
        ),
        (
            "teacher",
            array("|V2", &[4, 3], vec![0; 24]),
            &["|V2", "bf16"],
        ),
        ("student", f4(&[12], 12), &["(12,)", "two axes"]),
        ("student", f4(&[4, 0], 0), &["(4, 0)", "0 classes"]),
        (
            "student",
            array("<f8", &[4, 3], bytes(&large)),
            &["row 1, class 2", "-1e300", "--engine reference"],
        ),
        (
            "labels",
            i4([0, 1, 3, 0]),
            &["labels[2] = 3", "0..3", "−100"],
        ),
        ("labels", i4([0, -1, 0, 0]), &["labels[1] = -1"]),
        (
            "labels",
            array("<i8", &[4], bytes(&[0_i64, 1 << 40, 0, 0])),
            &["row 1", "1099511627776"],
        ),
        (
            "labels",
            array("<u8", &[4], bytes(&[u64::MAX; 4])),
            &["row 0", "18446744073709551615"],
        ),
        (
            "labels",
            array("|b1", &[4], vec![1, 0, 2, 0]),
            &["row 2", "2 is no boolean"],
        ),
        ("labels", f4(&[4], 4), &["<f4", "integers", ".astype('i4')"]),
        (
            "labels",
            array("|b1", &[4, 3], vec![1; 12]),
            &["one-hot", ".argmax(-1)"],
        ),
        ("labels", f4(&[4, 3], 12), &["one-hot", ".argmax(-1)"]),
        (
            "labels",
            array("<i4", &[3], vec![0; 12]),
            &["(4, 3)", "(3,)", "s.npy", "shape (4,)"],
        ),
        ("labels", array("<i4", &[4, 2], vec![0; 32]), &["(4, 2)"]),
        ("labels", array("<i4", &[1, 4], vec![0; 16]), &["(1, 4)"]),
        (
            "weights",
            array("<f4", &[4], bytes(&[1.0_f32, -1.0, 1.0, 1.0])),
            &["weight[1] = -1", "not negative"],
        ),
        (
            "weights",
            array("<f8", &[4], bytes(&[1.0_f64, 1.0, f64::NAN, 1.0])),
            &["weight[2] = NaN"],
        ),
        ("weights", f4(&[5], 5), &["(5,)", "shape (4,)"]),
        (
            "weights",
            array("<i4", &[4], bytes(&[1, 1, -3, 1])),
            &["weight[2] = -3", "not negative"],
        ),
        (
            "weights",
            array("<c8", &[4], vec![0; 32]),
            &["<c8", "floats"],
        ),
        (
            "kd-weights",
            array("<f8", &[4], bytes(&[1e300_f64; 4])),
            &["row 0: 1e300", "range of f4"],
        ),
        ("tau", f4(&[4], 4), &["tau[0] = 0", "greater than 0"]),
    ]
}

#[test]
fn wrong_files_are_named_and_leave_nothing_behind() {
    let batch = batch();
    let at = batch.path();
    for (argument, bytes, words) in wrong_files() {
        fs::write(at.join("wrong.npy"), bytes).unwrap();
        let before = names(at);
        for engine in ["cpu", "reference"] {
            let given = match argument {
                "student" => FILES.replace("s.npy", "wrong.npy"),
                "teacher" => FILES.replace("t.npy", "wrong.npy"),
                "labels" => FILES.replace("y.npy", "wrong.npy"),
                "tau" => format!("{FILES} --set temperature=per-row --tau wrong.npy"),
                other => format!("{FILES} --{other} wrong.npy"),
            };
            let (code, out, error) = run(at, &format!("{given} --out out --engine {engine}"));
            if engine == "reference" && words.contains(&"--engine reference") {
                assert_eq!(code, 0, "the remedy: {error}");
                fs::remove_dir_all(at.join("out")).unwrap();
                continue;
            }
            assert_eq!((code, out.as_str()), (1, ""), "{words:?}: {error}");
            for word in words.iter().chain(&["wrong.npy"]) {
                // The engines say "≥ 0" in words or in symbols.
                let same = error
                    .replace("≥ 0", "not negative")
                    .replace("> 0", "greater than 0");
                assert!(
                    same.contains(word),
                    "{engine} {argument} lacks {word}: {error}"
                );
            }
            assert_eq!(names(at), before, "{words:?}");
        }
    }
}

#[test]
fn wrong_command_lines_say_what_would_be_right() {
    let batch = batch();
    let at = batch.path();
    let before = names(at);
    for (more, code, words) in [
        ("--preset krr", 2, &["krr", "lr-mse"][..]),
        ("--engine gpu", 2, &["gpu", "reference"]),
        ("--frobnicate", 2, &["--frobnicate", "--help"]),
        ("--upstream much", 2, &["much"]),
        ("--upstream inf", 2, &["--upstream inf", "finite"]),
        (
            "--set temperatur=4",
            2,
            &["temperatur", "temperature", "presets NAME"],
        ),
        ("--preset lr --set revision.etaa=1", 2, &["etaa", "eta"]),
        (
            "--preset lr --set revision.eta=1.5",
            2,
            &["--set revision.eta=1.5", "between 0 and 1"],
        ),
        ("--set eta", 2, &["KEY=VALUE"]),
        (
            "--set right.divergence=mse-logits --set temperature.kind=standardised",
            2,
            &["mse-logits", "fixed"],
        ),
        ("--set temperature=per-row", 2, &["--tau", "per-row"]),
        (
            "--tau ones.npy",
            2,
            &["--tau ones.npy", "temperature=per-row"],
        ),
        ("--preset dtd-ka --tau ones.npy", 2, &["dtd"]),
        ("--weights none.npy", 1, &["none.npy", "right path"]),
        ("--weights .", 1, &["`.`", "regular file"]),
    ] {
        let (given, out, error) = run(at, &format!("{FILES} --out out {more}"));
        assert_eq!((given, out.as_str()), (code, ""), "{more}: {error}");
        for word in words {
            assert!(error.contains(word), "{more} lacks {word}: {error}");
        }
        assert_eq!(names(at), before, "{more}");
    }
}
