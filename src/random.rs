//! Random numbers that are a pure function of a seed and a position.
//!
//! Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3"
//! (SC 2011). Integer arithmetic only, so every machine draws the same bits.

/// Streams of one seed. Each purpose has its own, so that one more draw in one of them
/// moves nothing in the others.
pub(crate) mod stream {
    /// The permutation that splits a data set.
    pub(crate) const SPLIT: u64 = 1;
    /// Which labels are corrupted, and into what.
    pub(crate) const LABEL_NOISE: u64 = 2;
    /// The student's initial weights, and the order of its rows.
    pub(crate) const STUDENT_WEIGHTS: u64 = 3;
    pub(crate) const STUDENT_ORDER: u64 = 4;
    /// The teacher's initial weights, and the order and shifts of its rows.
    pub(crate) const TEACHER_WEIGHTS: u64 = 5;
    pub(crate) const TEACHER_ORDER: u64 = 6;
    /// Selection by chance.
    pub(crate) const SELECTION: u64 = 12;
    /// The auto-encoder of the teacher's features: its initial weights and the order of its rows.
    pub(crate) const FACTOR_WEIGHTS: u64 = 13;
    pub(crate) const FACTOR_ORDER: u64 = 14;
    /// Which of the student's channels inherit, where that is drawn.
    pub(crate) const CHANNELS: u64 = 15;
    /// Initial weights of the student's encoders.
    pub(crate) const ENCODERS: u64 = 16;
    /// Initial weights of the other student of mutual learning, and of its encoders.
    pub(crate) const PEER_WEIGHTS: u64 = 17;
    pub(crate) const PEER_ENCODERS: u64 = 18;
    /// Initial weights and order of the networks whose EL2N is averaged: two streams each, from here.
    pub(crate) const PROXIES: u64 = 1 << 32;
    /// Synthetic data: centres, the order of labels, rows, and the rows of the Bayes estimate.
    pub(crate) const SYNTHETIC_CENTRES: u64 = 7;
    pub(crate) const SYNTHETIC_LABELS: u64 = 8;
    pub(crate) const SYNTHETIC_ROWS: u64 = 9;
    pub(crate) const BAYES_ROWS: u64 = 10;
    /// What another sensor does to each feature.
    pub(crate) const SENSOR: u64 = 11;
}

const ROUNDS: usize = 10;
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// Golden ratio and √3 − 1: what the key grows by from round to round.
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// The 128 random bits at one counter value.
fn block(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..ROUNDS {
        if round > 0 {
            key[0] = key[0].wrapping_add(WEYL[0]);
            key[1] = key[1].wrapping_add(WEYL[1]);
        }
        let (low0, high0) = wide_product(MULTIPLIERS[0], counter[0]);
        let (low1, high1) = wide_product(MULTIPLIERS[1], counter[2]);
        counter = [
            high1 ^ counter[1] ^ key[0],
            low1,
            high0 ^ counter[3] ^ key[1],
            low0,
        ];
    }
    counter
}

fn wide_product(a: u32, b: u32) -> (u32, u32) {
    halves(u64::from(a) * u64::from(b))
}

/// The low and the high half.
fn halves(value: u64) -> (u32, u32) {
    (value as u32, (value >> 32) as u32)
}

/// A sequence of random numbers: the blocks of one stream of one seed, read in order.
///
/// The seed is the key; the stream is the upper half of the counter and the position in the stream
/// the lower half, so streams never overlap.
#[derive(Clone, Debug)]
pub(crate) struct Philox {
    key: [u32; 2],
    stream: [u32; 2],
    /// The next block to compute.
    position: u64,
    block: [u32; 4],
    /// Words of `block` that are already given out.
    used: usize,
}

