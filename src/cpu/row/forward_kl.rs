//! Forward KL of rows without masks: the gradient is a sum of exponentials, and the value comes with the
//! sums wherever that is exact enough, else with a sweep of its own. Rows are side by side, one per lane.

use super::divergence::factors;
use super::gradient::Gradient;
use super::inputs::{Facts, Inputs, Outcome};
use super::layout::{Layout, Terms};
use super::revise::{Revised, Softmaxes};
use super::sums::{Exponentials, Sums};
use super::target::Target;
use crate::cpu::math::{PAD_LOGIT, is_near, kl_far, kl_near, kl_term};
use crate::cpu::regime::{is_forward, is_proportional};
use crate::cpu::simd::{Mask, Task, Vector, map};
use crate::spec::{Divergence, LossSpec, Revision};

/// Everything that is done once per row, for as many rows as there are lanes.
pub(crate) struct ReviseLanes<'a, V: Vector, K> {
    pub(crate) spec: &'a LossSpec,
    pub(crate) classes: usize,
    /// Whether the record is full.
    pub(crate) full: bool,
    pub(crate) inputs: &'a Inputs<V>,
    pub(crate) facts: &'a Facts<V, V>,
    pub(crate) stable: &'a K,
}

/// What comes of the rows.
pub(crate) struct RevisedLanes<V: Vector> {
    /// The rows that this holds for: the others' revision or divergence is another one, or their logits
    /// are not all finite.
    pub(crate) rows: V::Mask,
    pub(crate) outcome: Outcome<V, V>,
    pub(crate) gradient: GradientFactors<V>,
}

/// What the gradient is made with: `g_c = student·e_s + teacher·e_t + unit·e1`, and its value at the label.
#[derive(Clone, Copy)]
pub(crate) struct GradientFactors<R> {
    pub(crate) student: R,
    pub(crate) teacher: R,
    pub(crate) unit: R,
    pub(crate) label: R,
}

/// Rows whose terms of `D` can be summed once more, class by class.
pub(crate) trait SumStableKl<V> {
    /// The terms besides the labels', of these rows at least.
    fn sum(&self, terms: &StableKl<V>, rows: u32) -> V;
}

impl<V: Vector, K: SumStableKl<V>> Task for ReviseLanes<'_, V, K> {
    type Output = RevisedLanes<V>;

    #[inline(always)]
    fn run(self) -> RevisedLanes<V> {
        let (spec, classes, facts) = (self.spec, self.classes, self.facts);
        let (inputs, extremes, sums) = (self.inputs, &facts.extremes, &facts.sums);
        let (zero, one) = (V::splat(0.0), V::splat(1.0));
        let labelled = extremes.student.labelled;
        let unmasked = V::splat(classes as f32) - V::select(labelled, one, zero);
        let revision = if is_proportional(spec) {
            spec.revision()
        } else {
            Revision::None
        };
        let shift = [extremes.student.max, extremes.teacher.max];
        let softmaxes = Softmaxes::new::<V, V>(facts, [one / inputs.tau; 2], shift);
        let target = Target::unrevised(&extremes.teacher, softmaxes.teacher);
        let target = target.revised(revision, extremes.wrong(), unmasked);
        let revised = Revised::new(spec, inputs, extremes, &softmaxes, target);
        let gradient = &revised.gradient;

        let forward = |wrong| V::Mask::splat(is_forward(spec, wrong));
        let wrong = revised.wrong;
        let forward = (wrong & forward(true)) | (!wrong & forward(false));
        let (mut value, [exact, near]) = textbook_value(gradient, sums);
        let stable = (near & forward & facts.valid).bits();
        if stable != 0 {
            let of_others = self.stable.sum(&StableKl::new(gradient), stable);
            let of_label = V::select(labelled, label_value(gradient), zero);
            value = V::select(near, of_others + of_label, value);
        }
        let (value_factor, slope) = factors(spec, Divergence::ForwardKl, inputs.tau, classes);
        let agree = extremes.student.top.eq(extremes.teacher.top);
        RevisedLanes {
            rows: forward & facts.valid & (exact | near),
            outcome: revised.outcome(value_factor * value, self.full, classes, facts, agree),
            gradient: GradientFactors::new(gradient, revised.factor * slope),
        }
    }
}

/// Where the textbook's sum `Σ p' (log p' − log q)` is less than this part of its terms, it cancels too much,
/// and [`kl_term`] has to be summed instead.
const CANCELS_BELOW: f32 = 1.0 / 16.0;

