//! What goes into the row program besides logits, what the sweeps find, and what comes out. Values are of
//! one row, or of several side by side, one per lane.

use super::extremes::Extremes;
use super::sums::Sums;
use crate::cpu::simd::{MAX_LANES, Mask, Vector, map};

/// What a row comes with besides its logits.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<R> {
    /// The label's class, less than 0 where there is no label; read only where rows lie side by side.
    pub(crate) label: R,
    pub(crate) weight: R,
    pub(crate) kd_weight: R,
    pub(crate) tau: R,
    /// `upstream · inv_n` of right and of wrong rows.
    pub(crate) scale: [R; 2],
}

/// What the sweeps find of a row: all that its record and its gradient's factors are made of.
#[derive(Clone, Copy)]
pub(crate) struct Facts<R: Vector, C> {
    pub(crate) extremes: Extremes<R, C>,
    pub(crate) sums: Sums<R>,
    /// The rows for which the sums hold.
    pub(crate) valid: R::Mask,
}

impl<R: Vector, C: Copy> Facts<R, C> {
    /// Of rows without masks: the sums hold unless a logit is not finite, which the contrast shows.
    #[inline(always)]
    pub(crate) fn unmasked(extremes: Extremes<R, C>, sums: Sums<R>) -> Self {
        let bounded = sums.contrast.abs().lt(R::splat(f32::INFINITY));
        Self {
            extremes,
            sums,
            valid: extremes.student.is_finite() & extremes.teacher.is_finite() & bounded,
        }
    }
}

/// What comes of a row: the floats of its record in their order, both tops, and flags.
#[derive(Clone, Copy)]
pub(crate) struct Outcome<R: Vector, C> {
    pub(crate) floats: [R; 13],
    /// Teacher and student.
    pub(crate) tops: [C; 2],
    pub(crate) wrong: R::Mask,
    pub(crate) agree: R::Mask,
    pub(crate) infinite: R::Mask,
    /// NaN, +∞ or nothing but masks: nothing else counts, and the gradient is the caller's.
    pub(crate) nonfinite: R::Mask,
}

/// The outcomes of rows that were side by side: all values of the lanes.
pub(crate) struct Outcomes {
    floats: [[f32; MAX_LANES]; 13],
    tops: [[u32; MAX_LANES]; 2],
    /// Wrong, agree, infinite and nonfinite, as bits.
    flags: [u32; 4],
}

impl<V: Vector> Outcome<V, V> {
    /// These outcomes for the rows in the mask, the others for all others.
    #[inline(always)]
    pub(crate) fn or(mut self, rows: V::Mask, others: &Self) -> Self {
        for (float, other) in self.floats.iter_mut().zip(others.floats) {
            *float = V::select(rows, *float, other);
        }
        for (top, other) in self.tops.iter_mut().zip(others.tops) {
            *top = V::select(rows, *top, other);
        }
        let either = |mine: V::Mask, other: V::Mask| rows & mine | !rows & other;
        Self {
            wrong: either(self.wrong, others.wrong),
            agree: either(self.agree, others.agree),
            infinite: either(self.infinite, others.infinite),
            nonfinite: either(self.nonfinite, others.nonfinite),
            ..self
        }
    }

    /// Row by row.
    #[inline(always)]
    pub(crate) fn by_row(&self) -> Outcomes {
        let masks = [self.wrong, self.agree, self.infinite, self.nonfinite];
        let mut tops = [[0; MAX_LANES]; 2];
        for (classes, top) in tops.iter_mut().zip(self.tops) {
            for (class, lane) in classes.iter_mut().zip(top.to_array()) {
                // A float counts classes exactly, 2²⁴ of them.
                *class = lane as u32;
            }
        }
        Outcomes {
            floats: map(self.floats, V::to_array),
            tops,
            flags: map(masks, V::Mask::bits),
        }
    }
}

impl Outcomes {
    /// The row in this lane.
    #[inline(always)]
    pub(crate) fn row(&self, lane: usize) -> Outcome<f32, usize> {
        let flag = |i: usize| self.flags[i] >> lane & 1 == 1;
        Outcome {
            // Not by a loop, of which compilers make slow gathers.
            floats: self.floats.each_ref().map(|lanes| lanes[lane]),
            tops: self.tops.each_ref().map(|lanes| lanes[lane] as usize),
            wrong: flag(0),
            agree: flag(1),
            infinite: flag(2),
            nonfinite: flag(3),
        }
    }
}
