//! Which of the student's channels inherit and which explore.

use crate::random::{Philox, stream};
use crate::spec::Relation;

/// How the student's channels are split in two; of an odd number the exploring half has one more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Split {
    /// The first half inherits, the second explores.
    #[default]
    Halves,
    /// One random permutation of the channels, drawn from the run's seed and then fixed: the first
    /// half of it inherits.
    Permutation,
}

impl Split {
    /// All splits and their names.
    pub const ALL: [(&'static str, Self); 2] =
        [("halves", Self::Halves), ("permutation", Self::Permutation)];

    /// The channels of a layer of `width` that stand in this relation to the target.
    pub(crate) fn channels(self, relation: Relation, width: usize, seed: u64) -> Vec<i32> {
        let mut channels: Vec<i32> = (0..width as i32).collect();
        if self == Self::Permutation {
            Philox::new(seed, stream::CHANNELS).shuffle(&mut channels);
        }
        let explore = channels.split_off(width / 2);
        match relation {
            Relation::Inherit => channels,
            Relation::Explore => explore,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_is_in_one_half() {
        for (_, split) in Split::ALL {
            for width in [0, 1, 2, 7, 32] {
                let of = |relation| split.channels(relation, width, 3);
                let [inherit, explore] = [Relation::Inherit, Relation::Explore].map(of);
                assert_eq!(
                    (inherit.len(), explore.len()),
                    (width / 2, width.div_ceil(2))
                );
                let mut all = [inherit, explore].concat();
                all.sort_unstable();
                assert_eq!(all, (0..width as i32).collect::<Vec<_>>());
            }
        }
        let drawn = |seed| Split::Permutation.channels(Relation::Inherit, 32, seed);
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        assert_eq!(Split::Halves.channels(Relation::Inherit, 4, 1), [0, 1]);
    }
}
