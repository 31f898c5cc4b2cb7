//! What was compared on what, and how reliable the teacher is.

use crate::report::provenance::Provenance;
use crate::report::table::{ceiling, known, seeds, student, teacher};
use crate::train::{Comparison, Method, Setting};
use maud::{Markup, html};
use serde_json::Value;

pub(super) fn section(comparison: &Comparison, provenance: &Provenance) -> Markup {
    let reliability = &comparison.teacher;
    let accuracy = &reliability.test_accuracy_over_seeds;
    let accuracy = known(accuracy) + if accuracy.is_some() { " %" } else { "" };
    let share = |share: f64| format!("{:.1} %", 100.0 * share);
    html! {
        header {
            h1 { "Distillation methods compared on " (comparison.dataset) }
            p.reading {
                "Each method trains the same student on the same rows with the same teacher, once per "
                "seed. Only the loss differs, and the learning rate, which each method chooses on "
                "validation data."
            }
            div.tiles {
                (tile(&accuracy, "teacher’s test accuracy"))
                (tile(&share(reliability.wrong_train_labels), "of the student’s training rows are misclassified by the teacher"))
                @if let Some(error) = reliability.test_calibration_error {
                    (tile(&share(error), "teacher’s calibration error on test rows"))
                }
                (tile(&seeds(comparison), "per method"))
            }
            dl.facts {
                @for (what, text) in facts(comparison) { dt { (what) } dd { (text) } }
            }
            dl."facts run" {
                dt { "Command" } dd { code { (provenance.command) } }
                dt { "Date" } dd { (date(provenance)) }
                dt { "Machine" } dd { (provenance.machine) "; engine " (comparison.engine) }
                dt { "Time" } dd { (time(provenance.seconds)) }
            }
            (details(comparison))
        }
    }
}

/// The day and minute, and the program's version.
fn date(provenance: &Provenance) -> String {
    let minute = provenance.date.get(..16).unwrap_or(&provenance.date);
    format!(
        "{} UTC, fused-kd {}",
        minute.replace('T', " "),
        provenance.version
    )
}

fn time(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 120.0 => format!("{seconds:.1} seconds"),
        seconds => format!(
            "{:.0} minutes {:.0} seconds",
            (seconds / 60.0).floor(),
            seconds % 60.0
        ),
    }
}

fn tile(number: &str, what: &str) -> Markup {
    html! { div { strong { (number) } span { (what) } } }
}

fn facts(comparison: &Comparison) -> Vec<(&'static str, String)> {
    let rows = &comparison.rows;
    let scenario = comparison.setting.scenario;
    let scenario = scenario.map(|of| ("Scenario", format!("{}: {}", of.name(), of.models())));
    let data = format!(
        "{}: {} features, {} classes; {} test rows{}",
        comparison.dataset,
        rows.features,
        rows.classes,
        rows.test,
        ceiling(comparison).map_or_else(String::new, |ceiling| format!("; {ceiling}"))
    );
    let chosen = format!(
        "{} rows, for choosing learning rates and best epochs",
        rows.validation
    );
    let mut facts = Vec::from_iter(scenario);
    facts.extend([
        ("Data", data),
        ("Student", student(comparison)),
        ("Teacher", teacher(comparison)),
        ("Validation", chosen),
    ]);
    facts
}

fn details(comparison: &Comparison) -> Markup {
    html! {
        details {
            summary { "All settings" }
            dl.settings {
                @for (key, value) in settings(&comparison.setting) {
                    div { dt { (key) } dd { (value) } }
                }
            }
        }
        details {
            summary { "Formulas of the methods" }
            table.keys {
                @for method in &comparison.methods {
                    @if let Ok(Method { preset, .. }) = method.name.parse::<Method>() {
                        tr {
                            th scope="row" { (method.name) }
                            td {
                                @if let Some(selection) = &method.selection {
                                    "on the samples that the selection keeps (" (selection) "), CE on the others: "
                                }
                                (preset.formula()) br; span.muted { (preset.source()) }
                            }
                        }
                    }
                }
            }
            p.muted {
                "s, t: logits of the student and the teacher; τ: temperature; p, q: softmax(t/τ) and "
                "softmax(s/τ); p': the revised target; y: the label; e_y: its one-hot target; CE: the "
                "student’s cross-entropy. All parameters are in " code { "results.json" } "."
            }
        }
    }
}

/// Every key of the setting, by dots, so that none can be forgotten here.
fn settings(setting: &Setting) -> Vec<(String, String)> {
    // By way of the text: a JSON value in memory holds an f32 with the digits of an f64.
    let text = serde_json::to_string(setting).unwrap_or_default();
    let mut flat = Vec::new();
    flatten(
        "",
        &serde_json::from_str(&text).unwrap_or_default(),
        &mut flat,
    );
    flat
}

fn flatten(path: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            let dot = if path.is_empty() { "" } else { "." };
            flatten(&format!("{path}{dot}{key}"), value, into);
        }),
        Value::Array(values) if values.iter().any(Value::is_object) => {
            for (i, value) in values.iter().enumerate() {
                flatten(&format!("{path}[{i}]"), value, into);
            }
        }
        Value::Array(values) => {
            let texts: Vec<String> = values.iter().map(plain).collect();
            into.push((path.to_owned(), texts.join(", ")));
        }
        value => into.push((path.to_owned(), plain(value))),
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
