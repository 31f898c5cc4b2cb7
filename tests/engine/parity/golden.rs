//! Golden vectors: small batches with what the definitions make of them, computed in extended
//! precision by `scripts/check_oracle.py --golden`, in which the oracle has no part.

use super::cases::{Case, Kind};
use super::{Answer, Subject};
use fused_kd::spec::{Format, Preset};
use serde_json::Value;

/// Holds the answers of a subject in f32, in which the vectors are exact.
pub(crate) fn golden_vectors<S: Subject>() {
    assert_eq!((S::STUDENT, S::TEACHER), (Format::F32, Format::F32));
    if !S::is_available() {
        return;
    }
    let all: Value = serde_json::from_str(include_str!("golden.json")).unwrap();
    let all = all.as_array().unwrap();
    assert!(all.len() >= 8);
    for golden in all {
        let case = case(golden);
        hold::<S>(golden, &case, &S::answer(&case));
    }
}

fn case(golden: &Value) -> Case {
    let labels: Vec<i32> = floats(&golden["labels"])
        .iter()
        .map(|&y| y as i32)
        .collect();
    let single = |name: &str| floats(&golden[name]).iter().map(|&x| x as f32).collect();
    let preset = Preset::from_name(golden["preset"].as_str().unwrap()).unwrap();
    Case {
        spec: preset.spec(),
        classes: golden["classes"].as_u64().unwrap() as usize,
        student: single("student"),
        teacher: single("teacher"),
        weight: single("weight"),
        kd_weight: single("kd_weight"),
        tau: None,
        upstream: 1.0,
        kinds: vec![Kind::Drawn; labels.len()],
        labels,
    }
}

fn hold<S: Subject>(golden: &Value, case: &Case, answer: &Answer) {
    let preset = &golden["preset"];
    let bounds = S::BOUNDS;
    let close = |what: &str, got: f32, truth: f64, bound: f64| {
        let got = f64::from(got);
        let same = got == truth || (got.is_nan() && truth.is_nan());
        let near = truth.is_finite() && (got - truth).abs() <= bound;
        assert!(same || near, "{preset} {what}: {got}, golden {truth}");
    };
    let total = number(&golden["total"]);
    close(
        "total",
        answer.total,
        total,
        bounds.r * total.abs() + bounds.a,
    );
    for (row, stats) in answer.stats.iter().enumerate() {
        let record: [f32; 16] = bytemuck::cast(*stats);
        for (field, &got) in FIELDS.iter().zip(&record) {
            let truth = floats(&golden["stats"][field])[row];
            // The losses' absolute part is at τ = 4.
            let bound = (bounds.stats * truth.abs().max(1.0)).max(16.0 * bounds.a);
            close(&format!("{field} of row {row}"), got, truth, bound);
        }
        let tops = &golden["tops"][row];
        let expected = [&tops[0], &tops[1], &golden["flags"][row]];
        let got = [stats.teacher_top, stats.student_top, stats.flags.0];
        assert_eq!(got.map(u64::from), expected.map(|n| n.as_u64().unwrap()));
    }
    let truth = floats(&golden["gradient"]);
    assert_eq!(truth.len(), answer.gradient.len());
    let rows = truth.chunks(case.classes);
    for (row, (truth, got)) in rows.zip(answer.gradient.chunks(case.classes)).enumerate() {
        let largest = truth.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        for (&g, &truth) in got.iter().zip(truth) {
            close(
                &format!("gradient of row {row}"),
                g,
                truth,
                4.0 * bounds.k * largest.max(0.1),
            );
        }
    }
}

/// The floats of a record, in its order.
const FIELDS: [&str; 13] = [
    "loss",
    "kd",
    "ce",
    "tau",
    "beta",
    "teacher_confidence",
    "teacher_ce",
    "teacher_entropy",
    "teacher_margin",
    "student_confidence",
    "student_entropy",
    "student_logit_margin",
    "el2n",
];

/// A number, or "nan", "inf" or "-inf".
fn number(value: &Value) -> f64 {
    let text = || value.as_str().and_then(|text| text.parse().ok());
    value.as_f64().or_else(text).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}
