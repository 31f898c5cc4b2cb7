//! Batches by address, for callers in other languages: the types come as values, and everything that
//! can be checked is.

use super::{FeaturePlan, Parallelism, Plan};
use crate::batch::check::extent;
use crate::batch::{
    Address, Batch, Element, FeatureBatch, Place, RawBatch, RawFeatureBatch, TypedAddress, Upstream,
};
use crate::spec::{ArgumentError, Format};
use half::{bf16, f16};
use std::ptr::with_exposed_provenance_mut;
use std::slice;

/// Names the type of a format as `$E`.
macro_rules! with_type {
    ($format:expr, $E:ident => $body:expr) => {
        match $format {
            Format::F32 => {
                type $E = f32;
                $body
            }
            Format::F16 => {
                type $E = f16;
                $body
            }
            Format::Bf16 => {
                type $E = bf16;
                $body
            }
        }
    };
}

impl Plan {
    /// [`run`](Self::run) on a batch by address, of any types. A [workspace](RawBatch::workspace) has
    /// [`workspace_bytes`](Self::workspace_bytes) for this number of rows and this parallelism.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`ArgumentError::Address`] for null and for what is not aligned,
    /// [`ArgumentError::Format`] for a gradient of another type than the student's.
    ///
    /// # Safety
    /// Each address is that of memory which lives until the call returns, which nobody writes
    /// meanwhile, and which holds values of its type: `rows` of them, or `rows` rows with their stride,
    /// gaps included. What is written overlaps nothing else, gaps included, except for a gradient that
    /// is exactly [in place](RawBatch::in_place), and nobody reads it meanwhile.
    pub unsafe fn run_raw(
        &self,
        batch: &RawBatch,
        parallelism: Parallelism,
    ) -> Result<f32, ArgumentError> {
        let student = student_of(&batch.student, batch.gradient)?;
        let workspace = self.workspace_bytes(batch.rows, parallelism);
        with_type!(student.format, S => with_type!(batch.teacher.format, T => {
            // SAFETY: the caller's.
            let batch = unsafe { slices::<S, T>(batch, self.classes(), workspace)? };
            self.run(batch, parallelism)
        }))
    }
}

impl FeaturePlan {
    /// [`run`](Self::run) on a batch by address, of any types.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`ArgumentError::Address`] for null and for what is not aligned,
    /// [`ArgumentError::Format`] for a gradient of another type than the student's.
    ///
    /// # Safety
    /// As [`Plan::run_raw`].
    pub unsafe fn run_raw(
        &self,
        batch: &RawFeatureBatch,
        parallelism: Parallelism,
    ) -> Result<f32, ArgumentError> {
        let student = student_of(&batch.student, batch.gradient)?;
        with_type!(student.format, S => with_type!(batch.target.format, T => {
            // SAFETY: the caller's.
            let batch = unsafe { feature_slices::<S, T>(batch, self.width())? };
            self.run(batch, parallelism)
        }))
    }
}

/// The student's rows, once it is clear that the gradient has their type.
fn student_of(
    student: &Place<TypedAddress, TypedAddress>,
    gradient: Option<TypedAddress>,
) -> Result<TypedAddress, ArgumentError> {
    student.takes(gradient)?;
    let (Place::Read(student) | Place::InPlace(student)) = *student;
    match gradient {
        Some(gradient) if gradient.format != student.format => Err(ArgumentError::Format {
            argument: "gradient",
            given: gradient.format.name(),
            planned: student.format.name(),
        }),
        _ => Ok(student),
    }
}

/// # Safety
/// As [`Plan::run_raw`]; the types are the batch's.
unsafe fn slices<'a, S: Element, T: Element>(
    raw: &RawBatch,
    classes: usize,
    workspace: usize,
) -> Result<Batch<'a, S, T>, ArgumentError> {
    let rows = raw.rows;
    let matrix = |stride: Option<usize>| extent(rows, stride.unwrap_or(classes), classes);
    let [student, teacher] = [raw.student_stride, raw.teacher_stride].map(matrix);
    let (student, gradient) = (student?, matrix(raw.gradient_stride)?);
    // SAFETY: the caller's, for each of them.
    unsafe {
        Ok(Batch {
            rows,
            student: place("student", raw.student, student)?,
            student_stride: raw.student_stride,
            teacher: read("teacher", raw.teacher.address, teacher?)?,
            teacher_stride: raw.teacher_stride,
            labels: read("labels", raw.labels, rows)?,
            gradient: maybe(raw.gradient, |g| write("gradient", g.address, gradient))?,
            gradient_stride: raw.gradient_stride,
            weight: maybe(raw.weight, |w| read("weight", w, rows))?,
            kd_weight: maybe(raw.kd_weight, |w| read("kd_weight", w, rows))?,
            tau: maybe(raw.tau, |tau| read("tau", tau, rows))?,
            upstream: upstream(raw.upstream)?,
            counts: raw.counts,
            stats: maybe(raw.stats, |stats| write("stats", stats, rows))?,
            total: maybe(raw.total, |total| one("total", total))?,
            workspace: maybe(raw.workspace, |room| write("workspace", room, workspace))?,
        })
    }
}

