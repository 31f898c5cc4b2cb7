//! Which path takes a row.

use super::layout::TILE_CLASSES;
use crate::spec::{Divergence, LossSpec, Revision, Temperature};

/// Rows of more classes go one at a time, so that no thread keeps more than 12 MiB for them.
const KEPT: usize = 1 << 20;

/// How rows lie in vectors, and what is kept of them between sweeps.
///
/// | regime | rows | what runs |
/// |---|---|---|
/// | [`Tiles`](Self::Tiles) | of fewer than 16 classes | one row per lane, in registers |
/// | [`Groups`](Self::Groups) | of 16 to 2²⁰ classes, forward KL on right or on wrong rows, no standardised logits | two sweeps; exponentials are kept between them, and up to 512 classes several rows go together |
/// | [`Rows`](Self::Rows) | all others | one row after the other, read anew for every sweep |
///
/// Within `Groups`, a row with masks or values that are not finite, and one whose own divergence is not
/// forward KL, goes as in `Rows`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Regime {
    /// Rows side by side, one per lane of a vector.
    Tiles,
    /// Rows across the lanes, whose exponentials are kept from one sweep to the next.
    Groups,
    /// Rows across the lanes, one after the other.
    Rows,
}

impl Regime {
    pub(super) fn of(spec: &LossSpec, classes: usize) -> Self {
        if classes < TILE_CLASSES {
            Self::Tiles
        } else if classes <= KEPT && is_forward_somewhere(spec) {
            Self::Groups
        } else {
            Self::Rows
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tiles => "tiles",
            Self::Groups => "groups",
            Self::Rows => "rows",
        }
    }
}

/// Whether right or wrong rows take the fast path of forward KL.
fn is_forward_somewhere(spec: &LossSpec) -> bool {
    let standardised = matches!(spec.temperature(), Temperature::Standardised { .. });
    !standardised && (is_forward(spec, false) || is_forward(spec, true))
}

/// Whether right and wrong rows do.
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

/// Whether several rows are copied and go together. Longer ones lose more by being copied than they
/// gain.
pub(super) fn is_short(classes: usize) -> bool {
    classes <= 512
}
