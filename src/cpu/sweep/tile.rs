//! One row per lane: rows of few classes, as many side by side as a vector has lanes.

use crate::cpu::row::extremes::{Extremes, Side};
use crate::cpu::row::layout::{Layout, Sink, Step, Summing, Terms};
use crate::cpu::simd::Vector;

/// Students and teachers of the rows: class by class, one row per lane.
pub(crate) struct Tile<'a, V: Vector> {
    pub(crate) s: &'a [V],
    pub(crate) t: &'a [V],
    /// The label's class, or none of them.
    pub(crate) y: V,
    /// Where there is a label.
    pub(crate) labelled: V::Mask,
}

impl<V: Vector> Tile<'_, V> {
    /// The rows whose label is this class.
    #[inline(always)]
    fn here(&self, class: usize) -> V::Mask {
        self.y.eq(V::splat(class as f32))
    }

    #[inline(always)]
    fn over<const MASKED: bool, K: Step<V>>(&self, step: &mut K) {
        let absent = V::splat(if MASKED { f32::NEG_INFINITY } else { K::ABSENT });
        for (class, (&s, &t)) in self.s.iter().zip(self.t).enumerate() {
            let here = self.here(class);
            let (s, t) = (V::select(here, absent, s), V::select(here, absent, t));
            step.step::<MASKED>(class, s, t);
        }
    }

    #[inline(always)]
    fn side(&self, rows: &[V]) -> Side<V, V> {
        let masked = V::splat(f32::NEG_INFINITY);
        let (mut label, mut max) = (masked, masked);
        let (mut highest, mut top) = (masked, V::splat(0.0));
        for (class, &z) in rows.iter().enumerate() {
            let here = self.here(class);
            label = V::select(here, z, label);
            max = V::select(here, masked, z).max(max);
            top = V::select(highest.lt(z), V::splat(class as f32), top);
            highest = z.max(highest);
        }
        Side {
            label,
            labelled: self.labelled,
            max,
            top,
        }
    }
}

impl<V: Vector> Layout for Tile<'_, V> {
    type V = V;
    type R = V;
    type Class = V;
    const SIDE_BY_SIDE: bool = true;

    #[inline(always)]
    fn spread(row: V) -> V {
        row
    }

    #[inline(always)]
    fn classes(&self) -> usize {
        self.s.len()
    }

    #[inline(always)]
    fn each<const MASKED: bool>(&self, step: &mut impl Step<V>) {
        self.over::<MASKED, _>(step);
    }

    #[inline(always)]
    fn sum<const MASKED: bool, const N: usize>(&self, terms: &mut impl Terms<V, N>) -> [V; N] {
        let mut sum = Summing {
            terms,
            sums: [V::splat(0.0); N],
        };
        self.over::<MASKED, _>(&mut sum);
        sum.sums
    }

    #[inline(always)]
    fn extremes(&self) -> Extremes<V, V> {
        Extremes {
            student: self.side(self.s),
            teacher: self.side(self.t),
        }
    }

    #[inline(always)]
    fn second(&self, top: V) -> V {
        let masked = V::splat(f32::NEG_INFINITY);
        let mut second = masked;
        for (class, &t) in self.t.iter().enumerate() {
            let out = self.here(class) | top.eq(V::splat(class as f32));
            second = V::select(out, masked, t).max(second);
        }
        second
    }

    #[inline(always)]
    fn student_at(&self, wanted: V) -> V {
        let mut found = V::splat(f32::NEG_INFINITY);
        for (class, &s) in self.s.iter().enumerate() {
            let here = wanted.eq(V::splat(class as f32)) & !self.here(class);
            found = V::select(here, s, found);
        }
        found
    }

    #[inline(always)]
    fn with(at: usize, logits: V, class: V, z: V) -> V {
        V::select(class.eq(V::splat(at as f32)), z, logits)
    }

    #[inline(always)]
    fn is_label(&self, class: V) -> V::Mask {
        class.eq(self.y)
    }

    #[inline(always)]
    fn same(a: V, b: V) -> V::Mask {
        a.eq(b)
    }
}

/// The gradient of the rows, class by class.
pub(crate) struct TileGradient<'a, V> {
    pub(crate) values: &'a mut [V],
    pub(crate) y: V,
    pub(crate) is_open: bool,
}

impl<V: Vector> Sink<V, V> for TileGradient<'_, V> {
    #[inline(always)]
    fn is_open(&self) -> bool {
        self.is_open
    }

    #[inline(always)]
    fn put(&mut self, at: usize, values: V, rows: V::Mask) {
        self.values[at] = V::select(rows, values, self.values[at]);
    }

    #[inline(always)]
    fn put_label(&mut self, label: V, rows: V::Mask) {
        for (class, value) in self.values.iter_mut().enumerate() {
            let here = self.y.eq(V::splat(class as f32)) & rows;
            *value = V::select(here, label, *value);
        }
    }
}