/// # Safety
/// As [`Plan::run_raw`]; the types are the batch's.
unsafe fn feature_slices<'a, S: Element, T: Element>(
    raw: &RawFeatureBatch,
    width: usize,
) -> Result<FeatureBatch<'a, S, T>, ArgumentError> {
    let rows = raw.rows;
    let matrix = |stride: Option<usize>| extent(rows, stride.unwrap_or(width), width);
    let [student, target] = [raw.student_stride, raw.target_stride].map(matrix);
    let (student, gradient) = (student?, matrix(raw.gradient_stride)?);
    // SAFETY: the caller's, for each of them.
    unsafe {
        Ok(FeatureBatch {
            rows,
            student: place("student", raw.student, student)?,
            student_stride: raw.student_stride,
            target: read("target", raw.target.address, target?)?,
            target_stride: raw.target_stride,
            gradient: maybe(raw.gradient, |g| write("gradient", g.address, gradient))?,
            gradient_stride: raw.gradient_stride,
            weight: maybe(raw.weight, |w| read("weight", w, rows))?,
            upstream: upstream(raw.upstream)?,
            counted: raw.counted,
            distances: maybe(raw.distances, |d| write("distances", d, rows))?,
            total: maybe(raw.total, |total| one("total", total))?,
            workspace: None,
        })
    }
}

fn maybe<A, B>(
    given: Option<A>,
    slice: impl FnOnce(A) -> Result<B, ArgumentError>,
) -> Result<Option<B>, ArgumentError> {
    given.map(slice).transpose()
}

/// # Safety
/// As [`read`], and as [`write`] in place.
unsafe fn place<'a, S>(
    argument: &'static str,
    given: Place<TypedAddress, TypedAddress>,
    len: usize,
) -> Result<Place<&'a [S], &'a mut [S]>, ArgumentError> {
    // SAFETY: the caller's.
    unsafe {
        Ok(match given {
            Place::Read(rows) => Place::Read(read(argument, rows.address, len)?),
            Place::InPlace(rows) => Place::InPlace(write(argument, rows.address, len)?),
        })
    }
}

/// # Safety
/// As [`read`], of one number.
unsafe fn upstream<'a>(given: Upstream<Address>) -> Result<Upstream<&'a f32>, ArgumentError> {
    Ok(match given {
        Upstream::Known(upstream) => Upstream::Known(upstream),
        // SAFETY: the caller's.
        Upstream::At(at) => Upstream::At(&unsafe { read("upstream", at, 1)? }[0]),
    })
}

/// # Safety
/// As [`write`], of one value.
unsafe fn one<'a, E>(argument: &'static str, at: Address) -> Result<&'a mut E, ArgumentError> {
    let start = pointer::<E>(argument, at, 1)?;
    // SAFETY: the caller's; it is aligned and not null.
    Ok(unsafe { &mut *start })
}

/// # Safety
/// There are `len` values of this type, which nobody writes for the lifetime.
unsafe fn read<'a, E>(
    argument: &'static str,
    at: Address,
    len: usize,
) -> Result<&'a [E], ArgumentError> {
    if len == 0 {
        return Ok(&[]);
    }
    let start = pointer::<E>(argument, at, len)?;
    // SAFETY: the caller's; they are aligned, not null, and no more than an address space holds.
    Ok(unsafe { slice::from_raw_parts(start, len) })
}

/// # Safety
/// There are `len` values of this type, which nobody else reads or writes for the lifetime.
unsafe fn write<'a, E>(
    argument: &'static str,
    at: Address,
    len: usize,
) -> Result<&'a mut [E], ArgumentError> {
    if len == 0 {
        return Ok(&mut []);
    }
    let start = pointer::<E>(argument, at, len)?;
    // SAFETY: the caller's; they are aligned, not null, and no more than an address space holds.
    Ok(unsafe { slice::from_raw_parts_mut(start, len) })
}

/// A pointer to so many values, aligned, not null, and within the address space.
fn pointer<E>(
    argument: &'static str,
    Address(given): Address,
    len: usize,
) -> Result<*mut E, ArgumentError> {
    let alignment = align_of::<E>() as u64;
    let address = usize::try_from(given).unwrap_or(0);
    if address == 0 || !given.is_multiple_of(alignment) {
        return Err(ArgumentError::Address {
            argument,
            given,
            alignment,
        });
    }
    let bytes = len.checked_mul(size_of::<E>());
    if bytes.is_none_or(|bytes| isize::try_from(bytes).is_err()) {
        return Err(ArgumentError::TooLarge {
            rows: len,
            stride: size_of::<E>(),
        });
    }
    Ok(with_exposed_provenance_mut(address))
}
