//! The shader modules: which files of `shaders/` make each.
//!
//! A module is a concatenation of files. Variants differ in which files are listed, everything else
//! is a constant of the pipeline.

/// How the gradient is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Store {
    /// f32: a word each.
    F32,
    /// f16 or bf16: two to a word, written with atomics.
    Packed,
}

/// How the lanes of a row are reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reduce {
    /// Through workgroup memory.
    Workgroup,
    /// With subgroup operations.
    Subgroup,
}

/// What works on a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Span {
    /// Lanes of one workgroup.
    Whole,
    /// Several workgroups, a dispatch per phase.
    Split,
}

/// Bytes of workgroup memory per invocation that reductions need.
pub(super) const REDUCE_BYTES: u32 = 16;

/// Bytes of workspace per row and part in a split row.
pub(super) const PART_BYTES: u64 = 256;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(include_str!(concat!("../../shaders/", $name, ".wgsl"))),*].concat()
    };
}

impl Store {
    const fn text(self) -> &'static str {
        match self {
            Self::F32 => include_str!("../../shaders/store_f32.wgsl"),
            Self::Packed => include_str!("../../shaders/store_packed.wgsl"),
        }
    }
}

impl Reduce {
    const fn text(self) -> &'static str {
        match self {
            Self::Workgroup => include_str!("../../shaders/reduce_workgroup.wgsl"),
            Self::Subgroup => include_str!("../../shaders/reduce_subgroup.wgsl"),
        }
    }
}

impl Span {
    const fn text(self) -> &'static str {
        match self {
            Self::Whole => include_str!("../../shaders/span_whole.wgsl"),
            Self::Split => include_str!("../../shaders/span_split.wgsl"),
        }
    }
}

/// The row program: entry point `row`.
pub(super) fn row(store: Store, reduce: Reduce, span: Span) -> String {
    let common = files!("params", "bits", "math", "logits", "phases", "top_two");
    let program = files!(
        "cache",
        "extremes",
        "softmax",
        "target",
        "divergence",
        "masks",
        "standardise",
        "sums",
        "scores",
        "gradient",
        "row"
    );
    [&common, store.text(), reduce.text(), span.text(), &program].concat()
}

/// What a batch has to know of each row first: entry points `groups` and `omegas`.
pub(super) fn prologue(reduce: Reduce) -> String {
    let common = files!("params", "bits", "math", "logits", "student", "top_two");
    let program = files!("span_whole", "prologue");
    [&common, reduce.text(), &program].concat()
}

/// One number, or one row of numbers, for a batch: entry points `scale`, `temperatures`, `total`.
pub(super) fn batch(reduce: Reduce) -> String {
    let common = files!("params", "bits", "math", "top_two");
    let program = files!("span_whole", "batch");
    [&common, reduce.text(), &program].concat()
}
