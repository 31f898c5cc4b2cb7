//! Refusals, all before anything is written.

use super::builder::Place;
use super::host::{Batch, FeatureBatch};
use crate::spec::{ArgumentError, Dtd, IGNORE, LossSpec, StatsLevel, Temperature};

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
    batch: &Batch<S, T>,
) -> Result<Strides, ArgumentError> {
    let strides = matrices(classes, batch)?;
    let b = batch.rows;
    stats_are_expected(level, batch.stats.is_some())?;
    if let Some(stats) = &batch.stats {
        length("stats", stats.len(), b, b)?;
    }
    row_inputs(classes, batch)?;
    tau_is_expected(spec, batch.tau.is_some())?;
    if let Some(tau) = batch.tau {
        length("tau", tau.len(), b, b)?;
        let holds = |tau: f32| tau > 0.0 && tau.is_finite();
        per_row("tau", tau, holds, "finite and greater than 0")?;
    }
    upstream(batch.upstream.value())?;
    Ok(strides)
}

/// Lengths and strides of the matrices.
pub(crate) fn matrices<S, T>(
    classes: usize,
    batch: &Batch<S, T>,
) -> Result<Strides, ArgumentError> {
    let teacher = teacher(classes, batch)?;
    let [student, gradient] = of_student(
        &batch.student,
        batch.student_stride,
        batch.gradient.as_deref(),
        batch.gradient_stride,
        [batch.rows, classes],
    )?;
    Ok(Strides {
        student,
        gradient,
        teacher,
    })
}

/// Length and stride of the teacher's logits.
pub(crate) fn teacher<S, T>(classes: usize, batch: &Batch<S, T>) -> Result<usize, ArgumentError> {
    strided(
        ["teacher", "teacher stride"],
        batch.teacher.len(),
        batch.teacher_stride,
        [batch.rows, classes],
    )
}

/// Everything that a call on features is given; returns the strides.
pub(crate) fn features<S, T>(
    width: usize,
    batch: &FeatureBatch<S, T>,
) -> Result<Strides, ArgumentError> {
    let b = batch.rows;
    let teacher = strided(
        ["target", "target stride"],
        batch.target.len(),
        batch.target_stride,
        [b, width],
    )?;
    let [student, gradient] = of_student(
        &batch.student,
        batch.student_stride,
        batch.gradient.as_deref(),
        batch.gradient_stride,
        [b, width],
    )?;
    if let Some(distances) = &batch.distances {
        length("distances", distances.len(), b, b)?;
    }
    weights("weight", batch.weight, b)?;
    upstream(batch.upstream.value())?;
    Ok(Strides {
        student,
        gradient,
        teacher,
    })
}

/// Lengths and strides of the student and of its gradient.
fn of_student<S>(
    student: &Place<&[S], &mut [S]>,
    stride: Option<usize>,
    gradient: Option<&[S]>,
    gradient_stride: Option<usize>,
    shape: [usize; 2],
) -> Result<[usize; 2], ArgumentError> {
    let names = ["student", "student stride"];
    let stride = strided(names, student.read().len(), stride, shape)?;
    student.takes(gradient)?;
    let Some(gradient) = gradient else {
        return Ok([stride; 2]);
    };
    let names = ["gradient", "gradient stride"];
    let gradient = strided(names, gradient.len(), gradient_stride, shape)?;
    Ok([stride, gradient])
}

/// The stride of a matrix that is as long as its rows ask for.
fn strided(
    names: [&'static str; 2],
    given: usize,
    stride: Option<usize>,
    [rows, classes]: [usize; 2],
) -> Result<usize, ArgumentError> {
    let stride = stride.unwrap_or(classes);
    matrix(names, given, stride, rows, classes)?;
    Ok(stride)
}

/// Elements from the first row's first to the last one's last.
pub(crate) fn extent(rows: usize, stride: usize, classes: usize) -> Result<usize, ArgumentError> {
    let needed = match rows.checked_sub(1) {
        None => Some(0),
        Some(before_last) => before_last
            .checked_mul(stride)
            .and_then(|n| n.checked_add(classes)),
    };
    needed.ok_or(ArgumentError::TooLarge { rows, stride })
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
    let needed = extent(rows, stride, classes)?;
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
pub(crate) fn row_inputs<S, T>(classes: usize, batch: &Batch<S, T>) -> Result<(), ArgumentError> {
    length("labels", batch.labels.len(), batch.rows, batch.rows)?;
    labels(batch.labels, classes)?;
    weights("weight", batch.weight, batch.rows)?;
    weights("kd_weight", batch.kd_weight, batch.rows)
}

/// Weights are finite and not negative, one per row.
fn weights(
    argument: &'static str,
    given: Option<&[f32]>,
    rows: usize,
) -> Result<(), ArgumentError> {
    let Some(weights) = given else { return Ok(()) };
    length(argument, weights.len(), rows, rows)?;
    let holds = |w: f32| w >= 0.0 && w.is_finite();
    per_row(argument, weights, holds, "finite and not negative")
}

/// Records are given where the plan writes them.
pub(crate) fn stats_are_expected(level: StatsLevel, given: bool) -> Result<(), ArgumentError> {
    match (level, given) {
        (StatsLevel::None, true) => Err(ArgumentError::Unused {
            argument: "stats",
            why: "the plan was made with StatsLevel::None; give no room for records",
        }),
        _ => Ok(()),
    }
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
