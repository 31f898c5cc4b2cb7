//! The specialised forward KL for rows without masks: the gradient is a sum of exponentials, and
//! the value comes with the stats sweep wherever that is exact enough, else with a sweep of its own.

use super::gradient::Gradient;
use super::layout::{LOWEST, Layout, Terms};
use super::math::{is_near, kl_near, kl_term};
use super::simd::{MOST_LANES, Mask, Vector, map};
use super::sums::{Exponentials, Sums};

/// Where the textbook sum `Σ p' (log p' − log q)` is less than this part of its terms, it cancels
/// too much, and [`kl_term`](super::math::kl_term) has to be summed instead.
const LEAST: f32 = 1.0 / 16.0;

/// `D` without its factor by the textbook's sum, where that is exact enough, and where it is not, but
/// the row's terms are finite. The target is proportional to the teacher's softmax at every class
/// besides the label.
#[inline(always)]
pub(super) fn value<R: Vector, C: Copy>(
    gradient: &Gradient<R, C>,
    sums: &Sums<R>,
) -> (R, [R::Mask; 2]) {
    let (q, target) = (&gradient.student, &gradient.target);
    let of_classes = target.beta * target.softmax.scale * sums.contrast * q.k;
    let constant = q.log_norm - target.softmax.log_norm + target.log_beta;
    let of_constant = target.label.rest * constant;
    let (zero, p) = (R::splat(0.0), &target.label);
    let of_label = p.p * (p.log_p - q.y.log_p);
    let of_label = R::select(zero.lt(p.p), of_label, zero);
    let value = of_classes + of_constant + of_label;
    let size = of_classes.abs() + of_constant.abs() + of_label.abs();
    let (least, finite) = (
        R::splat(LEAST) * size.max(R::splat(1.0)),
        size.lt(R::splat(f32::INFINITY)),
    );
    let exact = least.lt(value);
    (value, [exact & finite, !exact & finite])
}

/// What the label's class adds to `D`.
#[inline(always)]
pub(super) fn label_value<R: Vector, C: Copy>(gradient: &Gradient<R, C>) -> R {
    let (q, p) = (&gradient.student.y, &gradient.target.label);
    kl_term(p.p, p.log_p, q.p, q.log_p)
}

/// What the classes besides the label add to `D`, class by class.
#[derive(Clone, Copy)]
pub(super) struct Near<R> {
    k: R,
    shift: [R; 2],
    scale: [R; 2],
    /// `log p − log q` beyond that of the exponentials.
    offset: R,
}

impl<R: Vector> Near<R> {
    #[inline(always)]
    pub(super) fn new<C: Copy>(gradient: &Gradient<R, C>) -> Self {
        let (q, target) = (&gradient.student, &gradient.target);
        let p = &target.softmax;
        Self {
            k: q.k,
            shift: [q.shift, p.shift],
            scale: [q.scale, p.scale * target.beta],
            offset: q.log_norm - p.log_norm + target.log_beta,
        }
    }

    /// Of a row, or of rows side by side.
    #[inline(always)]
    pub(super) fn of<L: Layout<R = R>>(&self, layout: &L) -> R {
        let mut terms = NearTerms {
            exponentials: Exponentials::new::<L>(self.shift, [self.k; 2]),
            k: L::spread(self.k),
            scale: map(self.scale, L::spread),
            offset: L::spread(self.offset),
        };
        let [value] = layout.sum::<false, 1>(&mut terms);
        value
    }

    /// The rows in the lanes, each by itself.
    #[inline(always)]
    pub(super) fn rows(&self) -> [Near<f32>; MOST_LANES] {
        let [k, offset] = map([self.k, self.offset], R::to_lanes);
        let ([s, t], [q, p]) = (map(self.shift, R::to_lanes), map(self.scale, R::to_lanes));
        std::array::from_fn(|i| Near {
            k: k[i],
            shift: [s[i], t[i]],
            scale: [q[i], p[i]],
            offset: offset[i],
        })
    }
}

struct NearTerms<V> {
    exponentials: Exponentials<V>,
    k: V,
    scale: [V; 2],
    /// `log p − log q` beyond that of the exponentials.
    offset: V,
}

impl<V: Vector> Terms<V, 1> for NearTerms<V> {
    const ABSENT: f32 = LOWEST;

    #[inline(always)]
    fn add<const MASKED: bool>(&mut self, _: usize, s: V, t: V, sums: &mut [V; 1]) {
        let (of_s, of_t) = (self.exponentials.below(0, s), self.exponentials.below(1, t));
        let p = self.exponentials.power(1, of_t) * self.scale[1];
        let delta = (of_t - of_s).mul_add(self.k, self.offset);
        let near = is_near(delta);
        let mut term = kl_near(p, delta);
        // Most vectors have no other classes.
        if (!near).any() {
            let q = self.exponentials.power(0, of_s) * self.scale[0];
            let far = V::select(p.eq(V::splat(0.0)), q, p * delta - p + q);
            term = V::select(near, term, far);
        }
        sums[0] = sums[0] + term;
    }
}

/// `a`, `b` and `c` of `g_c = a e_s + b e_t + c e1`, and the gradient at the label's class; `kd`
/// multiplies the divergence's.
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