/// `D` without its factor by the textbook's sum, where that is exact enough, and where it is not, but
/// the row's terms are finite. The target is proportional to the teacher's softmax at every class
/// besides the label.
#[inline(always)]
fn textbook_value<R: Vector, C: Copy>(
    gradient: &Gradient<R, C>,
    sums: &Sums<R>,
) -> (R, [R::Mask; 2]) {
    let (q, target) = (&gradient.student, &gradient.target);
    let of_classes = target.softmax.scale * sums.contrast * q.k;
    let constant = q.log_norm - target.softmax.log_norm;
    let of_constant = target.label.rest * constant;
    let (zero, p) = (R::splat(0.0), &target.label);
    let of_label = p.p * (p.log_p - q.y.log_p);
    let of_label = R::select(zero.lt(p.p), of_label, zero);
    let value = of_classes + of_constant + of_label;
    let size = of_classes.abs() + of_constant.abs() + of_label.abs();
    let (least, finite) = (
        R::splat(CANCELS_BELOW) * size.max(R::splat(1.0)),
        size.lt(R::splat(f32::INFINITY)),
    );
    let exact = least.lt(value);
    (value, [exact & finite, !exact & finite])
}

/// What the label's class adds to `D`.
#[inline(always)]
fn label_value<R: Vector, C: Copy>(gradient: &Gradient<R, C>) -> R {
    let (q, p) = (&gradient.student.y, &gradient.target.label);
    kl_term(p.p, p.log_p, q.p, q.log_p)
}

/// What the classes besides the label add to `D`, class by class: right where student and target nearly
/// agree.
#[derive(Clone, Copy)]
pub(crate) struct StableKl<R> {
    k: R,
    shift: [R; 2],
    scale: [R; 2],
    /// `log p − log q` beyond that of the exponentials.
    offset: R,
}

impl<R: Vector> StableKl<R> {
    #[inline(always)]
    pub(crate) fn new<C: Copy>(gradient: &Gradient<R, C>) -> Self {
        let (q, target) = (&gradient.student, &gradient.target);
        let p = &target.softmax;
        Self {
            k: q.k,
            shift: [q.shift, p.shift],
            scale: [q.scale, p.scale],
            offset: q.log_norm - p.log_norm,
        }
    }

    /// Of a row, or of rows side by side.
    #[inline(always)]
    pub(crate) fn of<L: Layout<R = R>>(&self, layout: &L) -> R {
        let mut terms = StableKlTerms {
            exponentials: Exponentials::new::<L>(self.shift, [self.k; 2]),
            k: L::spread(self.k),
            scale: map(self.scale, L::spread),
            offset: L::spread(self.offset),
        };
        let [value] = layout.sum::<false, 1>(&mut terms);
        value
    }
}

impl<A: Copy> StableKl<A> {
    /// `f` of each value.
    #[inline(always)]
    pub(crate) fn map<B: Copy>(&self, f: impl Fn(A) -> B) -> StableKl<B> {
        StableKl {
            k: f(self.k),
            shift: map(self.shift, &f),
            scale: map(self.scale, &f),
            offset: f(self.offset),
        }
    }
}

/// The terms of [`StableKl`].
struct StableKlTerms<V> {
    exponentials: Exponentials<V>,
    k: V,
    scale: [V; 2],
    /// `log p − log q` beyond that of the exponentials.
    offset: V,
}

impl<V: Vector> Terms<V, 1> for StableKlTerms<V> {
    const ABSENT: f32 = PAD_LOGIT;

    #[inline(always)]
    fn add<const MASKED: bool>(&mut self, _: usize, s: V, t: V, sums: &mut [V; 1]) {
        let (of_s, of_t) = (self.exponentials.below(0, s), self.exponentials.below(1, t));
        let p = self.exponentials.exp(1, of_t) * self.scale[1];
        let delta = (of_t - of_s).mul_add(self.k, self.offset);
        let near = is_near(delta);
        let mut term = kl_near(p, delta);
        // Most vectors have no other classes.
        if (!near).any() {
            let q = self.exponentials.exp(0, of_s) * self.scale[0];
            let far = V::select(p.eq(V::splat(0.0)), q, kl_far(p, delta, q));
            term = V::select(near, term, far);
        }
        sums[0] = sums[0] + term;
    }
}

impl<R: Vector> GradientFactors<R> {
    /// `kd` multiplies the divergence's gradient.
    #[inline(always)]
    fn new<C: Copy>(gradient: &Gradient<R, C>, kd: R) -> Self {
        let (q, target) = (&gradient.student, &gradient.target);
        Self {
            student: kd * q.scale,
            teacher: R::splat(0.0) - kd * target.softmax.scale,
            unit: gradient.factors.ce * gradient.unit.scale,
            label: kd * (q.y.p - target.label.p) + gradient.of_cross_entropy(),
        }
    }

    /// The gradient of classes besides the label, from their exponentials.
    #[inline(always)]
    pub(crate) fn of(&self, e_s: R, e_t: R, unit: R) -> R {
        e_s.mul_add(self.student, e_t.mul_add(self.teacher, unit * self.unit))
    }
}

impl<A: Copy> GradientFactors<A> {
    /// `f` of each factor.
    #[inline(always)]
    pub(crate) fn map<B>(&self, f: impl Fn(A) -> B) -> GradientFactors<B> {
        GradientFactors {
            student: f(self.student),
            teacher: f(self.teacher),
            unit: f(self.unit),
            label: f(self.label),
        }
    }
}
