//! What goes into the row program besides logits, what the sweeps find, and what comes out. Values are of
//! one row, or of several side by side, one per lane.

use super::extremes::Extremes;
use super::sums::Sums;
use crate::cpu::simd::{MAX_LANES, Mask, Vector, map};
use std::marker::PhantomData;

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

/// The outcomes of rows that were side by side, to be taken row by row.
pub(crate) struct Outcomes<V> {
    /// The floats and both tops: row by row where a transposition makes them so, else lane by lane.
    values: [[f32; MAX_LANES]; 16],
    /// Wrong, agree, infinite and nonfinite, as bits.
    flags: [u32; 4],
    vectors: PhantomData<V>,
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

    /// To be taken row by row.
    #[inline(always)]
    pub(crate) fn by_row(&self) -> Outcomes<V> {
        let mut values = [V::splat(0.0); 16];
        values[..13].copy_from_slice(&self.floats);
        values[13..15].copy_from_slice(&self.tops);
        if Outcomes::<V>::ARE_ROWS {
            V::transpose(&mut values);
        }
        let masks = [self.wrong, self.agree, self.infinite, self.nonfinite];
        Outcomes {
            values: map(values, V::to_array),
            flags: map(masks, V::Mask::bits),
            vectors: PhantomData,
        }
    }
}

impl<V: Vector> Outcomes<V> {
    const ARE_ROWS: bool = V::LANES == 16;

    /// The row in this lane.
    #[inline(always)]
    pub(crate) fn row(&self, lane: usize) -> Outcome<f32, usize> {
        // Not by a loop, of which compilers make slow gathers.
        let row = if Self::ARE_ROWS {
            self.values[lane]
        } else {
            self.values.each_ref().map(|lanes| lanes[lane])
        };
        let mut floats = [0.0; 13];
        floats.copy_from_slice(&row[..13]);
        let flag = |i: usize| self.flags[i] >> lane & 1 == 1;
        Outcome {
            floats,
            // A float counts classes exactly, 2²⁴ of them.
            tops: [row[13] as u32 as usize, row[14] as u32 as usize],
            wrong: flag(0),
            agree: flag(1),
            infinite: flag(2),
            nonfinite: flag(3),
        }
    }
}
