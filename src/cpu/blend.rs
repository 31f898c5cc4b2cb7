//! The short way for forward KL on rows without masks: the gradient is a sum of exponentials, and
//! the value comes with the stats sweep wherever that is exact enough.

use super::gradient::Gradient;
use super::layout::{Ahead, LOWEST, Layout, Sink, Step};
use super::simd::{Mask, Vector};
use super::sums::{Both, Exponentials, Raise, Scratch, Sums};
use std::marker::PhantomData;

/// Where the textbook sum `Σ p' (log p' − log q)` is less than this part of its terms, it cancels
/// too much, and [`kl_term`](super::math::kl_term) has to be summed instead.
const LEAST: f32 = 1.0 / 16.0;

/// `D` without its factor by the textbook's sum, and where that is exact enough. The target is
/// proportional to the teacher's softmax at every class besides the label.
#[inline(always)]
pub(super) fn value<R: Vector, C: Copy>(gradient: &Gradient<R, C>, sums: &Sums<R>) -> (R, R::Mask) {
    let (q, target) = (&gradient.student, &gradient.target);
    let of_classes = target.beta * target.softmax.scale * sums.contrast * q.k;
    let constant = q.log_norm - target.softmax.log_norm + target.log_beta;
    let of_constant = target.label.rest * constant;
    let (zero, p) = (R::splat(0.0), &target.label);
    let of_label = p.p * (p.log_p - q.y.log_p);
    let of_label = R::select(zero.lt(p.p), of_label, zero);
    let value = of_classes + of_constant + of_label;
    let size = of_classes.abs() + of_constant.abs() + of_label.abs();
    let least = R::splat(LEAST) * size.max(R::splat(1.0));
    (value, least.lt(value) & value.lt(R::splat(f32::INFINITY)))
}

/// `a`, `b` and `c` of [`Blend`], and the gradient at the label's class; `kd` multiplies the
/// divergence's.
#[inline(always)]
pub(super) fn factors<R: Vector, C: Copy>(gradient: &Gradient<R, C>, kd: R) -> [R; 4] {
    let (q, target) = (&gradient.student, &gradient.target);
    [
        kd * q.scale,
        R::splat(0.0) - kd * target.beta * target.softmax.scale,
        gradient.factors.ce * gradient.raw.scale,
        kd * (q.y.p - target.label.p) + gradient.of_cross_entropy(),
    ]
}

/// `g_c = a e_s + b e_t + c e1` of one row without masks.
pub(super) struct Blend<V, P> {
    pub(super) exponentials: Exponentials<V>,
    pub(super) power: P,
    pub(super) factors: [V; 3],
    /// A row that comes nearer meanwhile.
    pub(super) ahead: Ahead,
}

impl<V: Vector, P: Raise> Blend<V, P> {
    #[inline(always)]
    fn put<R: Vector>(&self, at: usize, [e_s, e_t, raw]: [V; 3], sink: &mut impl Sink<V, R>) {
        self.ahead.fetch::<V>(at);
        let [a, b, c] = self.factors;
        let g = e_s.mul_add(a, e_t.mul_add(b, raw * c));
        sink.put(at, g, Mask::splat(true));
    }

    /// Writes it from what the stats sweep has kept.
    ///
    /// # Safety
    /// It has kept this row, of `classes` classes.
    #[inline(always)]
    pub(super) unsafe fn write_kept<R: Vector>(
        &self,
        kept: &Scratch,
        classes: usize,
        sink: &mut impl Sink<V, R>,
    ) {
        for at in (0..classes).step_by(V::LANES) {
            // SAFETY: these classes are within the row.
            let load = |which| unsafe { kept.load::<V>(which, at) };
            let (e_s, e_t) = (load(0), load(1));
            let raw = if self.power.is_apart() {
                load(2)
            } else {
                self.power.raise(e_s, e_s)
            };
            self.put(at, [e_s, e_t, raw], sink);
        }
    }

    /// Writes it from exponentials that are computed once more.
    #[inline(always)]
    pub(super) fn write<L: Layout<V = V>>(&self, layout: &L, sink: &mut impl Sink<V, L::R>) {
        let mut recomputed = Recomputed {
            blend: self,
            sink,
            rows: PhantomData::<L::R>,
        };
        layout.each::<false>(&mut recomputed);
    }
}

struct Recomputed<'a, V, P, G, R> {
    blend: &'a Blend<V, P>,
    sink: &'a mut G,
    rows: PhantomData<R>,
}

impl<V: Vector, P: Raise, R: Vector, G: Sink<V, R>> Step<V> for Recomputed<'_, V, P, G, R> {
    const ABSENT: f32 = LOWEST;

    #[inline(always)]
    fn step<const MASKED: bool>(&mut self, at: usize, s: V, t: V) {
        let Both { d, e, .. } = self.blend.exponentials.at::<MASKED>(s, t);
        let raw = self.blend.power.raise(e[0], d[0]);
        self.blend.put(at, [e[0], e[1], raw], self.sink);
    }
}
