//! Batches with rows of every kind, from a seed.

use fused_kd::cpu::Batch;
use fused_kd::spec::{IGNORE, LossSpec, Temperature};

/// SplitMix64: small, and no part of what is tested.
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// Uniform in [−1, 1).
    pub(crate) fn signed(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// What a row is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Logits in ±4.
    Plain,
    /// Teacher and student nearly the same: p within 1 % of q.
    Near,
    /// The teacher sure and right, the student sure and wrong.
    Sure,
    /// Logits in ±1e4.
    Wide,
    /// Few distinct values: ties for the maximum, −0 beside +0.
    Ties,
    /// Every fifth class masked, each row its own.
    Masked,
    /// The same classes masked in both rows: a whole leading stretch.
    LeadingMasked,
    /// Only the label's class masked, in the student, the teacher or both.
    LabelMasked,
    /// Everything masked besides one class, in one row or the other.
    AlmostAllMasked,
    /// No label.
    Unlabelled,
    /// Weight 0.
    Off,
    /// kd_weight 0.
    Unselected,
    /// NaN somewhere.
    Nan,
    /// +∞ somewhere.
    Infinity,
    /// A row that is −∞ throughout.
    AllMasked,
    /// Whatever a property test drew.
    Drawn,
}

impl Kind {
    pub(crate) const ALL: [Self; 15] = [
        Self::Plain,
        Self::Near,
        Self::Sure,
        Self::Wide,
        Self::Ties,
        Self::Masked,
        Self::LeadingMasked,
        Self::LabelMasked,
        Self::AlmostAllMasked,
        Self::Unlabelled,
        Self::Off,
        Self::Unselected,
        Self::Nan,
        Self::Infinity,
        Self::AllMasked,
    ];
    /// Rows without infinities or NaN in what comes of them, so that totals stay numbers.
    pub(crate) const TAME: [Self; 8] = [
        Self::Plain,
        Self::Near,
        Self::Sure,
        Self::Wide,
        Self::Ties,
        Self::Unlabelled,
        Self::Off,
        Self::Unselected,
    ];
}

/// One batch. Logits are rounded by each subject to its own types.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) spec: LossSpec,
    pub(crate) classes: usize,
    pub(crate) student: Vec<f32>,
    pub(crate) teacher: Vec<f32>,
    pub(crate) labels: Vec<i32>,
    pub(crate) weight: Vec<f32>,
    pub(crate) kd_weight: Vec<f32>,
    /// For [`Temperature::PerRow`].
    pub(crate) tau: Option<Vec<f32>>,
    pub(crate) upstream: f32,
    pub(crate) kinds: Vec<Kind>,
}

impl Case {
    /// A batch with everything that the case has besides logits and labels; `tau` may be the case's
    /// own or dynamic.
    pub(crate) fn complete<'a, S, T>(
        &'a self,
        batch: Batch<'a, S, T>,
        tau: Option<&'a [f32]>,
    ) -> Batch<'a, S, T> {
        let batch = batch
            .weight(&self.weight)
            .kd_weight(&self.kd_weight)
            .upstream(self.upstream);
        match tau {
            Some(tau) => batch.tau(tau),
            None => batch,
        }
    }

    pub(crate) fn new(
        rng: &mut Rng,
        spec: &LossSpec,
        rows: usize,
        classes: usize,
        kinds: &[Kind],
    ) -> Self {
        let mut case = Self {
            spec: *spec,
            classes,
            student: Vec::with_capacity(rows * classes),
            teacher: Vec::with_capacity(rows * classes),
            labels: Vec::new(),
            weight: Vec::new(),
            kd_weight: Vec::new(),
            tau: (spec.temperature() == Temperature::PerRow).then(Vec::new),
            upstream: [1.0, 0.5, -2.0, 1024.0][rng.below(4)],
            kinds: Vec::new(),
        };
        let offset = rng.below(kinds.len());
        for row in 0..rows {
            case.push(rng, kinds[(row + offset) % kinds.len()]);
        }
        case
    }

    fn push(&mut self, rng: &mut Rng, kind: Kind) {
        let v = self.classes;
        let y = rng.below(v);
        let (s, t) = logits(rng, kind, v, y);
        self.student.extend(s);
        self.teacher.extend(t);
        self.labels.push(if kind == Kind::Unlabelled {
            IGNORE
        } else {
            y as i32
        });
        self.weight.push(if kind == Kind::Off {
            0.0
        } else {
            [1.0, 1.0, 0.25, 3.0][rng.below(4)]
        });
        self.kd_weight.push(if kind == Kind::Unselected {
            0.0
        } else {
            [1.0, 1.0, 0.5][rng.below(3)]
        });
        if let Some(tau) = &mut self.tau {
            tau.push([0.5, 1.0, 4.0, 20.0][rng.below(4)]);
        }
        self.kinds.push(kind);
    }
}

/// A row of each. About half the teachers are wrong wherever that is possible.
fn logits(rng: &mut Rng, kind: Kind, v: usize, y: usize) -> (Vec<f32>, Vec<f32>) {
    let masked = f32::NEG_INFINITY;
    let scale = if kind == Kind::Wide { 1e4 } else { 4.0 };
    let mut s: Vec<f32> = (0..v).map(|_| scale * rng.signed()).collect();
    let mut t: Vec<f32> = (0..v).map(|_| scale * rng.signed()).collect();
    if rng.below(2) == 0 {
        t[y] = t.iter().copied().fold(masked, f32::max) + 1.0;
    }
    match kind {
        Kind::Near => s = t.iter().map(|t| t + 0.009 * rng.signed()).collect(),
        Kind::Sure => {
            t[y] += 60.0;
            s[(y + 1) % v] += 200.0;
        }
        Kind::Ties => {
            let few = |z: &mut f32| *z = [-0.0, 0.0, 1.0, 1.0][(z.abs() * 1e3) as usize % 4];
            s.iter_mut().chain(&mut t).for_each(few);
        }
        Kind::Masked => {
            for z in s.iter_mut().chain(&mut t) {
                if rng.below(5) == 0 {
                    *z = masked;
                }
            }
            // One class stays, so that the rows are legal.
            (s[v / 2], t[v - 1]) = (1.0, 1.0);
        }
        Kind::LeadingMasked => {
            let stretch = v - 1 - rng.below(v.div_ceil(2));
            s[..stretch].fill(masked);
            t[..stretch].fill(masked);
        }
        Kind::LabelMasked if v > 1 => {
            let which = rng.below(3);
            if which != 0 {
                s[y] = masked;
            }
            if which != 1 {
                t[y] = masked;
            }
        }
        Kind::AlmostAllMasked => {
            let row = if rng.below(2) == 0 { &mut s } else { &mut t };
            let (keep, z) = if rng.below(2) == 0 {
                (y, row[y])
            } else {
                (v / 2, row[v / 2])
            };
            row.fill(masked);
            row[keep] = z;
        }
        Kind::Nan | Kind::Infinity => {
            let row = if rng.below(2) == 0 { &mut s } else { &mut t };
            row[rng.below(v)] = if kind == Kind::Nan {
                f32::NAN
            } else {
                f32::INFINITY
            };
        }
        Kind::AllMasked => {
            let row = if rng.below(2) == 0 { &mut s } else { &mut t };
            row.fill(masked);
        }
        _ => {}
    }
    (s, t)
}
