//! The batch: what is refused, and how rows are counted.

use super::row::{Row, is_wrong};
use super::softmax::has_finite_maximum;
use crate::spec::{ArgumentError, IGNORE, LossSpec, Reduction, Temperature};

/// One batch of B rows with V classes. Logits are widened to f64, exactly for f32, f16 and bf16.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Student logits `s[B,V]`, dense. −∞ masks a class.
    pub student: &'a [f64],
    /// Teacher logits `t[B,V]`, dense. −∞ masks a class.
    pub teacher: &'a [f64],
    /// V.
    pub classes: usize,
    /// Labels `y[B]`, each in `0..V` or [`IGNORE`]. Their number is B.
    pub labels: &'a [i32],
    /// Row weights `w[B]`, finite and ≥ 0; 1 where absent.
    pub weight: Option<&'a [f32]>,
    /// What λ_kd is multiplied by, per row: `[B]`, finite and ≥ 0; 1 where absent. 0 is a row that
    /// the teacher does not supervise.
    pub kd_weight: Option<&'a [f32]>,
    /// τ per row: `[B]`, finite and > 0. With [`Temperature::PerRow`] and [`Temperature::Dtd`] it
    /// has to be there, with the others it must not.
    pub tau: Option<&'a [f32]>,
    /// The factor of the total and of the gradient (∂ of what comes after; also a loss scale).
    pub upstream: f32,
}

impl<'a> Batch<'a> {
    /// B.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn row(&self, b: usize) -> Row<'a> {
        let classes = b * self.classes..(b + 1) * self.classes;
        let of = |values: Option<&[f32]>| values.map_or(1.0, |values| f64::from(values[b]));
        Row {
            student: &self.student[classes.clone()],
            teacher: &self.teacher[classes],
            label: self.labels[b],
            weight: of(self.weight),
            kd_weight: of(self.kd_weight),
            tau: of(self.tau),
        }
    }

    pub(super) fn check_lengths(&self) -> Result<(), ArgumentError> {
        let rows = self.rows();
        if LossSpec::check_classes(self.classes).is_err() {
            return Err(ArgumentError::Scalar {
                argument: "classes",
                given: self.classes as f32,
                expected: "between 1 and 2^31 − 1",
            });
        }
        let too_large = ArgumentError::TooLarge {
            rows,
            stride: self.classes,
        };
        let logits = rows.checked_mul(self.classes).ok_or(too_large)?;
        let length = |values: Option<&[f32]>| values.map_or(rows, <[f32]>::len);
        for (argument, given, needed) in [
            ("student", self.student.len(), logits),
            ("teacher", self.teacher.len(), logits),
            ("weight", length(self.weight), rows),
            ("kd_weight", length(self.kd_weight), rows),
            ("tau", length(self.tau), rows),
        ] {
            if given != needed {
                return Err(ArgumentError::Length {
                    argument,
                    given,
                    needed,
                    rows,
                });
            }
        }
        Ok(())
    }

    /// What every engine refuses: lengths, a τ that is missing or useless, an upstream that is not
    /// finite.
    pub(super) fn check(&self, spec: &LossSpec) -> Result<(), ArgumentError> {
        self.check_lengths()?;
        let per_row = matches!(
            spec.temperature(),
            Temperature::PerRow | Temperature::Dtd(_)
        );
        match (per_row, self.tau) {
            (true, None) => Err(ArgumentError::Missing {
                argument: "tau",
                why: "the temperature is one per row: give the caller's own for \"per-row\", and \
                      for \"dtd\" what `dtd_temperatures` returns",
            }),
            (false, Some(_)) => Err(ArgumentError::Unused {
                argument: "tau",
                why: "the specification's temperature is one for all rows",
            }),
            _ if !self.upstream.is_finite() => Err(ArgumentError::Scalar {
                argument: "upstream",
                given: self.upstream,
                expected: "finite",
            }),
            _ => Ok(()),
        }
    }

    /// What an engine on the host refuses besides: the first row with a label or a parameter out
    /// of range.
    pub(super) fn check_rows(&self) -> Result<(), ArgumentError> {
        (0..self.rows()).try_for_each(|row| self.check_row(row))
    }

    fn check_row(&self, row: usize) -> Result<(), ArgumentError> {
        let given = self.labels[row];
        if given != IGNORE && !(0..self.classes as i64).contains(&i64::from(given)) {
            return Err(ArgumentError::Label {
                row,
                given,
                classes: self.classes,
            });
        }
        let not_negative: fn(f32) -> bool = |v| v.is_finite() && v >= 0.0;
        let positive: fn(f32) -> bool = |v| v.is_finite() && v > 0.0;
        for (argument, values, holds, expected) in [
            ("weight", self.weight, not_negative, "finite and ≥ 0"),
            ("kd_weight", self.kd_weight, not_negative, "finite and ≥ 0"),
            ("tau", self.tau, positive, "finite and > 0"),
        ] {
            if let Some(given) = values.map(|values| values[row])
                && !holds(given)
            {
                return Err(ArgumentError::RowParameter {
                    argument,
                    row,
                    given,
                    expected,
                });
            }
        }
        Ok(())
    }
}

/// `[right, wrong]`: the rows with w ≠ 0 in each group, which depend on t, y and w only.
///
/// A row is wrong when y is a class and `t_y < max_c t_c`. Rows without a label are right, and so
/// are rows that t, y and w alone flag: a label or a weight out of range, or teacher logits that
/// are NaN, +∞ or −∞ throughout. (What only s, kd_weight or τ flags stays in its group, so that a
/// caller can count once for all epochs.)
#[must_use]
pub fn counts(batch: &Batch) -> [u32; 2] {
    let mut counts = [0; 2];
    let teacher = batch.teacher.chunks_exact(batch.classes.max(1));
    for (b, (teacher, &label)) in teacher.zip(batch.labels).enumerate() {
        let weight = batch.weight.and_then(|w| w.get(b)).map_or(1.0, |&w| w);
        if weight != 0.0 {
            counts[group(teacher, label, weight.into())] += 1;
        }
    }
    counts
}

/// 1 for a wrong row, 0 for a right one.
pub(super) fn group(teacher: &[f64], label: i32, weight: f64) -> usize {
    let legal = weight.is_finite() && weight >= 0.0 && has_finite_maximum(teacher);
    usize::from(legal && is_wrong(teacher, label))
}

/// `inv_n` of right and wrong rows; 0 for a group without rows.
pub(super) fn inverse_counts(reduction: Reduction, counts: [u32; 2]) -> [f64; 2] {
    let inverse = |n: u32| if n == 0 { 0.0 } else { 1.0 / f64::from(n) };
    match reduction {
        Reduction::Sum => [1.0; 2],
        Reduction::Mean => [inverse(counts[0] + counts[1]); 2],
        Reduction::MeanPerGroup => counts.map(inverse),
    }
}
