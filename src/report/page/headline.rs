//! What was compared on what, and how reliable the teacher is.

use crate::report::table::{layers, percent, seeds};
use crate::train::{Comparison, Method, SettingSummary};
use maud::{Markup, html};
use serde_json::Value;

pub(super) fn section(comparison: &Comparison) -> Markup {
    let (setting, teacher) = (&comparison.setting, &comparison.teacher);
    let share = |share: f64| format!("{:.1} %", 100.0 * share);
    html! {
        header {
            h1 { "What students make of their teacher: " (comparison.dataset) }
            p.reading {
                "Each method trains the same student, on the same rows and under the same teacher, "
                "once per seed; only the loss differs, and the learning rate that suits it. Revision can help where the teacher is wrong."
            }
            div.tiles {
                (tile(&(percent(&teacher.test_accuracy_over_seeds) + " %"), "teacher’s test accuracy"))
                (tile(&share(teacher.wrong_train_labels), "of the student’s training labels the teacher gets wrong"))
                (tile(&share(teacher.test_calibration_error), "teacher’s calibration error on test rows"))
                (tile(&seeds(setting), &format!("on the engine {}", comparison.engine)))
            }
            dl.facts {
                dt { "Data" }
                dd {
                    (comparison.dataset) ": " (setting.features) " features, " (setting.classes)
                    " classes; " (setting.test_rows) " test rows"
                }
                dt { "Student" }
                dd { (layers(setting, &setting.student)) ", " (rows(setting.train_rows, setting.label_noise)) }
                dt { "Teacher" }
                dd {
                    (layers(setting, &setting.teacher)) ", "
                    (rows(setting.teacher_rows, setting.teacher_label_noise))
                    @if setting.augment_teacher { ", shifted by up to a pixel" }
                }
                dt { "Chosen on" }
                dd { (setting.validation_rows) " validation rows: learning rates and best epochs" }
            }
            (details(comparison))
        }
    }
}

fn tile(number: &str, what: &str) -> Markup {
    html! { div { strong { (number) } span { (what) } } }
}

fn rows(rows: usize, noise: f64) -> String {
    let noise = match noise {
        0.0 => String::new(),
        share => format!(", {:.0} % of the labels wrong", 100.0 * share),
    };
    format!("{rows} training rows{noise}")
}

fn details(comparison: &Comparison) -> Markup {
    html! {
        details {
            summary { "The setting in full" }
            dl.settings {
                @for (key, value) in settings(&comparison.setting) {
                    div { dt { (key) } dd { (value) } }
                }
            }
        }
        details {
            summary { "The methods as formulas" }
            table.keys {
                @for method in &comparison.methods {
                    @if let Ok(Method { preset, .. }) = method.name.parse::<Method>() {
                        tr {
                            th scope="row" { (method.name) }
                            td {
                                @if let Some(selection) = &method.selection {
                                    "on the samples that " (selection) " selects, CE on the others: "
                                }
                                (preset.formula()) br; span.muted { (preset.source()) }
                            }
                        }
                    }
                }
            }
            p.muted {
                "p, q: teacher’s and student’s softmax at the temperature τ; p': the revised target; "
                "s, t: logits; y: the label; e_y: all of the probability at y. All parameters: "
                code { "results.json" } "."
            }
        }
    }
}

/// Every key of the setting, by dots, so that none can be forgotten here.
fn settings(setting: &SettingSummary) -> Vec<(String, String)> {
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
