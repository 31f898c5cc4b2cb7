//! The arguments of a call, checked.

use super::buffers::{Buffers, Gradient, Slice, Upstream};
use super::error::Error;
use super::pieces::{Matrix, Vector};
use super::plan::Plan;
use crate::batch::check;
use crate::spec::{ArgumentError, RowStats, StatsLevel};

/// Everything that a call was given, each within its buffer.
pub(super) struct Arguments<'a> {
    pub(super) rows: u32,
    pub(super) student: Matrix<'a>,
    pub(super) teacher: Matrix<'a>,
    /// Where the gradient goes; in place, the student again.
    pub(super) gradient: Option<Matrix<'a>>,
    pub(super) in_place: bool,
    pub(super) labels: Vector<'a>,
    pub(super) weight: Option<Vector<'a>>,
    pub(super) kd_weight: Option<Vector<'a>>,
    pub(super) tau: Option<Vector<'a>>,
    pub(super) tau_out: Option<Vector<'a>>,
    pub(super) upstream: Option<Vector<'a>>,
    pub(super) stats: Option<Vector<'a>>,
    pub(super) total: Option<Vector<'a>>,
    pub(super) workspace: Option<Vector<'a>>,
}

impl<'a> Arguments<'a> {
    /// What the row program takes.
    pub(super) fn of_row_program(plan: &Plan, buffers: &Buffers<'a>) -> Result<Self, Error> {
        let mut all = Self::of_prologue(plan, buffers)?;
        let (spec, level) = (&plan.shape.spec, plan.shape.options.level);
        let shape = [all.rows, plan.shape.classes];
        let format = plan.shape.options.student;
        let vector = |name, slice: Option<Slice<'a>>, bytes, rows| {
            slice
                .map(|slice| Vector::new(name, slice, bytes, rows, plan.alignment()))
                .transpose()
        };
        all.in_place = matches!(buffers.gradient, Gradient::InPlace);
        all.gradient = match buffers.gradient {
            Gradient::Nowhere => None,
            Gradient::InPlace => Some(all.student),
            Gradient::Apart(slice) => {
                let names = ["gradient", "gradient stride"];
                let stride = buffers.gradient_stride;
                Some(Matrix::new(names, slice, format, stride, shape)?)
            }
        };
        all.kd_weight = vector("kd_weight", buffers.kd_weight, 4, all.rows)?;
        check::tau_is_expected(spec, buffers.tau.is_some())?;
        all.tau = vector("tau", buffers.tau, 4, all.rows)?;
        match buffers.upstream {
            Upstream::Host(upstream) => check::upstream(upstream)?,
            Upstream::Device(slice) => all.upstream = vector("upstream", Some(slice), 4, 1)?,
        }
        match (level, buffers.stats) {
            (StatsLevel::None, Some(_)) => {
                return Err(Error::Argument(ArgumentError::Unused {
                    argument: "stats",
                    why: "the plan was made with StatsLevel::None",
                }));
            }
            (StatsLevel::Loss | StatsLevel::Full, None) => {
                return Err(Error::Argument(ArgumentError::Missing {
                    argument: "stats",
                    why: "the plan writes records; give 64 bytes per row, or plan with \
                          StatsLevel::None",
                }));
            }
            _ => {}
        }
        let record = size_of::<RowStats>() as u64;
        all.stats = vector("stats", buffers.stats, record, all.rows)?;
        all.total = vector("total", buffers.total, 4, 1)?;
        all.apart()?;
        Ok(all)
    }

    /// What dynamic temperatures take.
    pub(super) fn of_temperatures(
        plan: &Plan,
        buffers: &Buffers<'a>,
        tau: Slice<'a>,
    ) -> Result<Self, Error> {
        check::dtd(&plan.shape.spec)?;
        let mut all = Self::of_prologue(plan, buffers)?;
        all.tau_out = Some(Vector::new("tau", tau, 4, all.rows, plan.alignment())?);
        all.apart()?;
        Ok(all)
    }

    fn of_prologue(plan: &Plan, buffers: &Buffers<'a>) -> Result<Self, Error> {
        let (options, classes) = (plan.shape.options, plan.shape.classes);
        // Rows and their workgroups are counted in 32 bits.
        let Ok(Ok(rows)) = i32::try_from(buffers.rows).map(u32::try_from) else {
            return Err(Error::Argument(ArgumentError::TooLarge {
                rows: buffers.rows,
                stride: classes as usize,
            }));
        };
        let shape = [rows, classes];
        let vector = |name, slice| Vector::new(name, slice, 4, rows, plan.alignment());
        let workspace = |slice| {
            let bytes = plan.workspace_bytes(buffers.rows);
            Vector::new("workspace", slice, bytes, 1, plan.alignment())
        };
        Ok(Self {
            rows,
            teacher: Matrix::new(
                ["teacher", "teacher stride"],
                buffers.teacher,
                options.teacher,
                buffers.teacher_stride,
                shape,
            )?,
            student: Matrix::new(
                ["student", "student stride"],
                buffers.student,
                options.student,
                buffers.student_stride,
                shape,
            )?,
            gradient: None,
            in_place: false,
            labels: vector("labels", buffers.labels)?,
            weight: buffers
                .weight
                .map(|slice| vector("weight", slice))
                .transpose()?,
            kd_weight: None,
            tau: None,
            tau_out: None,
            upstream: None,
            stats: None,
            total: None,
            workspace: buffers.workspace.map(workspace).transpose()?,
        })
    }

    fn apart(&self) -> Result<(), Error> {
        let of_matrix = |m: Matrix<'a>| (m.name, m.slice, m.bytes(self.rows));
        let of_rows = |v: Vector<'a>| (v.name, v.slice, v.bytes * u64::from(self.rows));
        let of_one = |v: Vector<'a>| (v.name, v.slice, v.bytes);
        let student = (!self.in_place).then(|| of_matrix(self.student));
        let read = [
            student,
            Some(of_matrix(self.teacher)),
            Some(of_rows(self.labels)),
            self.weight.map(of_rows),
            self.kd_weight.map(of_rows),
            self.tau.map(of_rows),
            self.upstream.map(of_one),
        ];
        let written = [
            self.gradient.map(of_matrix),
            self.tau_out.map(of_rows),
            self.stats.map(of_rows),
            self.total.map(of_one),
            self.workspace.map(of_one),
        ];
        apart(&read, &written)
    }
}

/// An argument's name, place and size in bytes.
pub(super) type Stretch<'a> = (&'static str, Slice<'a>, u64);

/// No buffer is both read and written, and nothing is written twice: wgpu tracks whole buffers.
pub(super) fn apart(read: &[Option<Stretch>], written: &[Option<Stretch>]) -> Result<(), Error> {
    for (i, &(first, a, bytes_a)) in written.iter().flatten().enumerate() {
        for &(read, b, _) in read.iter().flatten() {
            if a.buffer == b.buffer {
                return Err(Error::Shared {
                    read,
                    written: first,
                });
            }
        }
        for &(second, b, bytes_b) in written.iter().flatten().skip(i + 1) {
            let apart = a.offset + bytes_a <= b.offset || b.offset + bytes_b <= a.offset;
            if a.buffer == b.buffer && !apart {
                return Err(Error::Overlap { first, second });
            }
        }
    }
    Ok(())
}
