//! What a group of rows leaves to the next: gradients that are still to be written, and the extremes of rows
//! to come. Both are done during a later sweep, so that memory is busy while there is arithmetic to do.

use super::format::{AnyFormat, Formats};
use super::rows::Rows;
use super::scratch::Scratch;
use super::vectors::RowGradient;
use crate::cpu::row::extremes::Extremes;
use crate::cpu::row::forward_kl::GradientFactors;
use crate::cpu::row::sums::{ANY, Power, UnitExp};
use crate::cpu::simd::{MAX_LANES, Vector};

/// What one group of rows leaves to the next, by lane.
#[derive(Default)]
pub(crate) struct InFlight {
    pub(super) next: [Option<NextExtremes>; MAX_LANES],
    /// The rows whose exponentials the scratch holds.
    pub(crate) gradients: [Option<PendingGradient>; MAX_LANES],
}

/// The extremes of a row that is still to come.
#[derive(Clone, Copy)]
pub(super) struct NextExtremes {
    pub(super) row: usize,
    pub(super) extremes: Extremes<f32, usize>,
}

/// A row whose gradient is still to be written, and what it is made with.
#[derive(Clone, Copy)]
pub(crate) struct PendingGradient {
    pub(crate) row: usize,
    pub(crate) factors: GradientFactors<f32>,
}

impl InFlight {
    /// Writes the gradients that are left.
    #[inline(always)]
    pub(crate) fn write_all<V: Vector>(
        &self,
        rows: &mut Rows,
        scratch: &mut Scratch,
        unit: UnitExp<ANY>,
    ) {
        let classes = rows.classes;
        for (lane, pending) in self.gradients.iter().enumerate() {
            if let Some(mut writer) = GradientWriter::<V, AnyFormat, ANY>::new(rows, *pending, unit)
            {
                let kept = scratch.row::<V>(lane, classes);
                for at in (0..classes).step_by(V::LANES) {
                    // SAFETY: the row's scratch holds each of its vectors.
                    unsafe { writer.put(at, &kept) };
                }
                writer.finish();
            }
        }
    }
}

/// Writes the gradient of one row, vector by vector, from its exponentials in the scratch.
pub(super) struct GradientWriter<'a, V, F, const P: usize> {
    unit: UnitExp<P>,
    factors: GradientFactors<V>,
    at_label: f32,
    row: RowGradient<'a, F>,
}

impl<'a, V: Vector, F: Formats, const P: usize> GradientWriter<'a, V, F, P> {
    /// Nothing where no gradient is pending.
    #[inline(always)]
    pub(super) fn new(
        rows: &'a mut Rows,
        pending: Option<PendingGradient>,
        unit: UnitExp<P>,
    ) -> Option<Self> {
        let PendingGradient { row, factors } = pending?;
        Some(Self {
            unit,
            factors: factors.map(V::splat),
            at_label: factors.label,
            row: rows.gradient_of(row)?,
        })
    }

    /// The vector from class `at` on.
    ///
    /// # Safety
    /// The scratch holds it.
    #[inline(always)]
    pub(super) unsafe fn put(&mut self, at: usize, kept: &Scratch) {
        // SAFETY: the caller's promise.
        let load = |which| unsafe { kept.load::<V>(which, at) };
        let (e_s, e_t) = (load(0), load(1));
        let unit = if self.unit.power() == Power::Other {
            load(2)
        } else {
            self.unit.of(e_s, e_s)
        };
        self.row.prefetch_ahead::<V>(at);
        self.row.store(at, self.factors.of(e_s, e_t, unit));
    }

    /// Writes the label's class last, over what stands there.
    #[inline(always)]
    pub(super) fn finish(mut self) {
        self.row.store_label(self.at_label);
    }
}
