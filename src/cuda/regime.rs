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
/// Multiprocessors per row from which on several blocks share a row that no registers hold.
const SPLIT_FROM: u32 = 2;
/// Threads of a block of several, and how many of those blocks a multiprocessor gets.
const PART_THREADS: u32 = 128;
const PARTS_PER_PROCESSOR: u32 = 4;
/// Bytes that each leaves of a row: `PART_WORDS` of `kernels/span/split.cuh`.
const PART_BYTES: usize = 4 * 17;
/// Bytes of a block's shared memory that reductions take, over its warps and over a cluster's blocks.
const RESERVED: u32 = 2560;
/// Blocks of a cluster.
const CLUSTERS: [u32; 3] = [2, 4, 8];
/// Blocks per multiprocessor; with more rows than that, a block takes several.
const BLOCKS: u32 = 32;

/// What a device has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Multiprocessors.
    pub(super) processors: u32,
    /// Bytes of shared memory that a block may ask for.
    pub(super) shared: u32,
    /// Whether blocks run together as clusters.
    pub(super) clusters: bool,
}

impl Limits {
    /// Bytes of shared memory that are left for rows.
    pub(super) fn room(self) -> u32 {
        self.shared.saturating_sub(RESERVED)
    }
}

impl Regime {
    /// The name of its kernel, of the row program or of features, for this type.
    pub(super) fn kernel(self, program: &str, format: Format) -> String {
        match self {
            Self::Any => format!("{program}_any"),
            _ => format!("{program}_{}_{}", self.name(), format.name()),
        }
    }

    /// The launch for rows of `vectors` vectors and `classes` classes.
    pub(super) fn geometry(
        self,
        rows: u32,
        classes: u32,
        vectors: u32,
        limits: Limits,
    ) -> Geometry {
        let blocks = |rows_per_block| {
            rows.div_ceil(rows_per_block)
                .min(limits.processors * BLOCKS)
        };
        let warps = |threads: u32| threads.next_multiple_of(32).clamp(32, MOST_THREADS);
        let (blocks, threads) = match self {
            Self::Group8 => (blocks(THREADS / 8), THREADS),
            Self::Group16 => (blocks(THREADS / 16), THREADS),
            Self::Warp => (blocks(THREADS / 32), THREADS),
            Self::Block => (blocks(1), warps(vectors.div_ceil(STEPS))),
            Self::Ring | Self::Cluster => {
                let cluster = match self {
                    Self::Cluster => cluster(vectors, limits).unwrap_or(1),
                    _ => 1,
                };
                let (threads, shared) = ring(vectors.div_ceil(cluster));
                // As many as run at the same time, so that each goes from row to row.
                return Geometry {
                    blocks: rows.min((limits.processors / cluster).max(1)) * cluster,
                    cluster,
                    threads,
                    shared,
                    ..Geometry::BATCH
                };
            }
            Self::Split => {
                let parts = (limits.processors * PARTS_PER_PROCESSOR / rows.max(1))
                    .max(2)
                    .min(vectors.div_ceil(PART_THREADS))
                    // A thread of a later phase looks at one of them.
                    .clamp(1, PART_THREADS);
                return Geometry {
                    blocks: blocks(1),
                    parts,
                    threads: PART_THREADS,
                    ..Geometry::BATCH
                };
            }
            Self::Stream | Self::Any => (blocks(1), warps(classes.div_ceil(CLASSES_PER_THREAD))),
        };
        Geometry {
            blocks,
            threads,
            ..Geometry::BATCH
        }
    }
}

/// How a kernel is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) blocks: u32,
    /// How many of them run together.
    pub(super) cluster: u32,
    /// How many times as many, where several share a row.
    pub(super) parts: u32,
    pub(super) threads: u32,
    /// Bytes of shared memory besides the kernel's own.
    pub(super) shared: u32,
}

impl Geometry {
    /// One block over a whole batch.
    pub(super) const BATCH: Self = Self {
        blocks: 1,
        cluster: 1,
        parts: 1,
        threads: MOST_THREADS,
        shared: 0,
    };

    /// With at most so many clusters.
    pub(super) fn with_clusters(self, most: u32) -> Self {
        Self {
            blocks: self.blocks.min(most * self.cluster),
            ..self
        }
    }

