//! Refusals, all before anything is written.

use super::rows::Rows;
use super::student::{RowLogits, Student};
use crate::spec::{ArgumentError, IGNORE, LossSpec, RowStats, StatsLevel, Temperature};

/// The strides of a call.
#[derive(Clone, Copy)]
pub(super) struct Strides {
    pub(super) student: usize,
    pub(super) gradient: usize,
    pub(super) teacher: usize,
}

/// Checks everything that a call is given; returns the strides.
pub(super) fn call<S, T>(
    spec: &LossSpec,
    level: StatsLevel,
    classes: usize,
    rows: &Rows<T>,
    student: &Student<S>,
    stats: &[RowStats],
) -> Result<Strides, ArgumentError> {
    let strides = matrices(classes, rows, student)?;
    let b = rows.labels.len();
    match level {
        StatsLevel::None if !stats.is_empty() => {
            return Err(ArgumentError::Unused {
                argument: "stats",
                why: "the plan was made with StatsLevel::None; pass an empty slice",
            });
        }
        StatsLevel::None => {}
        _ => length("stats", stats.len(), b, b)?,
    }
    row_inputs(classes, rows)?;
    temperatures(spec, rows)?;
    if !rows.upstream.is_finite() {
        return Err(ArgumentError::Scalar {
            argument: "upstream",
            given: rows.upstream,
            expected: "finite",
        });
    }
    Ok(strides)
}

/// Lengths and strides of the matrices.
pub(super) fn matrices<S, T>(
    classes: usize,
    rows: &Rows<T>,
    student: &Student<S>,
) -> Result<Strides, ArgumentError> {
    let b = rows.labels.len();
    let stride = student.stride.unwrap_or(classes);
    let teacher = teacher(classes, rows)?;
    let mut gradient = stride;
    match &student.logits {
        RowLogits::Alone(s) => matrix(["student", "student stride"], s.len(), stride, b, classes)?,
        RowLogits::InPlace(s) => {
            matrix(["student", "student stride"], s.len(), stride, b, classes)?
        }
        RowLogits::Apart(s, g) => {
            gradient = student.gradient_stride.unwrap_or(classes);
            matrix(["student", "student stride"], s.len(), stride, b, classes)?;
            matrix(
                ["gradient", "gradient stride"],
                g.len(),
                gradient,
                b,
                classes,
            )?;
        }
    }
    Ok(Strides {
        student: stride,
        gradient,
        teacher,
    })
}

/// Length and stride of the teacher's logits.
pub(super) fn teacher<T>(classes: usize, rows: &Rows<T>) -> Result<usize, ArgumentError> {
    let stride = rows.teacher_stride.unwrap_or(classes);
    let names = ["teacher", "teacher stride"];
    matrix(
        names,
        rows.teacher.len(),
        stride,
        rows.labels.len(),
        classes,
    )?;
    Ok(stride)
}

pub(super) fn matrix(
    [name, stride_name]: [&'static str; 2],
    given: usize,
    stride: usize,
    rows: usize,
    classes: usize,
) -> Result<(), ArgumentError> {
    if stride < classes {
        return Err(ArgumentError::Stride {
            argument: stride_name,
            given: stride,
            classes,
        });
    }
    let needed = match rows.checked_sub(1) {
        None => Some(0),
        Some(before_last) => before_last
            .checked_mul(stride)
            .and_then(|n| n.checked_add(classes)),
    };
    let needed = needed.ok_or(ArgumentError::TooLarge { rows, stride })?;
    if given < needed || (stride == classes && given != needed) {
        return Err(ArgumentError::Length {
            argument: name,
            given,
            needed,
            rows,
        });
    }
    Ok(())
}

pub(super) fn length(
    argument: &'static str,
    given: usize,
    needed: usize,
    rows: usize,
) -> Result<(), ArgumentError> {
    if given == needed {
        Ok(())
    } else {
        Err(ArgumentError::Length {
            argument,
            given,
            needed,
            rows,
        })
    }
}

/// Labels and weights.
pub(super) fn row_inputs<T>(classes: usize, rows: &Rows<T>) -> Result<(), ArgumentError> {
    let b = rows.labels.len();
    labels(rows.labels, classes)?;
    for (argument, values) in [("weight", rows.weight), ("kd_weight", rows.kd_weight)] {
        let Some(values) = values else { continue };
        length(argument, values.len(), b, b)?;
        let holds = |w: f32| w >= 0.0 && w.is_finite();
        per_row(argument, values, holds, "finite and not negative")?;
    }
    Ok(())
}

/// Labels are classes or [`IGNORE`].
pub(super) fn labels(labels: &[i32], classes: usize) -> Result<(), ArgumentError> {
    for (row, &given) in labels.iter().enumerate() {
        if given != IGNORE && usize::try_from(given).map_or(true, |y| y >= classes) {
            return Err(ArgumentError::Label {
                row,
                given,
                classes,
            });
        }
    }
    Ok(())
}

fn temperatures<T>(spec: &LossSpec, rows: &Rows<T>) -> Result<(), ArgumentError> {
    let argument = "tau";
    match (spec.temperature(), rows.tau) {
        (Temperature::PerRow | Temperature::Dtd(_), Some(tau)) => {
            length(argument, tau.len(), rows.labels.len(), rows.labels.len())?;
            let holds = |tau: f32| tau > 0.0 && tau.is_finite();
            per_row(argument, tau, holds, "finite and greater than 0")
        }
        (Temperature::PerRow, None) => Err(ArgumentError::Missing {
            argument,
            why: "the specification's temperature is \"per-row\"; give one value per row",
        }),
        (Temperature::Dtd(_), None) => Err(ArgumentError::Missing {
            argument,
            why: "the specification's temperature is \"dtd\"; compute it with dtd_temperatures",
        }),
        (_, Some(_)) => Err(ArgumentError::Unused {
            argument,
            why: "the specification has one temperature for all rows; use temperature \"per-row\"",
        }),
        (_, None) => Ok(()),
    }
}

pub(super) fn per_row(
    argument: &'static str,
    values: &[f32],
    holds: impl Fn(f32) -> bool,
    expected: &'static str,
) -> Result<(), ArgumentError> {
    match values.iter().position(|&v| !holds(v)) {
        None => Ok(()),
        Some(row) => Err(ArgumentError::RowParameter {
            argument,
            row,
            given: values[row],
            expected,
        }),
    }
}
