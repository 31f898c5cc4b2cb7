//! The arguments of a call, checked. A row's features stand where the row program has logits, their
//! target where it has the teacher, and their distances where it has records.

use super::batch::{Batch, FeatureBatch, Slice};
use super::error::Error;
use super::limits::alignment;
use super::options::Options;
use super::pieces::{Matrix, Vector};
use crate::batch::{Place, Upstream, check};
use crate::spec::{ArgumentError, Format, RowStats};

/// Everything that a call was given, each within its buffer.
pub(super) struct Arguments<'a> {
    pub(super) rows: u32,
    pub(super) student: Matrix<'a>,
    pub(super) teacher: Matrix<'a>,
    /// Where the gradient goes; in place, the student again.
    pub(super) gradient: Option<Matrix<'a>>,
    pub(super) in_place: bool,
    pub(super) labels: Option<Vector<'a>>,
    pub(super) weight: Option<Vector<'a>>,
    pub(super) kd_weight: Option<Vector<'a>>,
    pub(super) tau: Option<Vector<'a>>,
    pub(super) tau_out: Option<Vector<'a>>,
    pub(super) upstream: Upstream<Vector<'a>>,
    pub(super) stats: Option<Vector<'a>>,
    pub(super) total: Option<Vector<'a>>,
    pub(super) workspace: Option<Vector<'a>>,
}

/// What a plan and its device expect of a batch with so many rows.
pub(super) struct Expected {
    rows: u32,
    /// V or D.
    width: u32,
    student: Format,
    teacher: Format,
    /// What offsets are multiples of.
    alignment: u64,
    /// Bytes of workspace.
    workspace: u64,
}

impl Expected {
    pub(super) fn new(
        options: Options,
        limits: &wgpu::Limits,
        rows: usize,
        width: u32,
        workspace: u64,
    ) -> Result<Self, ArgumentError> {
        // Rows and their workgroups are counted in 32 bits.
        let Ok(Ok(rows)) = i32::try_from(rows).map(u32::try_from) else {
            let stride = width as usize;
            return Err(ArgumentError::TooLarge { rows, stride });
        };
        Ok(Self {
            rows,
            width,
            student: options.student,
            teacher: options.teacher,
            alignment: alignment(limits),
            workspace,
        })
    }

    fn matrix<'a>(
        &self,
        names: [&'static str; 2],
        slice: Slice<'a>,
        format: Format,
        stride: Option<usize>,
    ) -> Result<Matrix<'a>, Error> {
        Matrix::new(names, slice, format, stride, [self.rows, self.width])
    }

    fn student<'a>(
        &self,
        place: &Place<Slice<'a>, Slice<'a>>,
        stride: Option<usize>,
    ) -> Result<Matrix<'a>, Error> {
        let (Place::Read(slice) | Place::InPlace(slice)) = *place;
        self.matrix(["student", "student stride"], slice, self.student, stride)
    }

    /// A value of so many bytes for each row, where it is given.
    fn per_row<'a>(
        &self,
        name: &'static str,
        slice: Option<Slice<'a>>,
        bytes: u64,
    ) -> Result<Option<Vector<'a>>, Error> {
        let checked = |slice| Vector::new(name, slice, bytes, self.rows, self.alignment);
        slice.map(checked).transpose()
    }

    /// So many bytes for the whole batch, where they are given.
    fn once<'a>(
        &self,
        name: &'static str,
        slice: Option<Slice<'a>>,
        bytes: u64,
    ) -> Result<Option<Vector<'a>>, Error> {
        let checked = |slice| Vector::new(name, slice, bytes, 1, self.alignment);
        slice.map(checked).transpose()
    }

    fn upstream<'a>(&self, given: Upstream<Slice<'a>>) -> Result<Upstream<Vector<'a>>, Error> {
        Ok(match given {
            Upstream::Known(upstream) => {
                check::upstream(upstream)?;
                Upstream::Known(upstream)
            }
            Upstream::At(slice) => {
                Upstream::At(Vector::new("upstream", slice, 4, 1, self.alignment)?)
            }
        })
    }
}

impl<'a> Arguments<'a> {
    /// What the row program takes.
    pub(super) fn of_rows(expected: &Expected, batch: &Batch<'a>) -> Result<Self, Error> {
        let record = size_of::<RowStats>() as u64;
        let all = Self {
            kd_weight: expected.per_row("kd_weight", batch.kd_weight, 4)?,
            tau: expected.per_row("tau", batch.tau, 4)?,
            upstream: expected.upstream(batch.upstream)?,
            stats: expected.per_row("stats", batch.stats, record)?,
            total: expected.once("total", batch.total, 4)?,
            ..Self::of_logits(expected, batch)?.with_gradient(
                expected,
                &batch.student,
                batch.gradient,
                batch.gradient_stride,
            )?
        };
        all.apart()?;
        Ok(all)
    }

