//! A teacher that knows nothing of the labels, or calls the classes otherwise.

use super::super::records::Records;
use crate::spec::RowFlags;
use std::collections::{HashMap, HashSet};

/// From so many rows on the teacher is held against the labels.
const FEWEST_ROWS: usize = 50;
/// Two standard errors may be this share of the rows: with more, a weak teacher looks like none.
const WIDEST: f64 = 0.1;

/// A label and what the teacher says.
type Pair = [usize; 2];

/// Asks about the order of rows, or names the other order of classes, where the teacher agrees with
/// the labels in no more rows than chance explains.
pub(super) fn at_chance(classes: usize, labels: &[i32], records: &Records) -> Option<String> {
    let rows = labelled(labels, records).count();
    let hits = labelled(labels, records).filter(|[label, top]| label == top);
    let hits = hits.count();
    if !is_chance(hits, rows, classes) {
        return None;
    }
    let pairs: Vec<Pair> = labelled(labels, records).collect();
    let why = shifted(&pairs, classes)
        .or_else(|| permuted(&pairs, classes))
        .unwrap_or_else(|| "are teacher and labels in the same order?".to_owned());
    Some(format!(
        "the teacher agrees with the labels in {hits} of {rows} rows, which is no more than chance \
         for {classes} classes: {why}"
    ))
}

/// The rows that have a label, a teacher and a weight.
fn labelled(labels: &[i32], records: &Records) -> impl Iterator<Item = Pair> {
    let rows = labels.iter().zip(records.outcomes());
    rows.filter_map(|(&label, outcome)| {
        let counts = outcome.teacher_top != u32::MAX && !outcome.flags.contains(RowFlags::OFF);
        let label = usize::try_from(label).ok()?;
        counts.then_some([label, outcome.teacher_top as usize])
    })
}

/// Fewer hits than 1/V of the rows and two standard errors more, where that tells something.
fn is_chance(hits: usize, rows: usize, classes: usize) -> bool {
    let chance = 1.0 / classes as f64;
    let margin = 2.0 * (chance * (1.0 - chance) / rows as f64).sqrt();
    let tells = rows >= FEWEST_ROWS && classes > 1 && margin <= WIDEST;
    tells && (hits as f64) < rows as f64 * (chance + margin)
}

/// Whether another order of the classes explains the labels when it makes so many hits: most of the
/// rows, and thrice what chance does, or three quarters where there are few classes.
fn explains(hits: usize, rows: usize, classes: usize) -> bool {
    let share = hits as f64 / rows as f64;
    share > 0.5 && share >= (3.0 / classes as f64).min(0.75)
}

/// The teacher's classes, turned round.
fn shifted(pairs: &[Pair], classes: usize) -> Option<String> {
    let mut counts = vec![0; classes];
    for [label, top] in pairs {
        counts[(top + classes - label) % classes] += 1;
    }
    let shift = (1..classes).max_by_key(|&shift| counts[shift])?;
    explains(counts[shift], pairs.len(), classes).then(|| {
        format!(
            "its classes look shifted by {shift} (label 0 is the teacher's class {shift}), which \
             explains {} rows",
            counts[shift]
        )
    })
}

/// The teacher's classes, matched to the labels: the most frequent pair first. Rows are few where
/// there are many classes, and some pairs always fit.
fn permuted(pairs: &[Pair], classes: usize) -> Option<String> {
    if pairs.len() < classes.saturating_mul(5) {
        return None;
    }
    let mut counts: HashMap<Pair, usize> = HashMap::new();
    for pair in pairs {
        *counts.entry(*pair).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|&(pair, count)| (std::cmp::Reverse(count), pair));
    let [mut labels, mut tops] = [(); 2].map(|()| HashSet::new());
    counts.retain(|([label, top], _)| {
        let free = !labels.contains(label) && !tops.contains(top);
        free && labels.insert(*label) && tops.insert(*top)
    });
    let hits = counts.iter().map(|(_, count)| count).sum();
    let ([label, top], _) = *counts.iter().find(|([label, top], _)| label != top)?;
    explains(hits, pairs.len(), classes).then(|| {
        format!(
            "its classes look permuted (label {label} is the teacher's class {top}), which \
             explains {hits} rows"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::RowStats;

    /// `rows` labels in turn, and a teacher that answers each with `top`.
    fn found(rows: usize, classes: usize, top: impl Fn(usize) -> usize) -> Option<String> {
        let labels: Vec<i32> = (0..rows).map(|b| (b % classes) as i32).collect();
        at_chance(classes, &labels, &teacher(rows, top))
    }

    fn teacher(rows: usize, top: impl Fn(usize) -> usize) -> Records {
        let record = |b| RowStats {
            teacher_top: top(b) as u32,
            ..RowStats::default()
        };
        Records::Single((0..rows).map(record).collect())
    }

    /// Unrelated to b mod 10.
    fn another_order(b: usize) -> usize {
        b / 10 % 10
    }

    #[test]
    fn a_teacher_of_other_rows_is_at_chance() {
        assert_eq!(
            found(100, 10, another_order).unwrap(),
            "the teacher agrees with the labels in 10 of 100 rows, which is no more than chance for \
             10 classes: are teacher and labels in the same order?"
        );
    }

    #[test]
    fn teachers_that_are_weak_or_seldom_seen_are_fine() {
        let weak = |b| if b < 20 { b % 10 } else { another_order(b) };
        assert_eq!(found(100, 10, weak), None, "26 of 100");
        assert_eq!(found(40, 10, another_order), None, "few rows");
        assert_eq!(found(60, 2, |b| b / 2 % 2), None, "chance is too wide");
        assert_eq!(found(100, 1, |_| 0), None, "one class");
    }

    #[test]
    fn rows_without_a_label_are_not_counted() {
        let mut labels: Vec<i32> = (0..100).map(|b| b % 10).collect();
        labels[..60].fill(crate::spec::IGNORE);
        assert_eq!(at_chance(10, &labels, &teacher(100, another_order)), None);
    }

    #[test]
    fn other_orders_of_the_classes_are_named() {
        let shifted = found(100, 10, |b| (b + 3) % 10).unwrap();
        assert!(
            shifted.contains("shifted by 3 (label 0 is the teacher's class 3)"),
            "{shifted}"
        );
        let swapped = found(100, 2, |b| (b + 1) % 2).unwrap();
        assert!(swapped.contains("shifted by 1"), "{swapped}");
        let mirrored = found(100, 10, |b| 9 - b % 10).unwrap();
        assert!(
            mirrored.contains("permuted (label 0 is the teacher's class 9)"),
            "{mirrored}"
        );
        assert!(mirrored.contains("explains 100 rows"), "{mirrored}");
        let sparse = found(60, 30, |b| 29 - b % 30).unwrap();
        assert!(
            sparse.contains("same order?"),
            "two rows per class fit any order: {sparse}"
        );
    }
}
