//! What a call reads and writes, by address. One type for logits and features: a row's features stand
//! where the row program has logits, the target's where it has the teacher's, and distances where it has
//! records.

use super::arguments::{Arguments, Scale};
use super::error::Error;
use super::options::Options;
use crate::batch::{
    Address, Counts, Place, RawBatch, RawFeatureBatch, TypedAddress, Upstream, check,
};
use crate::spec::{ArgumentError, Format, Reduction, RowParams, StatsLevel};
use bytemuck::Zeroable;

/// Bytes of the workspace that hold a [`Scale`].
const SCALE_BYTES: usize = 16;

/// Bytes of the workspace that a call with so many rows needs: a [`Scale`], and one word per row. What
/// split rows need lies behind them.
pub(super) const fn workspace_bytes(rows: usize) -> usize {
    SCALE_BYTES.saturating_add(rows.saturating_mul(4))
}

/// The arguments that logits and features call by different names.
#[derive(Clone, Copy)]
struct Names {
    other: &'static str,
    other_stride: &'static str,
    records: &'static str,
}

/// A batch as the caller describes it.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    names: Names,
    rows: usize,
    student: TypedAddress,
    student_stride: Option<usize>,
    other: TypedAddress,
    other_stride: Option<usize>,
    /// In place, the student's.
    gradient: Option<TypedAddress>,
    gradient_stride: Option<usize>,
    labels: Option<Address>,
    weight: Option<Address>,
    kd_weight: Option<Address>,
    pub(super) tau: Option<Address>,
    upstream: Upstream<Address>,
    counts: Option<Counts>,
    records: Option<Address>,
    total: Option<Address>,
    workspace: Option<Address>,
}

/// A call that has been checked.
#[derive(Clone, Copy)]
pub(super) struct Call {
    pub(super) params: RowParams,
    pub(super) arguments: Arguments,
    /// Whether the rows that a mean divides by are counted on the device, before the rows run.
    pub(super) counts: bool,
}

impl Operands {
    /// The operands of the row program.
    pub(super) fn of_logits(batch: &RawBatch) -> Result<Self, ArgumentError> {
        let apart = batch.gradient.map(|g| (g, batch.gradient_stride));
        let student = (batch.student, batch.student_stride);
        let (student, gradient, gradient_stride) = placed(student, apart)?;
        Ok(Self {
            names: Names {
                other: "teacher",
                other_stride: "teacher stride",
                records: "stats",
            },
            rows: batch.rows,
            student,
            student_stride: batch.student_stride,
            other: batch.teacher,
            other_stride: batch.teacher_stride,
            gradient,
            gradient_stride,
            labels: Some(batch.labels),
            weight: batch.weight,
            kd_weight: batch.kd_weight,
            tau: batch.tau,
            upstream: batch.upstream,
            counts: batch.counts,
            records: batch.stats,
            total: batch.total,
            workspace: batch.workspace,
        })
    }

    /// The operands of a feature loss.
    pub(super) fn of_features(batch: &RawFeatureBatch) -> Result<Self, ArgumentError> {
        let apart = batch.gradient.map(|g| (g, batch.gradient_stride));
        let student = (batch.student, batch.student_stride);
        let (student, gradient, gradient_stride) = placed(student, apart)?;
        Ok(Self {
            names: Names {
                other: "target",
                other_stride: "target stride",
                records: "distances",
            },
            rows: batch.rows,
            student,
            student_stride: batch.student_stride,
            other: batch.target,
            other_stride: batch.target_stride,
            gradient,
            gradient_stride,
            labels: None,
            weight: batch.weight,
            kd_weight: None,
            tau: None,
            upstream: batch.upstream,
            counts: batch.counted.map(|right| Counts { right, wrong: 0 }),
            records: batch.distances,
            total: batch.total,
            workspace: batch.workspace,
        })
    }

    /// Checks everything, and makes both blocks of parameters. `loss` is the block of the loss alone, and
    /// `leaves` says whether the rows' own launches leave something to each other.
    pub(super) fn call(
        &self,
        loss: RowParams,
        reduction: Reduction,
        options: Options,
        leaves: bool,
    ) -> Result<Call, Error> {
        let params = self.params(loss)?;
        let formats = [self.student.format, self.other.format];
        check_formats(formats, options, self.names.other)?;
        if let Some(gradient) = self.gradient {
            check_format("gradient", gradient.format, options.student)?;
        }
        let mut arguments = Arguments {
            known: self.known(reduction)?,
            reduction: reduction as u32,
            student_format: options.student as u32,
            teacher_format: options.teacher as u32,
            total: optional("total", self.total)?,
            ..Arguments::zeroed()
        };
        if params.rows > 0 {
            self.addresses(&mut arguments)?;
        }
        let counts = params.rows > 0 && self.counts_on_device(reduction);
        self.workspace(&mut arguments, counts || leaves || self.total.is_some())?;
        Ok(Call {
            params,
            arguments,
            counts,
        })
    }

    /// The loss with the batch's shape.
    fn params(&self, loss: RowParams) -> Result<RowParams, Error> {
        let stride = |argument, given| stride(argument, given, loss.classes);
        let student_stride = stride("student stride", self.student_stride)?;
        Ok(RowParams {
            rows: row_count(self.rows)?,
            student_stride,
            teacher_stride: stride(self.names.other_stride, self.other_stride)?,
            gradient_stride: match self.gradient {
                Some(_) => stride("gradient stride", self.gradient_stride)?,
                None => student_stride,
            },
            // Without room for them there are no records.
            stats_level: match self.records {
                Some(_) => loss.stats_level,
                None => StatsLevel::None as u32,
            },
            ..loss
        })
    }

