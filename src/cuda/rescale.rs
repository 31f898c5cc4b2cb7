//! Gradients times a number that is known only after them.

use super::arguments::Arguments;
use super::error::Error;
use super::kernels::{Function, Kernels};
use super::launch::Launcher;
use super::operands::{address, row_count, stride};
use super::regime::Geometry;
use crate::batch::Address;
use crate::spec::{Format, RowParams};
use bytemuck::Zeroable;
use cudarc::driver::sys::CUstream;

/// Threads of a block, as `kernels/batch.cu` has them.
const THREADS: u32 = 256;

/// The kernel for gradients of this type and width.
#[derive(Debug)]
pub(super) struct Rescale {
    kernel: Function,
    format: Format,
    width: u32,
}

impl Rescale {
    pub(super) fn new(kernels: &Kernels, format: Format, width: u32) -> Result<Self, Error> {
        Ok(Self {
            kernel: kernels.batch("scale_unless_one")?,
            format,
            width,
        })
    }

    /// # Safety
    /// As [`Plan::scale_gradient`](super::Plan::scale_gradient).
    pub(super) unsafe fn launch(
        &self,
        launcher: &Launcher,
        stream: CUstream,
        rows: usize,
        gradient: impl Into<Address>,
        elements: Option<usize>,
        factor: impl Into<Address>,
    ) -> Result<(), Error> {
        let rows = row_count(rows)?;
        let params = RowParams {
            rows,
            classes: self.width,
            gradient_stride: stride("gradient stride", elements, self.width)?,
            ..RowParams::zeroed()
        };
        if rows == 0 {
            return Ok(());
        }
        let arguments = Arguments {
            gradient: address("gradient", gradient.into(), self.format.bytes())?,
            upstream: address("factor", factor.into(), 4)?,
            student_format: self.format as u32,
            ..Arguments::zeroed()
        };
        let geometry = self.geometry(rows, launcher.kernels.limits.processors);
        let stream = launcher.stream(stream)?;
        // SAFETY: the caller's.
        unsafe { stream.start(&self.kernel, geometry, &params, &arguments) }
    }

    /// Several short rows to a block, several blocks to a long row where rows are few.
    fn geometry(&self, rows: u32, processors: u32) -> Geometry {
        let vectors = self.width.div_ceil(16 / self.format.bytes() as u32);
        let threads = vectors.next_power_of_two().min(THREADS);
        let blocks = rows.div_ceil(THREADS / threads).min(32 * processors);
        let parts = (8 * processors / blocks).clamp(1, vectors.div_ceil(THREADS));
        Geometry {
            blocks,
            parts,
            threads: THREADS,
            ..Geometry::BATCH
        }
    }
}
