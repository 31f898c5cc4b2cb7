//! Which path takes a row, and every threshold of this engine.

use crate::spec::{Divergence, LossSpec, Revision, Temperature};

/// Rows of fewer classes go side by side, one per lane: a vector of 16 lanes holds a whole row of them.
pub(super) const TILE_CLASSES: usize = 16;

/// Rows of up to so many classes are copied in groups. Longer ones lose more by the copy than they gain.
const STAGED_CLASSES: usize = 512;

/// Longer rows keep no exponentials, so that no thread needs more than 12 MiB of scratch for three rows.
const KEPT_CLASSES: usize = 1 << 20;

/// Classes that are summed in one chain per lane; beyond them sums are combined as a tree.
pub(super) const CHAIN_CLASSES: usize = 4096;

/// Classes of a group of rows that a vector's lanes share, so that their exponentials stay in the L1 cache.
pub(super) const GROUP_CLASSES: usize = 4096;

/// Vectors whose maximum is found before the next ones are looked at.
pub(super) const BLOCK_VECTORS: usize = 16;

/// Classes that are widened to f32 at a time where the format is not known to the compiler: they stay in the L1
/// cache.
pub(super) const WIDENED_CLASSES: usize = 256;

/// How many classes ahead of a sweep memory is prefetched.
pub(super) const PREFETCH_CLASSES: usize = 256;

/// Logits whose rows one thread sums one after the other: it has done them by the time that another is
/// awake. Rows are never split.
pub(super) const LEAF_LOGITS: usize = 65_536;

/// Blocks of rows per thread. The last rows of a block have no later row to work ahead for.
#[cfg(feature = "rayon")]
pub(super) const BLOCKS_PER_THREAD: usize = 4;

/// Features whose rows one thread sums one after the other.
pub(super) const LEAF_FEATURES: usize = 16_384;

/// How rows lie in vectors, and what is kept of them between sweeps.
///
/// | regime | rows | what runs |
/// |---|---|---|
/// | [`Transposed`](Self::Transposed) | of fewer than 16 classes | one row per lane, in registers |
/// | [`Staged`](Self::Staged) | of 16 to 512 classes, forward KL on right or on wrong rows, no standardised logits | several rows are copied to scratch and swept there; exponentials replace the logits |
/// | [`Streamed`](Self::Streamed) | the same of 513 to 2²⁰ classes | one row after the other; the sweep that sums also keeps exponentials, writes the gradient of an earlier row and looks for the maxima of a later one |
/// | [`General`](Self::General) | all others | one row after the other, read anew for every sweep |
///
/// Within `Staged` and `Streamed`, a row with masks or logits that are not finite, and one whose own divergence
/// is not forward KL, is computed as in `General`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Regime {
    /// Rows side by side, one per lane of a vector.
    Transposed,
    /// Groups of rows, copied to scratch.
    Staged,
    /// Row by row, exponentials kept from one sweep to the next.
    Streamed,
    /// Row by row, for any loss.
    General,
}

impl Regime {
    /// The regime of rows of so many classes.
    pub(super) fn choose(spec: &LossSpec, classes: usize) -> Self {
        if classes < TILE_CLASSES {
            Self::Transposed
        } else if classes > KEPT_CLASSES || !is_forward_somewhere(spec) {
            Self::General
        } else if classes <= STAGED_CLASSES {
            Self::Staged
        } else {
            Self::Streamed
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transposed => "transposed",
            Self::Staged => "staged",
            Self::Streamed => "streamed",
            Self::General => "general",
        }
    }
}

/// Whether streamed rows look for the extremes of later rows. Shorter rows come from memory together with
/// the rows before them, and short vectors leave no registers for it.
#[inline(always)]
pub(super) fn scans_ahead(classes: usize, lanes: usize) -> bool {
    lanes >= 16 || classes >= 4096
}

/// Whether rows whose format the compiler does not know are widened part by part. With AVX-512, which loads every
/// format in one instruction or two, asking for the format at each vector is faster.
#[inline(always)]
pub(super) fn widens(lanes: usize) -> bool {
    lanes < 16
}

/// How many rows go together, given the length of one in scratch and a vector's lanes.
#[inline(always)]
pub(super) fn group_rows(padded_classes: usize, lanes: usize) -> usize {
    (GROUP_CLASSES / padded_classes).clamp(1, lanes)
}

/// Whether right or wrong rows are computed by the sums of forward KL alone.
fn is_forward_somewhere(spec: &LossSpec) -> bool {
    let standardised = matches!(spec.temperature(), Temperature::Standardised { .. });
    !standardised && (is_forward(spec, false) || is_forward(spec, true))
}

/// Whether right and wrong rows are.
pub(super) fn is_forward_throughout(spec: &LossSpec) -> bool {
    is_forward_somewhere(spec) && is_forward(spec, false) && is_forward(spec, true)
}

/// Whether the divergence of right or of wrong rows is forward KL, from a target whose revision keeps the
/// proportions.
pub(super) fn is_forward(spec: &LossSpec, wrong: bool) -> bool {
    spec.side(wrong).divergence == Divergence::ForwardKl && (!wrong || is_proportional(spec))
}

/// Whether revision keeps the proportions of the classes besides the label.
pub(super) fn is_proportional(spec: &LossSpec) -> bool {
    matches!(
        spec.revision(),
        Revision::None | Revision::LabelRevision { .. }
    )
}
