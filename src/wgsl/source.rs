//! The shader modules: which files of `shaders/` make each.
//!
//! A module is a concatenation of files. Variants differ in which files are listed, everything else
//! is a constant of the pipeline. The order of the files is free but for `cache`, which comes after
//! `top_two`: naga 30 wants the types of constants before an array that an override sizes.

use crate::spec::Format;

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

/// The file of an operation of a training step.
#[cfg(feature = "train")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum File {
    Multiply,
    Layer,
    Gather,
    Update,
    Total,
    Influence,
}

/// Bytes of workgroup memory per invocation that reductions need.
pub(super) const REDUCE_BYTES: u32 = 16;

/// Bytes of workspace per row and part in a split row.
pub(super) const PART_BYTES: u64 = 256;

/// A shader module, by its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Module {
    Row(Store, Reduce, Span),
    Prologue(Reduce),
    Batch(Reduce),
    Feature(Store, Reduce),
    #[cfg(feature = "train")]
    Train(File),
}

impl Module {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Row(..) => "row",
            Self::Prologue(..) => "prologue",
            Self::Batch(..) => "batch",
            Self::Feature(..) => "feature",
            #[cfg(feature = "train")]
            Self::Train(file) => file.name(),
        }
    }

    pub(super) fn text(self) -> String {
        match self {
            Self::Row(store, reduce, span) => row(store, reduce, span),
            Self::Prologue(reduce) => prologue(reduce),
            Self::Batch(reduce) => batch(reduce),
            Self::Feature(store, reduce) => feature(store, reduce),
            #[cfg(feature = "train")]
            Self::Train(file) => train(file),
        }
    }

    pub(super) fn reduce(self) -> Reduce {
        match self {
            Self::Row(_, reduce, _)
            | Self::Prologue(reduce)
            | Self::Batch(reduce)
            | Self::Feature(_, reduce) => reduce,
            #[cfg(feature = "train")]
            Self::Train(_) => Reduce::Workgroup,
        }
    }

    pub(super) fn uses_subgroups(self) -> bool {
        self.reduce() == Reduce::Subgroup
    }
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(include_str!(concat!("../../shaders/", $name, ".wgsl"))),*].concat()
    };
}

impl Store {
    pub(super) fn of(student: Format) -> Self {
        match student {
            Format::F32 => Self::F32,
            Format::F16 | Format::Bf16 => Self::Packed,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::F32 => include_str!("../../shaders/span/store_f32.wgsl"),
            Self::Packed => include_str!("../../shaders/span/store_packed.wgsl"),
        }
    }
}

impl Reduce {
    /// For rows by `lanes` invocations, on a device whose subgroups are at least `subgroup`: a row's
    /// lanes are within one subgroup, or they are a workgroup.
    pub(super) fn of(subgroup: Option<u32>, lanes: u32, workgroup: u32) -> Self {
        match subgroup {
            Some(size) if lanes == workgroup || lanes <= size => Self::Subgroup,
            _ => Self::Workgroup,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Workgroup => include_str!("../../shaders/span/reduce_workgroup.wgsl"),
            Self::Subgroup => include_str!("../../shaders/span/reduce_subgroup.wgsl"),
        }
    }
}

impl Span {
    const fn text(self) -> &'static str {
        match self {
            Self::Whole => include_str!("../../shaders/span/whole.wgsl"),
            Self::Split => include_str!("../../shaders/span/split.wgsl"),
        }
    }
}

/// The row program: entry point `row`.
fn row(store: Store, reduce: Reduce, span: Span) -> String {
    let common = files!(
        "params",
        "bits",
        "math",
        "weights",
        "span/lane",
        "span/logits",
        "span/top_two",
        "span/cache",
        "span/phases",
    );
    let program = files!(
        "row/codes",
        "row/inputs",
        "row/extremes",
        "row/masks",
        "row/standardise",
        "row/sums",
        "row/softmax",
        "row/target",
        "row/divergence",
        "row/gradient",
        "row/forward_kl",
        "row/scores",
        "row/record",
        "row/row",
    );
    [&common, store.text(), reduce.text(), span.text(), &program].concat()
}

/// What a batch has to know of each row first: entry points `groups` and `omegas`.
fn prologue(reduce: Reduce) -> String {
    let common = files!(
        "params",
        "bits",
        "math",
        "weights",
        "span/lane",
        "span/logits",
        "span/student",
        "span/top_two",
    );
    let program = files!("span/whole", "prologue");
    [&common, reduce.text(), &program].concat()
}

/// One number, or one row of numbers, for a batch: entry points `scale`, `temperatures`, `total`.
fn batch(reduce: Reduce) -> String {
    let common = files!(
        "params",
        "bits",
        "math",
        "weights",
        "span/lane",
        "span/top_two"
    );
    let program = files!("span/whole", "batch");
    [&common, reduce.text(), &program].concat()
}

/// Distances of features: entry point `features`.
fn feature(store: Store, reduce: Reduce) -> String {
    let common = files!(
        "params",
        "bits",
        "weights",
        "span/lane",
        "span/logits",
        "span/top_two",
        "span/cache",
        "span/whole",
    );
    let program = files!("feature");
    [&common, store.text(), reduce.text(), &program].concat()
}

/// Operations of a training step, each an entry point of its own name.
#[cfg(feature = "train")]
fn train(file: File) -> String {
    let common = files!("train/numbers");
    let program = match file {
        File::Multiply => files!("train/multiply"),
        File::Layer => files!("train/layer"),
        File::Gather => files!("train/gather"),
        File::Update => files!("train/update"),
        File::Total => files!("train/total"),
        File::Influence => files!("bits", "math", "train/influence"),
    };
    common + &program
}

#[cfg(feature = "train")]
impl File {
    const fn name(self) -> &'static str {
        match self {
            Self::Multiply => "train/multiply",
            Self::Layer => "train/layer",
            Self::Gather => "train/gather",
            Self::Update => "train/update",
            Self::Total => "train/total",
            Self::Influence => "train/influence",
        }
    }
}
