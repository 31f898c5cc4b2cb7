//! A copy past the caches: with `memcpy`, what a machine's bandwidth is measured with.

use super::Isa;
use super::simd::{Kernel, Vector};

/// Copies `from[n]` to `to[n]` with stores that bypass the caches, where the processor has such.
/// For more data than the caches hold this is the fastest copy, and its bytes per second (read and
/// written) are the most that a kernel on the same memory can reach.
///
/// # Panics
/// Where the lengths differ, as [`slice::copy_from_slice`] does.
pub fn copy_past_caches(from: &[f32], to: &mut [f32]) {
    assert_eq!(from.len(), to.len(), "source and destination differ");
    Isa::best().dispatch(Copying { from, to });
}

struct Copying<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for Copying<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        let (from, to) = (self.from, self.to);
        // Such stores want whole lines.
        let first = to.as_ptr().align_offset(64).min(to.len());
        let full = (to.len() - first) / V::LANES * V::LANES;
        to[..first].copy_from_slice(&from[..first]);
        for at in (first..first + full).step_by(V::LANES) {
            // SAFETY: the vector lies within both slices, and starts on a vector's boundary.
            unsafe { V::load(from.as_ptr().add(at)).stream(to.as_mut_ptr().add(at)) };
        }
        to[first + full..].copy_from_slice(&from[first + full..]);
        V::fence();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_arrives_wherever_the_slices_start() {
        let from: Vec<f32> = (0..300).map(|i| i as f32).collect();
        for start in 0..20 {
            for n in [0, 1, 15, 16, 17, 100, 280 - start] {
                let mut to = vec![-1.0; 300];
                let part = start..start + n;
                copy_past_caches(&from[part.clone()], &mut to[part.clone()]);
                let expected = |i| if part.contains(&i) { i as f32 } else { -1.0 };
                assert!((0..300).all(|i| to[i] == expected(i)), "{start} {n}");
            }
        }
    }
}
