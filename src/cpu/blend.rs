//! The short way for forward KL on rows without masks: the gradient is a sum of exponentials, and
//! the value comes with the stats sweep wherever that is exact enough, else with a sweep of its own.

use super::gradient::Gradient;
use super::layout::{Formats, LOWEST, Layout, Terms, Wide};
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

/// What the classes besides the label add to `D`, class by class: rows as lanes.
pub(super) struct Near {
    k: [f32; MOST_LANES],
    shift: [[f32; MOST_LANES]; 2],
    scale: [[f32; MOST_LANES]; 2],
    /// `log p − log q` beyond that of the exponentials.
    offset: [f32; MOST_LANES],
}

impl Near {
    #[inline(always)]
    pub(super) fn new<R: Vector, C: Copy>(gradient: &Gradient<R, C>) -> Self {
        let (q, target) = (&gradient.student, &gradient.target);
        let p = &target.softmax;
        Self {
            k: q.k.to_lanes(),
            shift: [q.shift.to_lanes(), p.shift.to_lanes()],
            scale: [q.scale.to_lanes(), (p.scale * target.beta).to_lanes()],
            offset: (q.log_norm - p.log_norm + target.log_beta).to_lanes(),
        }
    }

    /// Of the row in this lane.
    #[inline(always)]
    pub(super) fn of<V: Vector, F: Formats>(&self, row: &Wide<V, F>, lane: usize) -> f32 {
        let of = |both: &[[f32; MOST_LANES]; 2]| [both[0][lane], both[1][lane]];
        let k = self.k[lane];
        let mut terms = NearTerms {
            exponentials: Exponentials::new::<Wide<V, F>>(of(&self.shift), [k; 2]),
            k: V::splat(k),
            scale: map(of(&self.scale), V::splat),
            offset: V::splat(self.offset[lane]),
        };
        let [value] = row.sum::<false, 1>(&mut terms);
        value
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
