//! How far a teacher's answers go with the labels, and what may be wrong where they do not.

use std::collections::BTreeMap;

/// From so many rows on answers are held against labels.
const FEWEST_ROWS: usize = 50;
/// Two standard errors may be this share of the rows: with more, a weak teacher looks like none.
const WIDEST: f64 = 0.1;
/// Rows that a class needs before most of them say something: any order fits one or two.
const FEWEST_OF_CLASS: usize = 5;

/// How often each label is given each answer.
pub(crate) struct Agreement {
    /// By label, then answer; only what occurs, of which there are no more than rows.
    counts: BTreeMap<[usize; 2], usize>,
    /// Rows of each label, and of each answer.
    labels: BTreeMap<usize, usize>,
    answers: BTreeMap<usize, usize>,
    rows: usize,
    hits: usize,
    classes: usize,
}

impl Agreement {
    /// Counts pairs of a label and the answer to its row.
    pub(crate) fn of(pairs: impl Iterator<Item = [usize; 2]>, classes: usize) -> Self {
        let mut agreement = Self {
            counts: BTreeMap::new(),
            labels: BTreeMap::new(),
            answers: BTreeMap::new(),
            rows: 0,
            hits: 0,
            classes,
        };
        for [label, answer] in pairs {
            *agreement.counts.entry([label, answer]).or_default() += 1;
            *agreement.labels.entry(label).or_default() += 1;
            *agreement.answers.entry(answer).or_default() += 1;
            agreement.rows += 1;
            agreement.hits += usize::from(label == answer);
        }
        agreement
    }

    /// A warning where the classes seem to be in another order, or where chance alone would make as
    /// many hits; `whose` is who answers.
    pub(crate) fn warning(&self, whose: &str) -> Option<String> {
        let why = match self.other_order() {
            Some(order) => format!(": its classes look {order}"),
            None if self.is_chance() => format!(
                ", which is no more than chance for {} classes: are teacher and labels in the same \
                 order?",
                self.classes
            ),
            None => return None,
        };
        let (hits, rows) = (self.hits, self.rows);
        Some(format!(
            "{whose} agrees with the labels in {hits} of {rows} rows{why}"
        ))
    }

    /// Whether hits are within three standard errors of those of answers that are as common as these
    /// and know nothing of the labels, where that tells something.
    fn is_chance(&self) -> bool {
        let rows = self.rows as f64;
        let share = |count: usize| count as f64 / rows;
        let both = self.labels.iter().filter_map(|(class, &labels)| {
            let answers = *self.answers.get(class)?;
            Some(share(labels) * share(answers))
        });
        let chance: f64 = both.sum();
        let even = 1.0 / self.classes as f64;
        let error = |chance: f64| (chance * (1.0 - chance) / rows).sqrt();
        let tells = self.rows >= FEWEST_ROWS && self.classes > 1 && 2.0 * error(even) <= WIDEST;
        tells && share(self.hits) <= chance + 3.0 * error(chance)
    }

    /// The order that the answers' classes seem to have: some labels mostly get the answer of another
    /// class, which in turn is mostly given to them. Confusion alone does not do both at once, and
    /// not to two classes.
    fn other_order(&self) -> Option<String> {
        let most = |count: usize, of: usize| of >= FEWEST_OF_CLASS && 2 * count > of;
        let is_pair = |&([label, answer], count): &(&[usize; 2], &usize)| {
            label != answer
                && most(*count, self.labels[label])
                && most(*count, self.answers[answer])
        };
        let moved: Vec<[usize; 2]> = self
            .counts
            .iter()
            .filter(is_pair)
            .map(|(p, _)| *p)
            .collect();
        let [first, _, ..] = moved[..] else {
            return None;
        };
        let shift = |[label, answer]: [usize; 2]| (answer + self.classes - label) % self.classes;
        let [label, answer] = first;
        let all = moved.len() == self.labels.len();
        Some(
            match moved.iter().all(|&pair| shift(pair) == shift(first)) {
                true if all => format!(
                    "shifted by {} (label {label} is its class {answer})",
                    shift(first)
                ),
                _ => format!(
                    "permuted (label {label} is its class {answer}, and {} more)",
                    moved.len() - 1
                ),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `rows` labels in turn, and the answer to each row.
    fn found(rows: usize, classes: usize, answer: impl Fn(usize) -> usize) -> Option<String> {
        let pairs = (0..rows).map(|row| [row % classes, answer(row)]);
        Agreement::of(pairs, classes).warning("the teacher")
    }

    /// Unrelated to row mod 10.
    fn another_order(row: usize) -> usize {
        row / 10 % 10
    }

    #[test]
    fn a_teacher_of_other_rows_is_at_chance() {
        assert_eq!(
            found(100, 10, another_order).unwrap(),
            "the teacher agrees with the labels in 10 of 100 rows, which is no more than chance for \
             10 classes: are teacher and labels in the same order?"
        );
        // One that answers the same to everything knows nothing, however common that label is.
        assert!(found(100, 5, |_| 2).is_some());
        let pairs = (0..100).map(|row| [usize::from(row >= 90), 0]);
        assert!(Agreement::of(pairs, 2).warning("it").is_some());
    }

    #[test]
    fn teachers_that_are_weak_or_seldom_seen_are_fine() {
        let weak = |row| match row < 20 {
            true => row % 10,
            false => another_order(row),
        };
        assert_eq!(found(100, 10, weak), None, "26 of 100");
        assert_eq!(found(40, 10, another_order), None, "few rows");
        assert_eq!(found(60, 2, |row| row / 2 % 2), None, "chance is too wide");
        assert_eq!(found(100, 1, |_| 0), None, "one class");
        // A teacher that never knows one class is only weak.
        let blind = |row| if row % 5 == 4 { 3 } else { row % 5 };
        assert_eq!(found(100, 5, blind), None);
        let rough = |row| match row < 20 {
            true => (row + 1) % 5,
            false => row % 5,
        };
        assert_eq!(found(100, 5, rough), None);
    }

    #[test]
    fn other_orders_of_the_classes_are_named() {
        let shifted = found(100, 10, |row| (row + 3) % 10).unwrap();
        assert!(
            shifted.contains("shifted by 3 (label 0 is its class 3)"),
            "{shifted}"
        );
        let swapped = found(100, 2, |row| (row + 1) % 2).unwrap();
        assert!(swapped.contains("shifted by 1"), "{swapped}");
        let mirrored = found(100, 10, |row| 9 - row % 10).unwrap();
        assert!(
            mirrored.contains("permuted (label 0 is its class 9, and 9 more)"),
            "{mirrored}"
        );
        // Two classes exchanged leave it far above chance.
        let two = found(100, 5, |row| [1, 0, 2, 3, 4][row % 5]).unwrap();
        assert!(
            two.contains("60 of 100 rows: its classes look permuted (label 0 is its class 1"),
            "{two}"
        );
        let sparse = found(60, 30, |row| 29 - row % 30).unwrap();
        assert!(
            sparse.contains("same order?"),
            "two rows per class fit any order: {sparse}"
        );
    }
}
