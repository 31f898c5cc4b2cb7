//! Which kernel a batch runs in, and its launch geometry: the tables that performance hangs on.

use super::error::Error;
use super::options::{Options, Regime};
use crate::spec::{Divergence, Format, LossSpec, Revision, Temperature};

/// Vectors of 16 bytes that a row may touch, at most, in each regime that has a limit.
const CAPACITY: [(Regime, u32); 4] = [
    (Regime::Group8, 8),
    (Regime::Group16, 32),
    (Regime::Warp, 128),
    (Regime::Block, 2048),
];

/// Threads of a block whose warps work on rows of their own.
const THREADS: u32 = 256;
/// Vectors of a row per thread where a block holds it in registers.
const STEPS: u32 = 4;
/// Classes per thread, and the most threads, where rows are read anew.
const CLASSES_PER_THREAD: u32 = 8;
const MOST_THREADS: u32 = 512;
/// Blocks per multiprocessor; with more rows than that, a block takes several.
const BLOCKS: u32 = 32;

impl Regime {
    /// The name of its kernel, of the row program or of features, for this type.
    pub(super) fn kernel(self, program: &str, format: Format) -> String {
        match self {
            Self::Any => format!("{program}_any"),
            _ => format!("{program}_{}_{}", self.name(), format.name()),
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Group8 => "group8",
            Self::Group16 => "group16",
            Self::Warp => "warp",
            Self::Block => "block",
            Self::Stream => "stream",
            Self::Any => "any",
        }
    }

    /// The PTX that its kernel is in, as named in `kernels/`.
    pub(super) const fn is_large(self) -> bool {
        matches!(self, Self::Warp | Self::Block)
    }

    /// Blocks, and threads of each, for rows of `vectors` vectors and `classes` classes.
    pub(super) fn geometry(
        self,
        rows: u32,
        classes: u32,
        vectors: u32,
        processors: u32,
    ) -> (u32, u32) {
        let blocks = |rows_per_block| {
            rows.div_ceil(rows_per_block)
                .min(processors.max(1) * BLOCKS)
        };
        let warps = |threads: u32| threads.next_multiple_of(32).clamp(32, MOST_THREADS);
        match self {
            Self::Group8 => (blocks(THREADS / 8), THREADS),
            Self::Group16 => (blocks(THREADS / 16), THREADS),
            Self::Warp => (blocks(THREADS / 32), THREADS),
            Self::Block => (blocks(1), warps(vectors.div_ceil(STEPS))),
            Self::Stream | Self::Any => (blocks(1), warps(classes.div_ceil(CLASSES_PER_THREAD))),
        }
    }
}

/// Whether kernels that know forward KL alone compute this.
fn is_forward_kl(spec: &LossSpec) -> bool {
    let forward = |wrong| spec.side(wrong).divergence == Divergence::ForwardKl;
    let smooth = matches!(spec.revision(), Revision::LabelSmoothing { .. });
    let standard = matches!(spec.temperature(), Temperature::Standardised { .. });
    forward(false) && forward(true) && !smooth && !standard
}

/// Vectors that a row of `classes` classes touches at most, wherever it begins.
pub(super) fn vectors(format: Format, classes: u32) -> u32 {
    let per_vector = 16 / format.bytes() as u32;
    (classes - 1).div_ceil(per_vector) + 1
}

/// The regime of a plan.
pub(super) fn choose(spec: &LossSpec, classes: u32, options: &Options) -> Result<Regime, Error> {
    let special = is_forward_kl(spec) && options.student == options.teacher;
    let why = "it is for forward KL without standardisation and label smoothing, and for one type of logits";
    fitting(special.then_some(()).ok_or(why), classes, options)
}

/// The regime of a plan for features.
pub(super) fn choose_for_features(width: u32, options: &Options) -> Result<Regime, Error> {
    let special = options.student == options.teacher;
    let why = "it is for one type of features";
    fitting(special.then_some(()).ok_or(why), width, options)
}

/// The regime of rows of so many elements; `special` says why only [`Regime::Any`] takes them.
fn fitting(
    special: Result<(), &'static str>,
    classes: u32,
    options: &Options,
) -> Result<Regime, Error> {
    let refuse = |given: Regime, why| Error::Regime {
        given: given.name(),
        why,
    };
    let vectors = vectors(options.student, classes);
    let fits = |regime| {
        CAPACITY
            .iter()
            .all(|&(r, most)| r != regime || vectors <= most)
    };
    match (options.regime, special) {
        (Some(regime), Err(why)) if regime != Regime::Any => Err(refuse(regime, why)),
        (Some(regime), _) if !fits(regime) => Err(refuse(regime, "its rows have fewer classes")),
        (Some(regime), _) => Ok(regime),
        (None, Err(_)) => Ok(Regime::Any),
        (None, Ok(())) => {
            let narrow = CAPACITY.iter().find(|&&(_, most)| vectors <= most);
            Ok(narrow.map_or(Regime::Stream, |&(regime, _)| regime))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Preset;

    #[test]
    fn rows_go_where_they_fit() {
        let of = |preset: Preset, format, classes| {
            let options = Options::default().formats(format, format);
            choose(&preset.spec(), classes, &options).unwrap()
        };
        let lr = |format, classes| of(Preset::Lr, format, classes);
        assert_eq!(lr(Format::F32, 1), Regime::Group8);
        assert_eq!(lr(Format::F32, 10), Regime::Group8);
        assert_eq!(lr(Format::F32, 100), Regime::Group16);
        assert_eq!(lr(Format::Bf16, 100), Regime::Group16);
        assert_eq!(lr(Format::F32, 509), Regime::Warp);
        assert_eq!(lr(Format::F32, 510), Regime::Block);
        assert_eq!(lr(Format::Bf16, 1000), Regime::Warp);
        assert_eq!(lr(Format::F16, 16_000), Regime::Block);
        assert_eq!(lr(Format::F32, 50_257), Regime::Stream);
        assert_eq!(of(Preset::Dkd, Format::F32, 10), Regime::Any);
        let mixed = Options::default().formats(Format::F32, Format::F16);
        assert_eq!(choose(&Preset::Lr.spec(), 10, &mixed), Ok(Regime::Any));
        let forced = Options::default().regime(Regime::Warp);
        assert!(choose(&Preset::Lr.spec(), 510, &forced).is_err());
        assert!(choose(&Preset::Dkd.spec(), 10, &forced).is_err());
    }

    #[test]
    fn every_row_has_a_thread() {
        for (regime, most) in CAPACITY {
            let (blocks, threads) = regime.geometry(1, 4 * most, most, 1);
            assert!(blocks == 1 && threads % 32 == 0 && threads <= MOST_THREADS);
        }
        assert_eq!(Regime::Block.geometry(7, 2000, 501, 132), (7, 128));
        assert_eq!(Regime::Block.geometry(7, 8000, 2001, 132), (7, 512));
        assert_eq!(Regime::Group8.geometry(100, 10, 4, 132), (4, 256));
        assert_eq!(Regime::Any.geometry(1 << 30, 1, 1, 132), (132 * 32, 32));
    }
}