    /// What dynamic temperatures take.
    pub(super) fn of_temperatures(
        expected: &Expected,
        batch: &Batch<'a>,
        tau: Slice<'a>,
    ) -> Result<Self, Error> {
        let all = Self {
            tau_out: expected.per_row("tau", Some(tau), 4)?,
            ..Self::of_logits(expected, batch)?
        };
        all.apart()?;
        Ok(all)
    }

    /// What distances of features take.
    pub(super) fn of_features(
        expected: &Expected,
        batch: &FeatureBatch<'a>,
    ) -> Result<Self, Error> {
        let names = ["target", "target stride"];
        let target = expected.matrix(names, batch.target, expected.teacher, batch.target_stride)?;
        let student = expected.student(&batch.student, batch.student_stride)?;
        let all = Self {
            weight: expected.per_row("weight", batch.weight, 4)?,
            upstream: expected.upstream(batch.upstream)?,
            stats: expected.per_row("distances", batch.distances, 4)?,
            total: expected.once("total", batch.total, 4)?,
            workspace: expected.once("workspace", batch.workspace, expected.workspace)?,
            ..Self::of_matrices(expected.rows, student, target).with_gradient(
                expected,
                &batch.student,
                batch.gradient,
                batch.gradient_stride,
            )?
        };
        all.apart()?;
        Ok(all)
    }

    /// What everything on logits reads.
    fn of_logits(expected: &Expected, batch: &Batch<'a>) -> Result<Self, Error> {
        let names = ["teacher", "teacher stride"];
        let teacher =
            expected.matrix(names, batch.teacher, expected.teacher, batch.teacher_stride)?;
        let student = expected.student(&batch.student, batch.student_stride)?;
        Ok(Self {
            labels: expected.per_row("labels", Some(batch.labels), 4)?,
            weight: expected.per_row("weight", batch.weight, 4)?,
            workspace: expected.once("workspace", batch.workspace, expected.workspace)?,
            ..Self::of_matrices(expected.rows, student, teacher)
        })
    }

    fn of_matrices(rows: u32, student: Matrix<'a>, teacher: Matrix<'a>) -> Self {
        Self {
            rows,
            student,
            teacher,
            gradient: None,
            in_place: false,
            labels: None,
            weight: None,
            kd_weight: None,
            tau: None,
            tau_out: None,
            upstream: Upstream::Known(1.0),
            stats: None,
            total: None,
            workspace: None,
        }
    }

    fn with_gradient(
        mut self,
        expected: &Expected,
        student: &Place<Slice<'a>, Slice<'a>>,
        gradient: Option<Slice<'a>>,
        stride: Option<usize>,
    ) -> Result<Self, Error> {
        student.takes(gradient)?;
        self.in_place = matches!(student, Place::InPlace(_));
        let names = ["gradient", "gradient stride"];
        self.gradient = match gradient {
            Some(slice) => Some(expected.matrix(names, slice, expected.student, stride)?),
            None => self.in_place.then_some(self.student),
        };
        Ok(self)
    }

    /// The matrices that are given.
    pub(super) fn matrices(&self) -> impl Iterator<Item = Matrix<'a>> {
        let all = [Some(self.teacher), Some(self.student), self.gradient];
        all.into_iter().flatten()
    }

    /// What each row has besides, as far as it is given.
    pub(super) fn vectors(&self) -> impl Iterator<Item = Vector<'a>> {
        let all = [self.labels, self.weight, self.kd_weight, self.tau];
        all.into_iter().chain([self.stats]).flatten()
    }

    /// No buffer is both read and written, and nothing is written twice: wgpu tracks whole buffers.
    fn apart(&self) -> Result<(), Error> {
        let of_matrix = |m: Matrix<'a>| (m.name, m.slice, m.bytes(self.rows));
        let of_rows = |v: Vector<'a>| (v.name, v.slice, v.bytes * u64::from(self.rows));
        let of_one = |v: Vector<'a>| (v.name, v.slice, v.bytes);
        let upstream = match self.upstream {
            Upstream::Known(_) => None,
            Upstream::At(upstream) => Some(upstream),
        };
        let student = (!self.in_place).then(|| of_matrix(self.student));
        let read = [
            student,
            Some(of_matrix(self.teacher)),
            self.labels.map(of_rows),
            self.weight.map(of_rows),
            self.kd_weight.map(of_rows),
            self.tau.map(of_rows),
            upstream.map(of_one),
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
type Extent<'a> = (&'static str, Slice<'a>, u64);

fn apart(read: &[Option<Extent>], written: &[Option<Extent>]) -> Result<(), Error> {
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
