//! Refusals, all before anything is written.

use super::feature::FeatureRows;
use super::rows::Rows;
use super::student::{RowLogits, Student};
use crate::spec::{ArgumentError, Dtd, IGNORE, LossSpec, RowStats, StatsLevel, Temperature};

/// The strides of a call.
#[derive(Clone, Copy)]
pub(crate) struct Strides {
    pub(crate) student: usize,
    pub(crate) gradient: usize,
    pub(crate) teacher: usize,
}

/// Checks everything that a call is given; returns the strides.
pub(crate) fn call<S, T>(
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
    upstream(rows.upstream)?;
    Ok(strides)
}

/// Lengths and strides of the matrices.
pub(crate) fn matrices<S, T>(
    classes: usize,
    rows: &Rows<T>,
    student: &Student<S>,
) -> Result<Strides, ArgumentError> {
    let teacher = teacher(classes, rows)?;
    Ok(Strides {
        teacher,
        ..of_student(classes, rows.labels.len(), student)?
    })
}

/// Everything that a call on features is given; returns the strides.
pub(crate) fn features<S, T>(
    width: usize,
    rows: &FeatureRows<T>,
    student: &Student<S>,
    distances: &[f32],
) -> Result<Strides, ArgumentError> {
    let b = rows.rows;
    let names = ["target", "target stride"];
    let target = rows.stride.unwrap_or(width);
    matrix(names, rows.target.len(), target, b, width)?;
    let strides = Strides {
        teacher: target,
        ..of_student(width, b, student)?
    };
    if !distances.is_empty() {
        length("distances", distances.len(), b, b)?;
    }
    if let Some(weight) = rows.weight {
        length("weight", weight.len(), b, b)?;
        let holds = |w: f32| w >= 0.0 && w.is_finite();
        per_row("weight", weight, holds, "finite and not negative")?;
    }
    upstream(rows.upstream)?;
    Ok(strides)
}

/// Lengths and strides of the student and of its gradient.
fn of_student<S>(classes: usize, b: usize, student: &Student<S>) -> Result<Strides, ArgumentError> {
    let (s, g) = match &student.logits {
        RowLogits::Alone(s) => (s.len(), None),
        RowLogits::InPlace(s) => (s.len(), None),
        RowLogits::Apart(s, g) => (s.len(), Some(g.len())),
    };
    let stride = student.stride.unwrap_or(classes);
    matrix(["student", "student stride"], s, stride, b, classes)?;
    let mut gradient = stride;
    if let Some(g) = g {
        gradient = student.gradient_stride.unwrap_or(classes);
        let names = ["gradient", "gradient stride"];
        matrix(names, g, gradient, b, classes)?;
    }
    Ok(Strides {
        student: stride,
        gradient,
        teacher: 0,
    })
}

/// Length and stride of the teacher's logits.
pub(crate) fn teacher<T>(classes: usize, rows: &Rows<T>) -> Result<usize, ArgumentError> {
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

pub(crate) fn matrix(
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

pub(crate) fn length(
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
pub(crate) fn row_inputs<T>(classes: usize, rows: &Rows<T>) -> Result<(), ArgumentError> {
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
pub(crate) fn labels(labels: &[i32], classes: usize) -> Result<(), ArgumentError> {
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

/// The dynamic temperatures that a specification asks for.
pub(crate) fn dtd(spec: &LossSpec) -> Result<Dtd, ArgumentError> {
    match spec.temperature() {
        Temperature::Dtd(dtd) => Ok(dtd),
        _ => Err(ArgumentError::Unused {
            argument: "tau",
            why: "the specification's temperature is not \"dtd\"",
        }),
    }
}

fn temperatures<T>(spec: &LossSpec, rows: &Rows<T>) -> Result<(), ArgumentError> {
    tau_is_expected(spec, rows.tau.is_some())?;
    let Some(tau) = rows.tau else { return Ok(()) };
    length("tau", tau.len(), rows.labels.len(), rows.labels.len())?;
    let holds = |tau: f32| tau > 0.0 && tau.is_finite();
    per_row("tau", tau, holds, "finite and greater than 0")
}

/// Temperatures per row are given where, and only where, the specification asks for them.
pub(crate) fn tau_is_expected(spec: &LossSpec, given: bool) -> Result<(), ArgumentError> {
    let argument = "tau";
    match (spec.temperature(), given) {
        (Temperature::PerRow, false) => Err(ArgumentError::Missing {
            argument,
            why: "the specification's temperature is \"per-row\"; give one value per row",
        }),
        (Temperature::Dtd(_), false) => Err(ArgumentError::Missing {
            argument,
            why: "the specification's temperature is \"dtd\"; compute it with dtd_temperatures",
        }),
        (Temperature::Fixed(_) | Temperature::Standardised { .. }, true) => {
            Err(ArgumentError::Unused {
                argument,
                why: "the specification has one temperature for all rows; use temperature \"per-row\"",
            })
        }
        _ => Ok(()),
    }
}

/// What everything is multiplied by is a number.
pub(crate) fn upstream(given: f32) -> Result<(), ArgumentError> {
    if given.is_finite() {
        Ok(())
    } else {
        Err(ArgumentError::Scalar {
            argument: "upstream",
            given,
            expected: "finite",
        })
    }
}

pub(crate) fn per_row(
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
