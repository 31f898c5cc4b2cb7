//! A comparison as files: the page, and every number behind it as JSON and CSV.

use super::page;
use super::provenance::Provenance;
use crate::spec::Relation;
use crate::train::{Comparison, MethodResult, Paired, RevisedSample, Similarity, Spread};
use serde::Serialize;
use std::fmt::Write;

/// The names and the contents of all files that a comparison leaves. There are always the same
/// ones, so that a run never leaves another run's beside its own. Accuracies are shares.
#[must_use]
pub fn files(comparison: &Comparison, provenance: &Provenance) -> Vec<(&'static str, String)> {
    let methods = &comparison.methods;
    vec![
        ("report.html", page::html(comparison, provenance)),
        ("setting.toml", setting(comparison)),
        ("results.json", json(comparison)),
        ("results.csv", results(methods, comparison.setting.seed)),
        ("differences.csv", differences(methods)),
        ("curves.json", curves_json(methods)),
        ("curves.csv", curves(methods, comparison.setting.seed)),
        (
            "selections.csv",
            selections(methods, comparison.setting.seed),
        ),
        ("reliability.csv", reliability(comparison)),
        (
            "similarity.csv",
            similarity(methods, comparison.setting.seed),
        ),
        ("budget.csv", budget(comparison)),
        ("samples.json", json(&comparison.samples)),
        ("samples.csv", samples(&comparison.samples)),
    ]
}

/// The file that repeats the comparison.
fn setting(comparison: &Comparison) -> String {
    let text = comparison.setting.to_toml();
    text.unwrap_or_else(|error| format!("# {error}\n"))
}

fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value);
    text.expect("structs of numbers and names are JSON") + "\n"
}

/// Lines under a heading.
fn table(heading: &str, lines: impl Iterator<Item = String>) -> String {
    let mut csv = format!("{heading}\n");
    lines.for_each(|line| csv += &(line + "\n"));
    csv
}

/// One line per method and seed.
fn results(methods: &[MethodResult], first: u64) -> String {
    let lines = methods.iter().flat_map(|method| {
        (0..method.curves.len()).map(move |seed| {
            let (name, rate) = (&method.name, method.learning_rate);
            let test = method.test_accuracy.per_seed[seed];
            let validation = method.validation_accuracy.per_seed[seed];
            let best = method.best_validation_test_accuracy.per_seed[seed];
            let seed = first + seed as u64;
            format!("{name},{seed},{rate},{test},{validation},{best}")
        })
    });
    table(
        "method,seed,learning_rate,test_accuracy,validation_accuracy,best_validation_test_accuracy",
        lines,
    )
}

/// One line per method and other method.
fn differences(methods: &[MethodResult]) -> String {
    let lines = methods.iter().flat_map(|method| {
        let others = [
            ("kd", &method.vs_kd),
            ("ce", &method.vs_ce),
            ("lr", &method.vs_lr),
        ];
        others
            .into_iter()
            .filter(|(other, _)| *other != method.name)
            .filter_map(|(other, paired)| {
                let difference = mean_and_interval(paired.as_ref()?);
                Some(format!("{},{other},{difference}", method.name))
            })
    });
    table("method,less,mean,low,high", lines)
}

fn mean_and_interval(paired: &Paired) -> String {
    match paired.interval {
        Some([low, high]) => format!("{},{low},{high}", paired.mean),
        None => format!("{},,", paired.mean),
    }
}

/// One line per method, seed and epoch, at the chosen learning rate.
fn curves(methods: &[MethodResult], first: u64) -> String {
    let mut csv = String::from("method,seed,epoch,loss,validation_accuracy,test_accuracy\n");
    for method in methods {
        for (seed, curve) in (first..).zip(&method.curves) {
            let accuracies = curve.validation.iter().zip(&curve.test);
            let epochs = curve.loss.iter().zip(accuracies).zip(1..);
            for ((loss, (validation, test)), epoch) in epochs {
                let name = &method.name;
                let _ = writeln!(csv, "{name},{seed},{epoch},{loss},{validation},{test}");
            }
        }
    }
    csv
}

