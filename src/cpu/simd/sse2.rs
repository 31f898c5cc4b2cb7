//! Eight lanes as two vectors of SSE2, which every x86-64 has. Results are those of plain Rust, bit by bit.

use super::{Mask, ROUND, Task, Vector, map};
use half::{bf16, f16};
use std::arch::x86_64::*;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Not, Sub};

const LANES: usize = 8;

#[derive(Clone, Copy)]
pub(crate) struct F32x8([__m128; 2]);

/// All bits of a lane, or none.
#[derive(Clone, Copy)]
pub(crate) struct M32x8([__m128; 2]);

/// What [`Vector::outline`] runs.
mod outlined {
    #[inline(never)]
    pub(super) fn run<T: super::Task>(task: T) -> T::Output {
        task.run()
    }
}

/// A function of the lower halves, and of the upper ones.
macro_rules! halves {
    ($($half:ident = $whole:expr),+ => $result:expr) => {
        [
            { $(let $half = $whole.0[0];)+ $result },
            { $(let $half = $whole.0[1];)+ $result },
        ]
    };
}

/// Operators as instructions.
macro_rules! operators {
    ($vector:ident: $($name:ident $function:ident $instruction:ident)*) => {$(
        impl $name for $vector {
            type Output = Self;

            #[inline(always)]
            fn $function(self, other: Self) -> Self {
                // SAFETY: the instructions are there.
                Self(unsafe { halves!(a = self, b = other => $instruction(a, b)) })
            }
        }
    )*};
}

operators!(F32x8: Add add _mm_add_ps Sub sub _mm_sub_ps Mul mul _mm_mul_ps Div div _mm_div_ps);
operators!(M32x8: BitAnd bitand _mm_and_ps BitOr bitor _mm_or_ps);

impl Not for M32x8 {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        let all = Self::splat(true);
        // SAFETY: the instructions are there.
        Self(unsafe { halves!(a = self, b = all => _mm_xor_ps(a, b)) })
    }
}

impl Mask for M32x8 {
    #[inline(always)]
    fn splat(value: bool) -> Self {
        // SAFETY: the instructions are there.
        Self([unsafe { _mm_castsi128_ps(_mm_set1_epi32(-i32::from(value))) }; 2])
    }

    #[inline(always)]
    fn any(self) -> bool {
        // SAFETY: the instructions are there.
        unsafe { _mm_movemask_ps(_mm_or_ps(self.0[0], self.0[1])) != 0 }
    }

    #[inline(always)]
    fn bits(self) -> u32 {
        // SAFETY: the instructions are there.
        let [low, high] = unsafe { halves!(a = self => _mm_movemask_ps(a)) };
        (low | high << 4) as u32
    }
}

impl F32x8 {
    /// The lanes combined as a tree.
    #[inline(always)]
    fn fold(self, combine: impl Fn(__m128, __m128) -> __m128) -> f32 {
        let fours = combine(self.0[0], self.0[1]);
        // SAFETY: the instructions are there.
        unsafe {
            let twos = combine(fours, _mm_movehl_ps(fours, fours));
            _mm_cvtss_f32(combine(twos, _mm_shuffle_ps::<1>(twos, twos)))
        }
    }
}

