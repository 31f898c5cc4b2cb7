//! Losses that are NaN or infinite.

use super::super::records::{Outcome, Records};
use super::numbers::counted;
use super::scan::{NAMED, Scan, Spoilt};
use crate::spec::{LossSpec, RowFlags};

/// Names the first rows whose loss is no finite number, and why; `scans` are those of student and
/// teacher.
pub(super) fn without_number(
    spec: &LossSpec,
    records: &Records,
    scans: [&Scan; 2],
) -> Option<String> {
    let (mut count, mut named, mut unused_teacher) = (0, Vec::new(), false);
    for (row, outcome) in records.outcomes().enumerate() {
        if outcome.loss.is_finite() {
            continue;
        }
        count += 1;
        if named.len() < NAMED {
            let spoilt = scans.map(|scan| scan.spoilt(row));
            unused_teacher |= spoilt[1].is_some() && outcome.flags.contains(RowFlags::UNSELECTED);
            named.push(match why(spec, &outcome, spoilt) {
                Some(why) => format!("row {row} ({why})"),
                None => format!("row {row}"),
            });
        }
    }
    (count > 0).then(|| {
        format!(
            "the loss of {} is NaN or infinite: {}{}; correct the logits or leave such rows out \
             with --weights 0{}",
            counted(count, "row", "rows"),
            named.join(", "),
            and_more(count - named.len()),
            match unused_teacher {
                true => " (a teacher row of --kd-weights 0 needs finite logits too, such as 0)",
                false => "",
            }
        )
    })
}

fn and_more(count: usize) -> String {
    match count {
        0 => String::new(),
        count => format!(" and {count} more"),
    }
}

fn why(spec: &LossSpec, outcome: &Outcome, spoilt: [Option<Spoilt>; 2]) -> Option<String> {
    let side = spec.side(outcome.flags.contains(RowFlags::WRONG));
    let supervised = side.lambda_kd > 0.0 && !outcome.flags.contains(RowFlags::UNSELECTED);
    match spoilt {
        [Some(student), _] => Some(format!("the student {}", student.why())),
        [_, Some(teacher)] => Some(format!("the teacher {}", teacher.why())),
        _ if side.lambda_ce > 0.0 && outcome.ce == f64::INFINITY => {
            Some("the student masks the label's class".to_owned())
        }
        _ if supervised && outcome.kd == f64::INFINITY => Some(
            "the divergence is infinite, as with a class that only one of the two masks".to_owned(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::loss::logits::Logits;
    use crate::spec::{Preset, RowStats};

    const NAN: f32 = f32::NAN;

    fn record(loss: f32, kd: f32, ce: f32, flags: RowFlags) -> RowStats {
        RowStats {
            loss,
            kd,
            ce,
            flags,
            ..RowStats::default()
        }
    }

    fn scan(logits: &[f32]) -> Scan {
        Scan::new(&Logits::Single(logits.to_vec()), 1, None)
    }

    fn found(rows: &[RowStats], student: &[f32], teacher: &[f32]) -> Option<String> {
        let records = Records::Single(rows.to_vec());
        let scans = [&scan(student), &scan(teacher)];
        without_number(&Preset::Kd.spec(), &records, scans)
    }

    #[test]
    fn finite_losses_are_fine() {
        let fine = record(0.5, f32::INFINITY, 0.5, RowFlags::INFINITE);
        assert_eq!(found(&[fine], &[0.0], &[0.0]), None);
    }

    #[test]
    fn causes_are_told_apart() {
        let infinity = f32::INFINITY;
        let rows = [
            record(NAN, NAN, NAN, RowFlags::NONFINITE),
            record(NAN, NAN, NAN, RowFlags::NONFINITE | RowFlags::UNSELECTED),
            record(infinity, 1.0, infinity, RowFlags::INFINITE),
            record(infinity, infinity, 1.0, RowFlags::INFINITE),
            record(infinity, 1.0, 1.0, RowFlags::default()),
        ];
        let text = found(
            &rows,
            &[NAN, 0.0, 0.0, 0.0, 0.0],
            &[0.0, infinity, 0.0, 0.0, 0.0],
        );
        assert_eq!(
            text.unwrap(),
            "the loss of 5 rows is NaN or infinite: row 0 (the student has NaN), row 1 (the teacher \
             has +inf), row 2 (the student masks the label's class), row 3 (the divergence is \
             infinite, as with a class that only one of the two masks), row 4; correct the logits or \
             leave such rows out with --weights 0 (a teacher row of --kd-weights 0 needs finite \
             logits too, such as 0)"
        );
    }

    #[test]
    fn the_first_rows_are_named_and_the_others_counted() {
        let rows = [record(NAN, NAN, NAN, RowFlags::NONFINITE); 7];
        let text = found(&rows, &[NAN; 7], &[0.0; 7]).unwrap();
        assert!(
            text.contains("row 4 (the student has NaN) and 2 more; "),
            "{text}"
        );
        assert!(
            !text.contains("row 5") && !text.contains("--kd-weights"),
            "{text}"
        );
    }
}