    /// Bytes of workspace for the parts of rows that several blocks share.
    pub(super) fn part_bytes(self, rows: usize) -> usize {
        rows.saturating_mul(self.parts as usize * PART_BYTES)
    }
}

/// Threads of a ring, and the bytes that it keeps rows of so many vectors in: both rows, each thread
/// as many vectors, and one vector of the teacher's more per warp.
fn ring(vectors: u32) -> (u32, u32) {
    let steps = vectors.div_ceil(MOST_THREADS).max(1);
    let threads = vectors.div_ceil(steps).next_multiple_of(32);
    let chunks = steps * threads;
    (threads, 16 * (2 * chunks + chunks / 32))
}

/// Whether a ring of this device holds both rows of so many vectors.
fn holds(vectors: u32, limits: Limits) -> bool {
    vectors <= limits.room() / 32 && ring(vectors).1 <= limits.room()
}

/// The fewest blocks that hold them together, where there are clusters.
fn cluster(vectors: u32, limits: Limits) -> Option<u32> {
    let mut sizes = CLUSTERS.into_iter().filter(|_| limits.clusters);
    sizes.find(|&blocks| holds(vectors.div_ceil(blocks), limits))
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

/// The regime of a plan whose rows are not split.
pub(super) fn choose(
    spec: &LossSpec,
    classes: u32,
    options: &Options,
    limits: Limits,
) -> Result<Regime, Error> {
    let special = is_forward_kl(spec) && options.student == options.teacher;
    let why = "it is for forward KL without standardisation and label smoothing, and for one type of logits";
    if options.regime == Some(Regime::Cluster) && !limits.clusters {
        let why = "it needs compute capability 9.0 (Hopper), a driver for CUDA 11.8, and as many multiprocessors together as hold a row";
        return Err(refuse(Regime::Cluster, why));
    }
    let unsplit = Options {
        regime: options.regime.filter(|&given| given != Regime::Split),
        ..*options
    };
    fitting(
        special.then_some(()).ok_or(why),
        classes,
        &unsplit,
        Some(limits),
    )
}

/// With how many rows, at most, a plan's rows are split.
pub(super) fn most_split_rows(
    spec: &LossSpec,
    classes: u32,
    options: &Options,
    limits: Limits,
) -> Result<u32, Error> {
    let takes = is_forward_kl(spec)
        && options.student == options.teacher
        && spec.revision() != Revision::ProbabilityShift;
    let long = CAPACITY
        .iter()
        .all(|&(_, most)| vectors(options.student, classes) > most);
    match options.regime {
        Some(Regime::Split) if takes => Ok(u32::MAX),
        Some(Regime::Split) => Err(refuse(
            Regime::Split,
            "it is for forward KL without standardisation, label smoothing and probability shift, and for one type of logits",
        )),
        None if takes && long => Ok(limits.processors / SPLIT_FROM),
        _ => Ok(0),
    }
}

/// The regime of a plan for features, which no ring keeps and which are not split.
pub(super) fn choose_for_features(width: u32, options: &Options) -> Result<Regime, Error> {
    let special = options.student == options.teacher;
    let why = match options.regime {
        Some(given @ (Regime::Ring | Regime::Cluster | Regime::Split)) => {
            return Err(refuse(given, "it is for logits"));
        }
        _ => "it is for one type of features",
    };
    fitting(special.then_some(()).ok_or(why), width, options, None)
}

fn refuse(given: Regime, why: &'static str) -> Error {
    Error::Regime {
        given: given.name(),
        why,
    }
}

/// The regime of rows of so many elements; `special` says why only [`Regime::Any`] takes them, `rings`
/// is the device for those that a ring may keep.
fn fitting(
    special: Result<(), &'static str>,
    classes: u32,
    options: &Options,
    rings: Option<Limits>,
) -> Result<Regime, Error> {
    let vectors = vectors(options.student, classes);
    let fits = |regime| match regime {
        Regime::Ring => rings.is_some_and(|limits| holds(vectors, limits)),
        Regime::Cluster => rings.is_some_and(|limits| cluster(vectors, limits).is_some()),
        _ => CAPACITY
            .iter()
            .all(|&(r, most)| r != regime || vectors <= most),
    };
    match (options.regime, special) {
        (Some(regime), Err(why)) if regime != Regime::Any => Err(refuse(regime, why)),
        (Some(regime), _) if !fits(regime) => Err(refuse(regime, "its rows have fewer classes")),
        (Some(regime), _) => Ok(regime),
        (None, Err(_)) => Ok(Regime::Any),
        // The first that takes them, and the stream takes all.
        (None, Ok(())) => Ok(Regime::ALL
            .into_iter()
            .find(|&regime| fits(regime))
            .unwrap_or(Regime::Stream)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Preset;

    const HOPPER: Limits = Limits {
        processors: 132,
        shared: 227 << 10,
        clusters: true,
    };
    const ADA: Limits = Limits {
        processors: 142,
        shared: 99 << 10,
        clusters: false,
    };

    #[test]
    fn rows_go_where_they_fit() {
        let of = |preset: Preset, format, classes| {
            let options = Options::default().formats(format, format);
            choose(&preset.spec(), classes, &options, HOPPER).unwrap()
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
        assert_eq!(lr(Format::F16, 16_378), Regime::Ring);
        assert_eq!(lr(Format::Bf16, 50_257), Regime::Ring);
        assert_eq!(lr(Format::Bf16, 53_753), Regime::Ring);
        assert_eq!(lr(Format::Bf16, 53_754), Regime::Cluster);
        assert_eq!(lr(Format::Bf16, 430_073), Regime::Cluster);
        assert_eq!(lr(Format::Bf16, 430_074), Regime::Stream);
        assert_eq!(lr(Format::F32, 26_877), Regime::Ring);
        assert_eq!(lr(Format::F32, 26_878), Regime::Cluster);
        assert_eq!(lr(Format::F32, 215_037), Regime::Cluster);
        assert_eq!(lr(Format::F32, 215_038), Regime::Stream);
        assert_eq!(lr(Format::F32, i32::MAX as u32), Regime::Stream);
        assert_eq!(of(Preset::Dkd, Format::F32, 10), Regime::Any);
        let mixed = Options::default().formats(Format::F32, Format::F16);
        assert_eq!(
            choose(&Preset::Lr.spec(), 10, &mixed, HOPPER),
            Ok(Regime::Any)
        );
        let forced = Options::default().regime(Regime::Warp);
        assert!(choose(&Preset::Lr.spec(), 510, &forced, HOPPER).is_err());
        assert!(choose(&Preset::Dkd.spec(), 10, &forced, HOPPER).is_err());
    }

    #[test]
    fn few_rows_are_split() {
        let most = |preset: Preset, classes, options: Options| {
            most_split_rows(&preset.spec(), classes, &options, HOPPER)
        };
        let f32 = Options::default();
        assert_eq!(most(Preset::Lr, 8189, f32), Ok(0));
        assert_eq!(most(Preset::Lr, 8190, f32), Ok(66));
        assert_eq!(most(Preset::Dkd, 8190, f32), Ok(0));
        assert_eq!(most(Preset::KaPs, 8190, f32), Ok(0));
        assert_eq!(most(Preset::Lr, 8190, f32.regime(Regime::Stream)), Ok(0));
        let forced = f32.regime(Regime::Split);
        assert_eq!(most(Preset::Lr, 3, forced), Ok(u32::MAX));
        assert!(most(Preset::KaPs, 3, forced).is_err());
        assert!(most(Preset::Lr, 3, forced.formats(Format::F32, Format::F16)).is_err());
        assert!(choose_for_features(100, &forced).is_err());
        let parts = |rows, vectors| {
            let of = Regime::Split.geometry(rows, 1, vectors, HOPPER);
            assert_eq!((of.threads, of.shared), (PART_THREADS, 0));
            (of.blocks, of.parts)
        };
        assert_eq!(parts(1, 19_000), (1, 128));
        assert_eq!(parts(1, 4000), (1, 32));
        assert_eq!(parts(32, 19_000), (32, 16));
        assert_eq!(parts(1000, 19_000), (1000, 2));
        assert_eq!(parts(1, 3), (1, 1));
    }

    /// Kernels number threads and rows in 32 bits, and a row that follows the last one too.
    #[test]
    fn no_number_wraps_in_a_kernel() {
        let most = i32::MAX.cast_unsigned();
        for limits in [HOPPER, ADA] {
            for regime in Regime::ALL {
                // Only these take any number of classes.
                let any = [Regime::Split, Regime::Stream, Regime::Any].contains(&regime);
                let classes = if any { most } else { 29 };
                for format in [Format::F32, Format::F16, Format::Bf16] {
                    let of = regime.geometry(most, classes, vectors(format, classes), limits);
                    let threads = of.blocks.checked_mul(of.parts * of.threads);
                    assert!(
                        threads.is_some_and(|n| most.checked_add(n).is_some()),
                        "{of:?}"
                    );
                    assert!(of.parts <= PART_THREADS, "{of:?}");
                }
            }
            for regime in [Regime::Ring, Regime::Cluster] {
                let forced = Options::default().regime(regime);
                assert!(choose(&Preset::Lr.spec(), most, &forced, limits).is_err());
            }
        }
    }

    #[test]
    fn every_row_has_a_thread() {
        for (regime, most) in CAPACITY {
            let of = regime.geometry(1, 4 * most, most, HOPPER);
            assert!(of.blocks == 1 && of.threads % 32 == 0 && of.threads <= MOST_THREADS);
        }
        let of = |regime: Regime, rows, classes, vectors| {
            let of = regime.geometry(rows, classes, vectors, HOPPER);
            (of.blocks, of.threads, of.shared)
        };
        assert_eq!(of(Regime::Block, 7, 2000, 501), (7, 128, 0));
        assert_eq!(of(Regime::Block, 7, 8000, 2001), (7, 512, 0));
        assert_eq!(of(Regime::Group8, 100, 10, 4), (4, 256, 0));
        assert_eq!(of(Regime::Any, 1 << 30, 1, 1), (132 * 32, 32, 0));
        assert_eq!(of(Regime::Ring, 9, 50_257, 6283), (9, 512, 216_320));
        assert_eq!(of(Regime::Ring, 1000, 16_400, 2051), (132, 416, 67_600));
        assert_eq!(of(Regime::Ring, 1, 1, 1), (1, 32, 1040));
    }

    #[test]
    fn rings_have_the_room_of_their_device() {
        let of = |classes, limits| {
            let bf16 = Options::default().formats(Format::Bf16, Format::Bf16);
            choose(&Preset::Lr.spec(), classes, &bf16, limits).unwrap()
        };
        assert_eq!(of(22_000, ADA), Regime::Ring);
        assert_eq!(of(32_000, ADA), Regime::Stream);
        for regime in [Regime::Ring, Regime::Cluster] {
            assert!(choose_for_features(100, &Options::default().regime(regime)).is_err());
        }
    }

    #[test]
    fn clusters_are_as_small_as_may_be() {
        let of = |format, classes, rows| {
            let of = Regime::Cluster.geometry(rows, classes, vectors(format, classes), HOPPER);
            assert!(of.shared <= HOPPER.room() && of.blocks.is_multiple_of(of.cluster));
            (of.cluster, of.blocks)
        };
        for (format, last) in [
            (Format::F32, [53_757, 107_517, 215_037]),
            (Format::F16, [107_513, 215_033, 430_073]),
            (Format::Bf16, [107_513, 215_033, 430_073]),
        ] {
            assert_eq!(of(format, 1, 1), (2, 2));
            assert_eq!(of(format, last[0], 1000), (2, 132));
            assert_eq!(of(format, last[0] + 1, 1000), (4, 132));
            assert_eq!(of(format, last[1], 5), (4, 20));
            assert_eq!(of(format, last[1] + 1, 1000), (8, 128));
            assert_eq!(of(format, last[2], 3), (8, 24));
        }
        let few = Limits {
            processors: 2,
            ..HOPPER
        };
        let of = Regime::Cluster.geometry(9, 151_936, vectors(Format::F32, 151_936), few);
        assert_eq!((of.cluster, of.blocks), (8, 8));
        let of = Regime::Cluster.geometry(99, 128_256, vectors(Format::Bf16, 128_256), HOPPER);
        assert_eq!(of.blocks, 132);
        assert_eq!(of.with_clusters(32).blocks, 128);
        assert_eq!(of.with_clusters(99), of);
    }

    #[test]
    fn chips_without_clusters_stream() {
        let before = Limits {
            clusters: false,
            ..HOPPER
        };
        let of = |options: Options| choose(&Preset::Lr.spec(), 30_000, &options, before);
        assert_eq!(of(Options::default()), Ok(Regime::Stream));
        let refused = of(Options::default().regime(Regime::Cluster)).unwrap_err();
        assert!(refused.to_string().contains("compute capability 9.0"));
    }
}