impl Vector for F32x8 {
    const LANES: usize = LANES;
    // Processors that have no more are old: less code is worth a few per cent of their time.
    const KNOWS_POWERS: bool = false;
    type Mask = M32x8;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: the instructions are there.
        Self([unsafe { _mm_set1_ps(value) }; 2])
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { halves!(a = self, b = other => _mm_max_ps(a, b)) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { halves!(a = self => _mm_andnot_ps(_mm_set1_ps(-0.0), a)) })
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { halves!(a = self => _mm_sqrt_ps(a)) })
    }

    #[inline(always)]
    fn lt(self, other: Self) -> M32x8 {
        // SAFETY: the instructions are there.
        M32x8(unsafe { halves!(a = self, b = other => _mm_cmplt_ps(a, b)) })
    }

    #[inline(always)]
    fn eq(self, other: Self) -> M32x8 {
        // SAFETY: the instructions are there.
        M32x8(unsafe { halves!(a = self, b = other => _mm_cmpeq_ps(a, b)) })
    }

    #[inline(always)]
    fn select(mask: M32x8, yes: Self, no: Self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe {
            halves!(m = mask, a = yes, b = no => _mm_or_ps(_mm_and_ps(m, a), _mm_andnot_ps(m, b)))
        })
    }

    #[inline(always)]
    fn ldexp(self, n: Self) -> Self {
        // An integer in f32's lowest bits, so that no conversion is needed.
        let n = Self::splat(-127.0).max(n) + Self::splat(ROUND + 127.0);
        // SAFETY: the instructions are there.
        let power = unsafe {
            halves!(n = n => _mm_castsi128_ps(_mm_slli_epi32::<23>(_mm_castps_si128(n))))
        };
        self * Self(power)
    }

    #[inline(always)]
    fn frexp(self) -> (Self, Self) {
        // SAFETY: the instructions are there.
        let mantissa = unsafe {
            halves!(x = self => {
                let fraction = _mm_and_si128(_mm_castps_si128(x), _mm_set1_epi32(0x007F_FFFF));
                _mm_castsi128_ps(_mm_or_si128(fraction, _mm_set1_epi32(0x3F80_0000)))
            })
        };
        // SAFETY: the instructions are there.
        let exponent = unsafe {
            halves!(x = self => _mm_cvtepi32_ps(_mm_srli_epi32::<23>(_mm_castps_si128(x))))
        };
        (Self(mantissa), Self(exponent) - Self::splat(127.0))
    }

    #[inline(always)]
    fn replace(self, lane: usize, value: f32) -> Self {
        // SAFETY: the instructions are there.
        let here = unsafe {
            let here = _mm_set1_epi32(lane as i32);
            let lanes = [_mm_setr_epi32(0, 1, 2, 3), _mm_setr_epi32(4, 5, 6, 7)];
            M32x8(map(lanes, |lanes| {
                _mm_castsi128_ps(_mm_cmpeq_epi32(lanes, here))
            }))
        };
        Self::select(here, Self::splat(value), self)
    }

    #[inline(always)]
    fn reduce_sum(self) -> f32 {
        // SAFETY: the instructions are there.
        self.fold(|a, b| unsafe { _mm_add_ps(a, b) })
    }

    #[inline(always)]
    fn reduce_max(self) -> f32 {
        // SAFETY: the instructions are there.
        self.fold(|a, b| unsafe { _mm_max_ps(a, b) })
    }

    #[inline(never)]
    fn vectorize<T: Task>(task: T) -> T::Output {
        task.run()
    }

    #[inline(always)]
    fn outline<T: Task>(task: T) -> T::Output {
        outlined::run(task)
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { [_mm_loadu_ps(from), _mm_loadu_ps(from.add(4))] })
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const f16) -> Self {
        // SAFETY: the caller's promise; then there are eight lanes.
        unsafe {
            let lanes = map(from.cast::<[f16; LANES]>().read(), f16::to_f32);
            Self::load(lanes.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let (lanes, zeros) = (_mm_loadu_si128(from.cast()), _mm_setzero_si128());
            let low = _mm_unpacklo_epi16(zeros, lanes);
            let high = _mm_unpackhi_epi16(zeros, lanes);
            Self([_mm_castsi128_ps(low), _mm_castsi128_ps(high)])
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe {
            _mm_storeu_ps(to, self.0[0]);
            _mm_storeu_ps(to.add(4), self.0[1]);
        }
    }

    #[inline(always)]
    unsafe fn store_f16(self, to: *mut f16) {
        let mut lanes = [0.0; LANES];
        // SAFETY: there are eight lanes; then the caller's promise.
        unsafe {
            self.store(lanes.as_mut_ptr());
            to.cast::<[f16; LANES]>().write(map(lanes, f16::from_f32));
        }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut bf16) {
        // SAFETY: the caller's promise.
        unsafe {
            let [low, high] = halves!(x = self => {
                // To nearest, ties to even; a NaN keeps its upper bits and becomes quiet.
                let bits = _mm_castps_si128(x);
                let odd = _mm_and_si128(_mm_srli_epi32::<16>(bits), _mm_set1_epi32(1));
                let half = _mm_add_epi32(odd, _mm_set1_epi32(0x7FFF));
                let rounded = _mm_add_epi32(bits, half);
                let quiet = _mm_or_si128(bits, _mm_set1_epi32(0x0040_0000));
                let nan = _mm_castps_si128(_mm_cmpunord_ps(x, x));
                let lane = _mm_or_si128(_mm_and_si128(nan, quiet), _mm_andnot_si128(nan, rounded));
                // With its sign, so that packing finds nothing too large.
                _mm_srai_epi32::<16>(lane)
            });
            _mm_storeu_si128(to.cast(), _mm_packs_epi32(low, high));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::portable;
    use super::*;

    /// Every special value, ties, and what lies around the limits of [`Vector::round`].
    const SPECIAL: [f32; 40] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        1.5,
        -1.5,
        2.5,
        -2.5,
        0.499_999_97,
        -0.499_999_97,
        126.5,
        -126.5,
        127.0,
        -127.0,
        -128.0,
        1e-45,
        -1e-45,
        1.175_494_2e-38,
        -1.175_494_2e-38,
        f32::MIN_POSITIVE,
        -f32::MIN_POSITIVE,
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
        -f32::NAN,
        4_194_303.5,
        -4_194_303.5,
        4_194_304.0,
        -4_194_304.0,
        8_388_607.5,
        -8_388_608.0,
        ROUND,
        -ROUND,
        65_520.0,
        6.0e-8,
        -2.0e-5,
    ];

    /// Bits; of a NaN that was computed only that it is one, as the language does not say which.
    fn computed(x: f32) -> u32 {
        (if x.is_nan() { f32::NAN } else { x }).to_bits()
    }

    fn lanes<V: Vector>(vector: V) -> Vec<u32> {
        vector.to_array().map(f32::to_bits).into()
    }

    fn computed_lanes<V: Vector>(vector: V) -> Vec<u32> {
        vector.to_array().map(computed).into()
    }

    /// What each operation gives, with its name.
    fn results<V: Vector>(a: &[f32; LANES], b: &[f32; LANES], c: &[f32; LANES]) -> Vec<Named> {
        // SAFETY: there are eight lanes.
        let load = |from: &[f32; LANES]| unsafe { V::load(from.as_ptr()) };
        let mask = |mask: V::Mask| vec![mask.bits(), u32::from(mask.any())];
        let (x, y, z) = (load(a), load(b), load(c));
        let (less, equal) = (x.lt(y), x.eq(y));
        // Within what the operations are for.
        let positive = load(&map(*a, |x| {
            f32::from_bits((x.to_bits() & 0x7FFF_FFFF).clamp(0x0080_0000, 0x7F7F_FFFF))
        }));
        let unit = load(&map(*a, |x| {
            f32::from_bits(0x3F80_0000 | x.to_bits() & 0x807F_FFFF)
        }));
        let whole = load(&map(*b, |n| {
            let n = if n.is_nan() { 0.0 } else { n };
            n.clamp(-4e6, 127.0).round()
        }));
        let (mantissa, exponent) = positive.frexp();
        let mut words = [0; LANES];
        for (word, x) in words.iter_mut().zip(a) {
            *word = (x.to_bits() >> 16) as u16 ^ x.to_bits() as u16;
        }
        let (mut f16s, mut bf16s) = ([0_u16; LANES], [0_u16; LANES]);
        // SAFETY: there are eight lanes in each place.
        let (from_f16, from_bf16) = unsafe {
            x.store_f16(f16s.as_mut_ptr().cast());
            x.store_bf16(bf16s.as_mut_ptr().cast());
            (
                V::load_f16(words.as_ptr().cast()),
                V::load_bf16(words.as_ptr().cast()),
            )
        };
        let replaced = (0..LANES).flat_map(|lane| lanes(x.replace(lane, b[0])));
        let numbers = load(&map(*a, |x| if x.is_nan() { -0.0 } else { x }));
        vec![
            ("add", computed_lanes(x + y)),
            ("sub", computed_lanes(x - y)),
            ("mul", computed_lanes(x * y)),
            ("div", computed_lanes(x / y)),
            ("mul_add", computed_lanes(x.mul_add(y, z))),
            ("mul_sub", computed_lanes(x.mul_sub(y, z))),
            ("sqrt", computed_lanes(x.sqrt())),
            ("round", computed_lanes(x.round())),
            ("splat", lanes(V::splat(a[0]))),
            ("load", lanes(x)),
            ("max", lanes(x.max(y))),
            ("abs", lanes(x.abs())),
            ("lt", mask(less)),
            ("eq", mask(equal)),
            ("and", mask(less & y.lt(z))),
            ("or", mask(equal | y.lt(z))),
            ("not", mask(!less)),
            ("yes", mask(V::Mask::splat(true))),
            ("no", mask(V::Mask::splat(false))),
            ("select", lanes(V::select(less, x, z))),
            ("ldexp", computed_lanes(unit.ldexp(whole))),
            ("mantissa", lanes(mantissa)),
            ("exponent", lanes(exponent)),
            ("replace", replaced.collect()),
            ("reduce_sum", vec![computed(x.reduce_sum())]),
            ("reduce_max", vec![numbers.reduce_max().to_bits()]),
            ("reduce_max", vec![x.reduce_max().to_bits()]),
            ("load_f16", lanes(from_f16)),
            ("load_bf16", lanes(from_bf16)),
            ("store_f16", map(f16s, u32::from).into()),
            ("store_bf16", map(bf16s, u32::from).into()),
        ]
    }

    type Named = (&'static str, Vec<u32>);

    #[test]
    fn the_bits_are_those_of_plain_rust() {
        let mut state = 1_u64;
        let mut draw = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        };
        let mut value = |kind: u32| match (kind + draw() % 2) % 4 {
            // Any bits; a special value; a number near one; a tie of halves.
            0 => f32::from_bits(draw()),
            1 => SPECIAL[draw() as usize % SPECIAL.len()],
            2 => (draw() as i32 as f32) / (1 << 28) as f32,
            _ => f32::from_bits(draw() & 0xFFFF_0000 | 0x8000),
        };
        let check = |a, b, c| {
            let (these, those) = (
                results::<F32x8>(&a, &b, &c),
                results::<portable::F32x8>(&a, &b, &c),
            );
            for (this, that) in these.iter().zip(&those) {
                assert_eq!(this, that, "of {a:?}, {b:?}, {c:?}");
            }
        };
        for (i, &x) in SPECIAL.iter().enumerate() {
            for j in 0..SPECIAL.len() {
                let other = |k: usize| SPECIAL[(i + j * k) % SPECIAL.len()];
                check(
                    std::array::from_fn(|lane| if lane < 4 { x } else { other(lane) }),
                    std::array::from_fn(|lane| other(lane + 1)),
                    std::array::from_fn(|lane| other(lane + 2)),
                );
            }
        }
        for kind in 0..20_000 {
            let mut draw = || std::array::from_fn(|_| value(kind));
            check(draw(), draw(), draw());
        }
    }
}
