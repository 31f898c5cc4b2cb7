//! One row per lane: rows of few classes, as many side by side as a vector has lanes.

use super::{Layout, Sink, Step, Terms};
use crate::cpu::extremes::{Extremes, Side};
use crate::cpu::simd::Vector;
use crate::cpu::softmax::Softmax;

/// Rows of more classes fill vectors of their own.
pub(in crate::cpu) const TILE_CLASSES: usize = 16;

/// Students and teachers of the rows: class by class, one row per lane.
pub(in crate::cpu) struct Tile<'a, V: Vector> {
    pub(in crate::cpu) s: &'a [V],
    pub(in crate::cpu) t: &'a [V],
    /// The label's class, or none of them.
    pub(in crate::cpu) y: V,
    /// Where there is a label.
    pub(in crate::cpu) labelled: V::Mask,
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
    type General = Self;
    const SIDE_BY_SIDE: bool = true;

    #[inline(always)]
    fn general(&self) -> Self {
        Tile { ..*self }
    }

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
        let mut sum = Sum {
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
    fn softmaxes(k: [V; 4], shift: [V; 4], others: [V; 4], label: [V; 4]) -> [Softmax<V>; 4] {
        // Not by a closure, which might not be inlined.
        let mut all = [Softmax::new(k[0], shift[0], others[0], label[0]); 4];
        for i in 1..4 {
            all[i] = Softmax::new(k[i], shift[i], others[i], label[i]);
        }
        all
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

struct Sum<'k, V, K, const N: usize> {
    terms: &'k mut K,
    sums: [V; N],
}

impl<V: Vector, K: Terms<V, N>, const N: usize> Step<V> for Sum<'_, V, K, N> {
    const ABSENT: f32 = K::ABSENT;

    #[inline(always)]
    fn step<const MASKED: bool>(&mut self, at: usize, s: V, t: V) {
        self.terms.add::<MASKED>(at, s, t, &mut self.sums);
    }
}

/// The gradient of the rows, class by class.
pub(in crate::cpu) struct TileGradient<'a, V> {
    pub(in crate::cpu) values: &'a mut [V],
    pub(in crate::cpu) y: V,
    pub(in crate::cpu) is_open: bool,
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
