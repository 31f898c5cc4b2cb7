//! Which instructions to use: asked once, or told.

#[cfg(any(fused_kd_plain, not(target_arch = "x86_64")))]
use super::portable;
#[cfg(target_arch = "x86_64")]
use super::sse2;
use super::{Task, Vector};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::spec::SpecError;
use std::marker::PhantomData;
use std::sync::OnceLock;

/// The instructions that a [`Plan`](crate::cpu::Plan) works with. Results of different sets agree
/// within the engine's bounds, not bit by bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// 16 lanes: AVX-512 F, BW, DQ and VL (x86-64).
    Avx512,
    /// 8 lanes: AVX2, FMA and F16C (x86-64).
    Avx2,
    /// 8 lanes of what every processor of the target has: SSE2 on x86-64, elsewhere plain Rust, which
    /// the compiler turns into whatever there is.
    Portable,
}

/// The variable that overrides the choice: a name out of [`Isa::ALL`].
const VARIABLE: &str = "FUSED_KD_ISA";
/// The variable that takes plain Rust for portable vectors on x86-64, in builds for tests of it.
#[cfg(all(target_arch = "x86_64", fused_kd_plain))]
const PLAIN: &str = "FUSED_KD_PLAIN";

impl Isa {
    /// All sets, the best first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// The name, as in the environment variable `FUSED_KD_ISA`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// Whether this processor has the instructions.
    #[must_use]
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        match self {
            Self::Avx512 => return avx512::is_available(),
            Self::Avx2 => return avx2::is_available(),
            Self::Portable => {}
        }
        self == Self::Portable
    }

    /// The best set that this processor has.
    #[must_use]
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        let best = || Self::ALL.into_iter().find(|isa| isa.is_available());
        *BEST.get_or_init(|| best().unwrap_or(Self::Portable))
    }

    /// What plans work with unless told: what the environment variable `FUSED_KD_ISA` names, else the
    /// best.
    ///
    /// # Errors
    /// [`SpecError::UnknownName`] and [`SpecError::Instructions`] where that is no set that is there.
    pub fn chosen() -> Result<Self, SpecError> {
        static CHOSEN: OnceLock<Result<Isa, SpecError>> = OnceLock::new();
        let choose = || match std::env::var(VARIABLE) {
            Err(_) => Ok(Self::best()),
            Ok(name) => Self::named(&name),
        };
        CHOSEN.get_or_init(choose).clone()
    }

    fn named(name: &str) -> Result<Self, SpecError> {
        match Self::ALL.into_iter().find(|isa| isa.name() == name) {
            Some(isa) => isa.checked(),
            None => Err(SpecError::UnknownName {
                key: VARIABLE,
                given: name.to_owned(),
                expected: Self::ALL.map(Self::name).join(", "),
            }),
        }
    }

    /// The set itself, if the processor has it.
    pub(crate) fn checked(self) -> Result<Self, SpecError> {
        if self.is_available() {
            Ok(self)
        } else {
            Err(SpecError::Instructions { isa: self.name() })
        }
    }

    /// Runs a kernel with these instructions; portably where the processor lacks them.
    pub(crate) fn dispatch<K: Kernel>(self, kernel: K) -> K::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 if self.is_available() => run::<avx512::F32x16, K>(kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 if self.is_available() => run::<avx2::F32x8, K>(kernel),
            #[cfg(all(target_arch = "x86_64", fused_kd_plain))]
            _ if std::env::var_os(PLAIN).is_some() => run::<portable::F32x8, K>(kernel),
            #[cfg(target_arch = "x86_64")]
            _ => run::<sse2::F32x8, K>(kernel),
            #[cfg(not(target_arch = "x86_64"))]
            _ => run::<portable::F32x8, K>(kernel),
        }
    }
}

fn run<V: Vector, K: Kernel>(kernel: K) -> K::Output {
    V::vectorize(OnVectors::<V, K>(kernel, PhantomData))
}

/// Work that is written over any kind of vector, and compiled for each.
pub(crate) trait Kernel {
    /// What the kernel returns.
    type Output;
    /// Runs on vectors of this kind.
    fn run<V: Vector>(self) -> Self::Output;
}

/// A kernel on one kind of vector.
struct OnVectors<V, K>(K, PhantomData<V>);

impl<V: Vector, K: Kernel> Task for OnVectors<V, K> {
    type Output = K::Output;

    #[inline(always)]
    fn run(self) -> K::Output {
        self.0.run::<V>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_LANES;
    use super::*;
    use half::{bf16, f16};

    struct Narrow(f32);

    impl Kernel for Narrow {
        type Output = (Vec<f16>, Vec<bf16>);

        fn run<V: Vector>(self) -> Self::Output {
            let mut narrow = ([f16::ONE; MAX_LANES], [bf16::ONE; MAX_LANES]);
            // SAFETY: both arrays have room for all lanes.
            unsafe {
                V::splat(self.0).store_f16(narrow.0.as_mut_ptr());
                V::splat(self.0).store_bf16(narrow.1.as_mut_ptr());
            }
            (narrow.0[..V::LANES].into(), narrow.1[..V::LANES].into())
        }
    }

    #[test]
    fn halves_are_the_nearest_ones() {
        // Every sign and exponent; fractions that tie, are next to a tie, and carry.
        let fractions = [
            0x00_0000, 0x00_0001, 0x00_0FFF, 0x00_1000, 0x00_1001, 0x00_3000, 0x00_7FFF,
        ]
        .into_iter()
        .chain([
            0x00_8000, 0x00_8001, 0x01_8000, 0x40_0000, 0x7F_7FFF, 0x7F_FFFE, 0x7F_FFFF,
        ]);
        for fraction in fractions {
            for head in 0..512 {
                let x = f32::from_bits(head << 23 | fraction);
                for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
                    let (f16s, bf16s) = isa.dispatch(Narrow(x));
                    let (half, brain) = (f16::from_f32(x), bf16::from_f32(x));
                    let near = f16s.iter().all(|h| h.to_bits() == half.to_bits())
                        && bf16s.iter().all(|h| h.to_bits() == brain.to_bits());
                    let nan = f16s.iter().all(|h| h.is_nan()) && bf16s.iter().all(|h| h.is_nan());
                    let right = if x.is_nan() { nan } else { near };
                    assert!(
                        right,
                        "{x:e} ({:#x}) {isa:?}: {f16s:?} {bf16s:?}",
                        x.to_bits()
                    );
                }
            }
        }
    }

    #[test]
    fn names_are_known_and_what_is_absent_is_refused() {
        for isa in Isa::ALL {
            assert_eq!(Isa::named(isa.name()).is_ok(), isa.is_available());
        }
        let error = Isa::named("mmx").unwrap_err().to_string();
        assert!(
            error.contains(VARIABLE) && error.contains("avx512, avx2, portable"),
            "{error}"
        );
        assert!(Isa::best().is_available() && Isa::Portable.is_available());
    }
}
