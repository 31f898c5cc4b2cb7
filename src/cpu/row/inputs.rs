//! What goes into the row program besides logits, what the sweeps find, and what comes out. Values are of
//! one row, or of several side by side, one per lane.

use super::extremes::Extremes;
use super::sums::Sums;
use crate::cpu::simd::{Mask, Vector};

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
pub(crate) struct Outcomes<'a, V: Vector> {
    lanes: &'a Outcome<V, V>,
    /// The floats and both tops, a row per vector: where vectors can be transposed.
    rows: Option<[V; 16]>,
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
    pub(crate) fn by_row(&self) -> Outcomes<'_, V> {
        let mut rows = None;
        if V::LANES == 16 {
            let mut values = [V::splat(0.0); 16];
            values[..13].copy_from_slice(&self.floats);
            values[13..15].copy_from_slice(&self.tops);
            V::transpose(&mut values);
            rows = Some(values);
        }
        Outcomes { lanes: self, rows }
    }
}

impl<V: Vector> Outcomes<'_, V> {
    /// The row in this lane.
    #[inline(always)]
    pub(crate) fn row(&self, lane: usize) -> Outcome<f32, usize> {
        let lanes = self.lanes;
        let (mut floats, mut tops) = ([0.0; 13], [0.0; 2]);
        if let Some(rows) = &self.rows {
            let row = rows[lane].to_array();
            floats.copy_from_slice(&row[..13]);
            tops.copy_from_slice(&row[13..15]);
        } else {
            // Not by a loop, of which compilers make slow gathers.
            floats = lanes.floats.each_ref().map(|float| float.lane(lane));
            tops = lanes.tops.each_ref().map(|top| top.lane(lane));
        }
        let flag = |mask: V::Mask| mask.bits() >> lane & 1 == 1;
        Outcome {
            floats,
            // A float counts classes exactly, 2²⁴ of them.
            tops: tops.map(|top| top as u32 as usize),
            wrong: flag(lanes.wrong),
            agree: flag(lanes.agree),
            infinite: flag(lanes.infinite),
            nonfinite: flag(lanes.nonfinite),
        }
    }
}