/// The same by method: one object per seed, one number per epoch.
fn curves_json(methods: &[MethodResult]) -> String {
    let of = |method: &MethodResult| {
        let curves = serde_json::to_value(&method.curves);
        let curves = curves.expect("structs of numbers are JSON");
        (method.name.clone(), curves)
    };
    let by_method: serde_json::Map<_, _> = methods.iter().map(of).collect();
    serde_json::Value::Object(by_method).to_string() + "\n"
}

/// One line per sample that the teacher supervises from an epoch on; rows of the data set.
fn selections(methods: &[MethodResult], first: u64) -> String {
    let mut csv = String::from("method,seed,epoch,row\n");
    for method in methods {
        for (seed, choices) in (first..).zip(&method.choices) {
            for choice in choices {
                for row in &choice.rows {
                    let _ = writeln!(csv, "{},{seed},{},{row}", method.name, choice.epoch + 1);
                }
            }
        }
    }
    csv
}

fn reliability(comparison: &Comparison) -> String {
    let lines = comparison.reliability.iter().map(|bin| {
        format!(
            "{},{},{},{},{}",
            bin.from, bin.to, bin.confidence, bin.accuracy, bin.rows
        )
    });
    table("from,to,confidence,accuracy,rows", lines)
}

/// One line per method and seed, where there are feature terms; a method without them has similarities
/// alone.
fn similarity(methods: &[MethodResult], first: u64) -> String {
    let of_seed = |method: &MethodResult, similarity: &Similarity<Spread>, seed: usize| {
        let distance = |relation| {
            let found = method.distances.iter().find(|d| d.relation == relation);
            found.map_or([String::new(), String::new()], |d| {
                [&d.before, &d.after].map(|spread| spread.per_seed[seed].to_string())
            })
        };
        let cka = |spread: &Spread| spread.per_seed[seed].to_string();
        let [inherit, explore] = [Relation::Inherit, Relation::Explore].map(distance);
        let cells = [
            method.name.clone(),
            (first + seed as u64).to_string(),
            cka(&similarity.inherit_before),
            cka(&similarity.inherit_after),
            cka(&similarity.explore_before),
            cka(&similarity.explore_after),
        ];
        [&cells[..], &inherit, &explore].concat().join(",")
    };
    let lines = methods.iter().flat_map(|method| {
        let similarity = method.similarity.iter();
        similarity.flat_map(move |similarity| {
            let seeds = 0..similarity.inherit_before.per_seed.len();
            seeds.map(move |seed| of_seed(method, similarity, seed))
        })
    });
    table(
        "method,seed,inherit_before,inherit_after,explore_before,explore_after,\
         inherit_distance_before,inherit_distance_after,\
         explore_distance_before,explore_distance_after",
        lines,
    )
}

fn budget(comparison: &Comparison) -> String {
    let lines = comparison.budget.iter().map(|point| {
        let vs_random = point.vs_random.as_ref();
        format!(
            "{},{},{},{},{},{}",
            point.method,
            point.score,
            point.fraction,
            point.test_accuracy.mean,
            point.test_accuracy.std,
            vs_random.map_or_else(|| ",,".to_owned(), mean_and_interval)
        )
    });
    table(
        "method,score,fraction,test_accuracy,test_accuracy_std,vs_random,vs_random_low,vs_random_high",
        lines,
    )
}

/// One line per row and class.
fn samples(samples: &[RevisedSample]) -> String {
    let lines = samples.iter().flat_map(|sample| {
        (0..sample.target.len()).map(move |class| {
            format!(
                "{},{},{},{},{class},{},{},{},{}",
                sample.row,
                sample.label,
                sample.label_in_data,
                sample.teacher_top,
                sample.target[class],
                sample.label_revision[class],
                sample.probability_shift[class],
                sample.label_smoothing[class]
            )
        })
    });
    table(
        "row,label,label_in_data,teacher_top,class,target,label_revision,probability_shift,label_smoothing",
        lines,
    )
}