    /// What the host knows of a mean and of what arrives from above.
    fn known(&self, reduction: Reduction) -> Result<Scale, ArgumentError> {
        let inverse = |n: u64| if n == 0 { 0.0 } else { 1.0 / n as f32 };
        let rows = self.rows as u64;
        let [inverse_right, inverse_wrong] = match (reduction, self.counts) {
            (Reduction::Sum, _) => [1.0; 2],
            (Reduction::Mean, counts) => {
                [inverse(counts.map_or(rows, |n| n.right.saturating_add(n.wrong))); 2]
            }
            (Reduction::MeanPerGroup, Some(n)) => [inverse(n.right), inverse(n.wrong)],
            (Reduction::MeanPerGroup, None) => [0.0; 2],
        };
        let upstream = match self.upstream {
            Upstream::Known(upstream) => upstream,
            Upstream::At(_) => 0.0,
        };
        check::upstream(upstream)?;
        Ok(Scale {
            inverse_right,
            inverse_wrong,
            upstream,
        })
    }

    /// The addresses of what has one value or one row of them for each row.
    fn addresses(&self, arguments: &mut Arguments) -> Result<(), ArgumentError> {
        let rows = |name, at: TypedAddress| address(name, at.address, at.format.bytes());
        arguments.student = rows("student", self.student)?;
        arguments.teacher = rows(self.names.other, self.other)?;
        arguments.gradient = self.gradient.map_or(Ok(0), |g| rows("gradient", g))?;
        arguments.labels = optional("labels", self.labels)?;
        arguments.weight = optional("weight", self.weight)?;
        arguments.kd_weight = optional("kd_weight", self.kd_weight)?;
        arguments.tau = optional("tau", self.tau)?;
        arguments.stats = optional(self.names.records, self.records)?;
        if let Upstream::At(upstream) = self.upstream {
            arguments.upstream = address("upstream", upstream, 4)?;
        }
        Ok(())
    }

    /// Where in the workspace launches leave something: the scale; then a word per row, which is a mark
    /// or ω before the row has run, and its loss from then on; then the parts of split rows.
    fn workspace(&self, arguments: &mut Arguments, needed: bool) -> Result<(), ArgumentError> {
        let start = match self.workspace {
            Some(given) => address("workspace", given, 16)?,
            None if !needed => return Ok(()),
            None => {
                return Err(ArgumentError::Missing {
                    argument: "workspace",
                    why: "one launch leaves something to the next; give as many bytes as workspace_bytes says",
                });
            }
        };
        let words = start + SCALE_BYTES as u64;
        arguments.scale_out = start;
        arguments.marks = words;
        arguments.omegas = words;
        if arguments.total != 0 {
            arguments.losses = words;
        }
        arguments.parts = start + workspace_bytes(self.rows) as u64;
        Ok(())
    }

    /// Whether a mean has to count this call's rows before they run.
    fn counts_on_device(&self, reduction: Reduction) -> bool {
        self.counts.is_none()
            && match reduction {
                Reduction::Sum => false,
                Reduction::Mean => self.weight.is_some(),
                Reduction::MeanPerGroup => true,
            }
    }
}

/// A matrix and its stride.
type Matrix<A> = (A, Option<usize>);

/// The student's rows, and the gradient's, where there is room for it.
fn placed(
    (student, stride): Matrix<Place<TypedAddress, TypedAddress>>,
    apart: Option<Matrix<TypedAddress>>,
) -> Result<(TypedAddress, Option<TypedAddress>, Option<usize>), ArgumentError> {
    student.takes(apart)?;
    Ok(match (student, apart) {
        (Place::InPlace(student), _) => (student, Some(student), stride),
        (Place::Read(student), Some((gradient, stride))) => (student, Some(gradient), stride),
        (Place::Read(student), None) => (student, None, None),
    })
}

/// Whether rows have the types that the plan was made for; `other` is what it calls the teacher's.
pub(super) fn check_formats(
    [student, teacher]: [Format; 2],
    options: Options,
    other: &'static str,
) -> Result<(), ArgumentError> {
    check_format("student", student, options.student)?;
    check_format(other, teacher, options.teacher)
}

fn check_format(
    argument: &'static str,
    given: Format,
    planned: Format,
) -> Result<(), ArgumentError> {
    if given == planned {
        return Ok(());
    }
    Err(ArgumentError::Format {
        argument,
        given: given.name(),
        planned: planned.name(),
    })
}

/// The address, which must be that of something.
pub(super) fn address(
    argument: &'static str,
    Address(given): Address,
    alignment: usize,
) -> Result<u64, ArgumentError> {
    let alignment = alignment as u64;
    if given != 0 && given.is_multiple_of(alignment) {
        Ok(given)
    } else {
        Err(ArgumentError::Address {
            argument,
            given,
            alignment,
        })
    }
}

/// The address of values of 4 bytes, or 0 where there is nothing.
fn optional(argument: &'static str, given: Option<Address>) -> Result<u64, ArgumentError> {
    given.map_or(Ok(0), |given| address(argument, given, 4))
}

/// As many rows as kernels count.
pub(super) fn row_count(given: usize) -> Result<u32, Error> {
    let rows = u32::try_from(given).ok().filter(|&rows| rows < 1 << 31);
    rows.ok_or(Error::Rows { given })
}

/// Elements from row to row, as many as a row has unless given.
pub(super) fn stride(
    argument: &'static str,
    given: Option<usize>,
    classes: u32,
) -> Result<u32, Error> {
    let classes = classes as usize;
    let given = given.unwrap_or(classes);
    if given < classes {
        return Err(Error::from(ArgumentError::Stride {
            argument,
            given,
            classes,
        }));
    }
    u32::try_from(given).map_err(|_| Error::Stride { argument, given })
}
