//! A teacher that knows nothing of the labels, or calls the classes otherwise.

use super::super::records::Records;
use crate::data::Agreement;
use crate::spec::RowFlags;

/// What is odd about the teacher's answers, if anything is.
pub(super) fn odd(classes: usize, labels: &[i32], records: &Records) -> Option<String> {
    Agreement::of(labelled(labels, records), classes).warning("the teacher")
}

/// Label and teacher's answer of the rows that have a label, a teacher and a weight.
fn labelled(labels: &[i32], records: &Records) -> impl Iterator<Item = [usize; 2]> {
    let rows = labels.iter().zip(records.outcomes());
    rows.filter_map(|(&label, outcome)| {
        let counts = outcome.teacher_top != u32::MAX && !outcome.flags.contains(RowFlags::OFF);
        let label = usize::try_from(label).ok()?;
        counts.then_some([label, outcome.teacher_top as usize])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::RowStats;

    #[test]
    fn rows_without_a_label_are_not_counted() {
        let record = |b: u32| RowStats {
            teacher_top: b / 10 % 10,
            ..RowStats::default()
        };
        let records = Records::Single((0..100).map(record).collect());
        let mut labels: Vec<i32> = (0..100).map(|b| b % 10).collect();
        let all = odd(10, &labels, &records).unwrap();
        assert!(all.contains("10 of 100 rows"), "{all}");
        labels[..60].fill(crate::spec::IGNORE);
        assert_eq!(odd(10, &labels, &records), None);
    }
}
