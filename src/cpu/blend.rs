//! The short way for forward KL: its gradient is a sum of exponentials, and its value comes with
//! the stats sweep wherever that is exact enough.

use super::gradient::Gradient;
use super::layout::{LOWEST, Layout, Sink, Step};
use super::simd::{Mask, Vector, map};
use super::sums::{Both, Exponentials, Power, Scratch, Sums};

/// Where the textbook sum `Σ p' (log p' − log q)` is less than this part of its terms, it cancels
/// too much, and [`kl_term`](super::math::kl_term) has to be summed instead.
const LEAST: f32 = 1.0 / 16.0;

/// `D` without its factor by the textbook's sum; none where that would cancel.
#[inline(always)]
pub(super) fn value<R: Vector, C: Copy>(gradient: &Gradient<R, C>, sums: &Sums<R>) -> Option<R> {
    let (q, target) = (&gradient.student, &gradient.target);
    if !target.is_proportional() {
        return None;
    }
    let of_classes = target.beta * target.softmax.scale * sums.contrast;
    let constant = q.log_norm - target.softmax.log_norm + target.log_beta;
    let of_constant = target.label.rest * constant;
    let (zero, p) = (R::splat(0.0), &target.label);
    let of_label = p.p * (p.log_p - q.y.log_p);
    let of_label = R::select(zero.lt(p.p), of_label, zero);
    let value = of_classes + of_constant + of_label;
    let size = of_classes.abs() + of_constant.abs() + of_label.abs();
    let least = R::splat(LEAST) * size.max(R::splat(1.0));
    let enough = least.lt(value) & value.lt(R::splat(f32::INFINITY));
    (!(!enough).any()).then_some(value)
}

/// `g_c = a e_s + b e_t + c e1`, for rows without masks.
pub(super) struct Blend<'a, V, G> {
    exponentials: Exponentials<V>,
    factors: [V; 3],
    sink: &'a mut G,
}

/// Writes the gradient of forward KL, times `kd`, from what the stats sweep has kept if it has.
#[inline(always)]
pub(super) fn write<L: Layout, G: Sink<L::V, L::R>>(
    gradient: &Gradient<L::R, L::Class>,
    kd: L::R,
    exponentials: Exponentials<L::V>,
    kept: Option<&Scratch>,
    layout: &L,
    labelled: <L::R as Vector>::Mask,
    sink: &mut G,
) {
    let (zero, ce) = (L::R::splat(0.0), gradient.factors.ce);
    let (q, target) = (&gradient.student, &gradient.target);
    let factors = [
        kd * q.scale,
        zero - kd * target.beta * target.softmax.scale,
        ce * gradient.raw.scale,
    ];
    let mut blend = Blend {
        exponentials,
        factors: map(factors, L::spread),
        sink,
    };
    match kept {
        // SAFETY: the stats sweep has kept every class of this row.
        Some(kept) => unsafe { blend.kept::<L>(kept, layout.classes()) },
        None => blend.run(layout),
    }
    let g = kd * (q.y.p - target.label.p) + gradient.of_cross_entropy();
    blend.sink.put_label(g, labelled);
}

impl<V: Vector, G> Blend<'_, V, G> {
    #[inline(always)]
    fn run<L: Layout<V = V>>(&mut self, layout: &L)
    where
        G: Sink<L::V, L::R>,
    {
        layout.each::<false>(&mut Recomputed(self, std::marker::PhantomData::<L>));
    }

    /// # Safety
    /// The scratch holds this row.
    #[inline(always)]
    unsafe fn kept<L: Layout<V = V>>(&mut self, kept: &Scratch, classes: usize)
    where
        G: Sink<L::V, L::R>,
    {
        for at in (0..classes).step_by(V::LANES) {
            // SAFETY: these classes are within the row.
            let load = |which| unsafe { kept.load::<V>(which, at) };
            let (e_s, e_t) = (load(0), load(1));
            let raw = match self.exponentials.power {
                Power::Other => load(2),
                power => power.raise(e_s, e_s),
            };
            let g = self.blend(e_s, e_t, raw);
            self.sink.put(at, g, Mask::splat(true));
        }
    }

    #[inline(always)]
    fn blend(&self, e_s: V, e_t: V, raw: V) -> V {
        let [a, b, c] = self.factors;
        e_s.mul_add(a, e_t.mul_add(b, raw * c))
    }
}

/// The exponentials computed once more.
struct Recomputed<'a, 'b, L: Layout, G>(&'a mut Blend<'b, L::V, G>, std::marker::PhantomData<L>);

impl<L: Layout, G: Sink<L::V, L::R>> Step<L::V> for Recomputed<'_, '_, L, G> {
    const ABSENT: f32 = LOWEST;

    #[inline(always)]
    fn step<const MASKED: bool>(&mut self, at: usize, s: L::V, t: L::V) {
        let Both { d, e, .. } = self.0.exponentials.at::<MASKED>(s, t);
        let raw = self.0.exponentials.power.raise(e[0], d[0]);
        let g = self.0.blend(e[0], e[1], raw);
        self.0.sink.put(at, g, Mask::splat(true));
    }
}
