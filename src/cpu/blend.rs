//! The short way for forward KL on rows without masks: the gradient is a sum of exponentials, and
//! the value comes with the stats sweep wherever that is exact enough.

use super::gradient::Gradient;
use super::simd::Vector;
use super::sums::Sums;

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
