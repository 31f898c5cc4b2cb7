//! Which regime a batch runs in: the tables that performance hangs on.

use super::options::Regime;
use super::source::REDUCE_BYTES;

/// Up to so many classes, so many lanes per row; beyond, a workgroup. Lanes that see several classes
/// make up for the reductions, of which there are about ten, and rows within a subgroup need no
/// barrier.
const LANES: [(u32, u32); 4] = [(4, 4), (16, 8), (64, 16), (512, 32)];

/// A row is split where at least so many classes are left to each part …
const CLASSES_PER_PART: u32 = 4096;
/// … into as many parts as it takes to keep so many workgroups at work, if those are not enough …
const WORKGROUPS: u32 = 256;
/// … and at most so many.
pub(super) const MOST_PARTS: u32 = 64;

/// The regime of a batch. `splits` says whether the device has the bindings for split rows.
pub(super) fn choose(rows: u32, classes: u32, workgroup: u32, splits: bool) -> Regime {
    let parts = (WORKGROUPS / rows.max(1))
        .min(classes / CLASSES_PER_PART)
        .min(MOST_PARTS)
        .min(workgroup);
    if splits && parts >= 2 {
        // The power of two below keeps the number of different pipelines small.
        let parts = 1 << parts.ilog2();
        return Regime::Split { parts };
    }
    Regime::Whole {
        lanes: lanes(classes, workgroup),
    }
}

/// Lanes per row where a row is not split.
pub(super) fn lanes(classes: u32, workgroup: u32) -> u32 {
    let narrow = LANES.iter().find(|&&(most, _)| classes <= most);
    narrow.map_or(workgroup, |&(_, lanes)| lanes.min(workgroup))
}

/// Words of workgroup memory for logits: both sides of every row of a workgroup, where they fit beside
/// what reductions need, else 1. Rounded up, so that a few pipelines serve every V.
pub(super) fn cache(classes: u32, workgroup: u32, lanes: u32, memory: u32) -> u32 {
    let words = u64::from(workgroup / lanes) * 2 * u64::from(classes);
    let free = memory.saturating_sub(workgroup * REDUCE_BYTES) / 4;
    if words <= u64::from(free) {
        (words as u32).next_power_of_two().min(free)
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rows_of_many_classes_are_split() {
        let whole = |lanes| Regime::Whole { lanes };
        let split = |parts| Regime::Split { parts };
        assert_eq!(choose(256, 10, 256, true), whole(8));
        assert_eq!(choose(256, 64, 256, true), whole(16));
        assert_eq!(choose(256, 100, 256, true), whole(32));
        assert_eq!(choose(256, 1000, 256, true), whole(256));
        assert_eq!(choose(1, 8191, 256, true), whole(256));
        assert_eq!(choose(1, 8192, 256, true), split(2));
        assert_eq!(choose(1, 151_936, 256, true), split(32));
        assert_eq!(choose(1, 151_936, 256, false), whole(256));
        assert_eq!(choose(100, 151_936, 256, true), split(2));
        assert_eq!(choose(129, 151_936, 256, true), whole(256));
        assert_eq!(choose(0, 1 << 30, 64, true), split(64));
    }

    #[test]
    fn all_rows_of_a_workgroup_are_cached_or_none() {
        assert_eq!(cache(1536, 256, 256, 16 << 10), 3072);
        assert_eq!(cache(1537, 256, 256, 16 << 10), 1);
        assert_eq!(cache(10, 256, 8, 16 << 10), 1024);
        assert_eq!(cache(16, 256, 8, 16 << 10), 1024);
        assert_eq!(cache(i32::MAX as u32, 256, 4, 16 << 10), 1);
    }
}