impl Philox {
    /// The start of `stream` under `seed`.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let (seed, stream) = (halves(seed), halves(stream));
        Self {
            key: [seed.0, seed.1],
            stream: [stream.0, stream.1],
            position: 0,
            block: [0; 4],
            used: 4,
        }
    }

    /// 32 random bits.
    pub(crate) fn next_u32(&mut self) -> u32 {
        if self.used == self.block.len() {
            let (low, high) = halves(self.position);
            self.block = block([low, high, self.stream[0], self.stream[1]], self.key);
            self.position = self.position.wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// 64 random bits, the first word low.
    pub(crate) fn next_u64(&mut self) -> u64 {
        let low = u64::from(self.next_u32());
        low | u64::from(self.next_u32()) << 32
    }

    /// Uniform in [0, 1), a multiple of 2⁻²⁴: every value is exact in `f32`.
    pub(crate) fn uniform(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * (-24f32).exp2()
    }

    /// Uniform in `0..n` without bias; 0 when `n` is 0.
    ///
    /// Lemire, "Fast Random Integer Generation in an Interval" (2019).
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        let mut product = u64::from(self.next_u32()) * u64::from(n);
        // Of the 2³² words, 2³² mod n are too many: those with the smallest low halves are redrawn.
        if halves(product).0 < n {
            let surplus = n.wrapping_neg() % n;
            while halves(product).0 < surplus {
                product = u64::from(self.next_u32()) * u64::from(n);
            }
        }
        halves(product).1
    }

    /// Normal with mean 0 and variance 1 (Box and Muller, in `f64`); takes 128 bits.
    ///
    /// The logarithm and the cosine are those of the platform: the last bit may differ between two.
    pub(crate) fn normal(&mut self) -> f32 {
        let unit = (-53f64).exp2();
        // In (0, 1]: the logarithm of 0 would be infinite.
        let radius = ((self.next_u64() >> 11) + 1) as f64 * unit;
        let turn = (self.next_u64() >> 11) as f64 * unit;
        ((-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * turn).cos()) as f32
    }

    /// A uniformly chosen permutation of `items` (Fisher and Yates), for up to 2³² − 1 of them.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let choices = u32::try_from(last + 1).unwrap_or(u32::MAX);
            items.swap(last, self.below(choices) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of the authors' Random123 library (`kat_vectors`, philox4x32 with 10 rounds).
    #[test]
    fn known_answers() {
        let cases = [
            (
                [0; 4],
                [0; 2],
                [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
            ),
            (
                [u32::MAX; 4],
                [u32::MAX; 2],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
            ),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(block(counter, key), expected);
        }
    }

    #[test]
    fn a_sequence_is_the_blocks_of_its_stream_in_order() {
        let (seed, stream) = (0x299f_31d0_a409_3822, 0x0370_7344_1319_8a2e);
        let mut philox = Philox::new(seed, stream);
        let drawn: Vec<u32> = (0..8).map(|_| philox.next_u32()).collect();
        let expected = [0, 1].map(|position| {
            block(
                [position, 0, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
            )
        });
        assert_eq!(drawn, expected.concat());
        let mut again = Philox::new(seed, stream);
        assert_eq!(
            again.next_u64(),
            u64::from(drawn[0]) | u64::from(drawn[1]) << 32
        );
    }

    #[test]
    fn streams_and_seeds_differ() {
        let first = |seed, stream| Philox::new(seed, stream).next_u64();
        assert_ne!(first(0, 0), first(0, 1));
        assert_ne!(first(0, 0), first(1, 0));
        assert_ne!(first(0, 1 << 32), first(1 << 32, 0));
    }

    #[test]
    fn uniform_stays_below_one_and_fills_the_interval() {
        let mut philox = Philox::new(7, 0);
        let draws: Vec<f32> = (0..100_000).map(|_| philox.uniform()).collect();
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        let mean = draws.iter().sum::<f32>() / draws.len() as f32;
        // Six standard errors of a mean of 10⁵ uniform draws: 6 · 0.2887 / 316.
        assert!((mean - 0.5).abs() < 0.0055, "{mean}");
    }

    #[test]
    fn below_is_even() {
        let mut philox = Philox::new(7, 0);
        assert_eq!(philox.below(0), 0);
        assert_eq!(philox.below(1), 0);
        let mut counts = [0i32; 7];
        for _ in 0..70_000 {
            counts[philox.below(7) as usize] += 1;
        }
        // Six standard deviations of a binomial count: 6 · √(70,000 · 1/7 · 6/7).
        assert!(
            counts.iter().all(|count| (count - 10_000).abs() < 556),
            "{counts:?}"
        );
        // Two thirds of the words: without the redraw the lower half would come up twice as often.
        let third = u32::MAX / 3 * 2;
        let low = (0..30_000)
            .filter(|_| philox.below(third) < third / 2)
            .count();
        assert!(low.abs_diff(15_000) < 520, "{low}");
    }

    #[test]
    fn normal_has_the_moments_of_a_normal() {
        let mut philox = Philox::new(7, 0);
        let draws: Vec<f64> = (0..100_000).map(|_| f64::from(philox.normal())).collect();
        let moment = |power| draws.iter().map(|draw| draw.powi(power)).sum::<f64>() / 1e5;
        // Six standard errors: √1, √2, √15 and √96 over √10⁵.
        assert!(moment(1).abs() < 0.019);
        assert!((moment(2) - 1.0).abs() < 0.027);
        assert!(moment(3).abs() < 0.074);
        assert!((moment(4) - 3.0).abs() < 0.19);
    }

    #[test]
    fn shuffle_permutes_every_place_evenly() {
        let mut counts = [[0i32; 4]; 4];
        for seed in 0..24_000 {
            let mut items = [0, 1, 2, 3];
            Philox::new(seed, 0).shuffle(&mut items);
            for (place, item) in items.into_iter().enumerate() {
                counts[place][item] += 1;
            }
        }
        // Six standard deviations of a binomial count: 6 · √(24,000 · 1/4 · 3/4).
        assert!(
            counts
                .as_flattened()
                .iter()
                .all(|count| (count - 6_000).abs() < 403),
            "{counts:?}"
        );
        Philox::new(0, 0).shuffle::<u8>(&mut []);
    }
}
