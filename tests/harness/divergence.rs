//! Trainings that leave the numbers: said as such, and never shown as a percentage.

use crate::cli::{json, run, succeed};
use std::fs;

const SHORT: &str = "compare --seeds 2 --epochs 3 --teacher-epochs 3";

#[test]
fn a_rate_that_diverges_is_not_chosen() {
    let directory = tempfile::tempdir().unwrap();
    let compare = |rates: &str| {
        let command = format!("{SHORT} --methods ce,kd --lr-grid {rates} --format json");
        json(&succeed(directory.path(), &command))
    };
    let (with, without) = (compare("1e30,0.05"), compare("0.05"));
    for (with, without) in [0, 1].map(|i| (&with["methods"][i], &without["methods"][i])) {
        assert_eq!(with["diverged"], serde_json::json!([]));
        assert_eq!(with["learning_rate"], 0.05);
        assert_eq!(with["test_accuracy"], without["test_accuracy"]);
    }
}

#[test]
fn what_diverges_at_every_rate_has_no_percentage() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let flags = "--methods ce,kd,ds --lr-grid 1e30,1e29 --set seed=3 --fractions 0.5 --out out";
    let (code, out, error) = run(here, &format!("{SHORT} {flags}"));
    assert_eq!(code, 0, "{error}");
    let told = "training diverged at every learning rate that was tried: ce (seeds 3, 4), kd \
                (seeds 3, 4), ds (seeds 3, 4)";
    assert!(
        error.contains(told) && error.contains("--lr-grid"),
        "{error}"
    );
    for method in ["| ce ", "| kd ", "| ds "] {
        for line in out.lines().filter(|line| line.starts_with(method)) {
            assert!(line.contains("| diverged (seeds 3, 4) "), "{line}");
            assert!(!line.contains("NaN") && !line.contains('±'), "{line}");
        }
    }
    let read = |name: &str| fs::read_to_string(here.join("out").join(name)).unwrap();
    let results = json(&read("results.json"));
    for method in results["methods"].as_array().unwrap() {
        assert_eq!(method["diverged"], serde_json::json!([3, 4]));
        let accuracy = &method["test_accuracy"];
        assert!(accuracy["mean"].is_null() && accuracy["per_seed"][0].is_null());
        assert!(method["vs_kd"].is_null() && method["vs_ce"].is_null());
    }
    assert_eq!(results["budget"][0]["diverged"], serde_json::json!([3, 4]));
    assert_eq!(read("differences.csv").lines().count(), 1);
    let page = read("report.html");
    assert!(page.contains("diverged (seeds 3, 4)"), "{page}");
    assert!(!page.contains("NaN"), "a number that is none");
}

/// Lines that programs can tell apart, and only where somebody has to wait.
#[test]
fn a_long_run_in_a_pipe_says_how_far_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let begin = std::time::Instant::now();
    let command = "train --teacher-epochs 1 --epochs 5000 --set student.batch=200 --format json";
    let (code, out, error) = run(directory.path(), command);
    assert_eq!(code, 0, "{error}");
    json(&out);
    assert!(
        error.lines().all(|line| line.starts_with("progress: ")),
        "{error}"
    );
    assert!(
        error.lines().count() <= 11 + begin.elapsed().as_secs() as usize / 30,
        "{error}"
    );
}
