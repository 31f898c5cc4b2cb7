//! The arguments of a call, checked.

use super::super::arguments::{Stretch, apart};
use super::super::buffers::{Gradient, Slice, Upstream};
use super::super::error::Error;
use super::super::limits::alignment;
use super::super::pieces::{Matrix, Vector};
use super::buffers::FeatureBuffers;
use super::plan::FeaturePlan;
use crate::batch::check;
use crate::spec::ArgumentError;

/// Everything that a call was given, each within its buffer.
pub(super) struct Arguments<'a> {
    pub(super) rows: u32,
    pub(super) student: Matrix<'a>,
    pub(super) target: Matrix<'a>,
    /// Where the gradient goes; in place, the student again.
    pub(super) gradient: Option<Matrix<'a>>,
    pub(super) in_place: bool,
    pub(super) weight: Option<Vector<'a>>,
    pub(super) upstream: Option<Vector<'a>>,
    pub(super) distances: Option<Vector<'a>>,
    pub(super) total: Option<Vector<'a>>,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(plan: &FeaturePlan, buffers: &FeatureBuffers<'a>) -> Result<Self, Error> {
        // Rows and their workgroups are counted in 32 bits.
        let Ok(Ok(rows)) = i32::try_from(buffers.rows).map(u32::try_from) else {
            return Err(Error::Argument(ArgumentError::TooLarge {
                rows: buffers.rows,
                stride: plan.width(),
            }));
        };
        let (options, shape) = (plan.shape.options, [rows, plan.shape.width]);
        let matrix =
            |names, slice, format, stride| Matrix::new(names, slice, format, stride, shape);
        let vector = |name, slice: Option<Slice<'a>>, rows| {
            let checked = |slice| Vector::new(name, slice, 4, rows, alignment(&plan.limits));
            slice.map(checked).transpose()
        };
        let student = matrix(
            ["student", "student stride"],
            buffers.student,
            options.student,
            buffers.student_stride,
        )?;
        let gradient = match buffers.gradient {
            Gradient::Nowhere => None,
            Gradient::InPlace => Some(student),
            Gradient::Apart(slice) => {
                let names = ["gradient", "gradient stride"];
                let stride = buffers.gradient_stride;
                Some(matrix(names, slice, options.student, stride)?)
            }
        };
        let upstream = match buffers.upstream {
            Upstream::Host(upstream) => {
                check::upstream(upstream)?;
                None
            }
            Upstream::Device(slice) => vector("upstream", Some(slice), 1)?,
        };
        let all = Self {
            rows,
            student,
            target: matrix(
                ["target", "target stride"],
                buffers.target,
                options.teacher,
                buffers.target_stride,
            )?,
            gradient,
            in_place: matches!(buffers.gradient, Gradient::InPlace),
            weight: vector("weight", buffers.weight, rows)?,
            upstream,
            distances: vector("distances", buffers.distances, rows)?,
            total: vector("total", buffers.total, 1)?,
        };
        all.apart()?;
        Ok(all)
    }

    fn apart(&self) -> Result<(), Error> {
        let of_matrix = |m: Matrix<'a>| -> Stretch<'a> { (m.name, m.slice, m.bytes(self.rows)) };
        let of_rows = |v: Vector<'a>| (v.name, v.slice, v.bytes * u64::from(self.rows));
        let of_one = |v: Vector<'a>| (v.name, v.slice, v.bytes);
        let student = (!self.in_place).then(|| of_matrix(self.student));
        apart(
            &[
                student,
                Some(of_matrix(self.target)),
                self.weight.map(of_rows),
                self.upstream.map(of_one),
            ],
            &[
                self.gradient.map(of_matrix),
                self.distances.map(of_rows),
                self.total.map(of_one),
            ],
        )
    }
}
