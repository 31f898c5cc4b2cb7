//! A copy that does not go through the cache: what memory can do at best.

/// `memcpy` with non-temporal stores where the instruction set has them. The slices have the same
/// length.
///
/// # Panics
/// When they do not.
pub(crate) fn copy_past_the_cache(from: &[u8], to: &mut [u8]) {
    assert_eq!(from.len(), to.len());
    // What lies before and after the vectors is copied as usual.
    let before = to
        .as_ptr()
        .align_offset(size_of::<[u64; 8]>())
        .min(to.len());
    let (to_before, to) = to.split_at_mut(before);
    let (from_before, from) = from.split_at(before);
    to_before.copy_from_slice(from_before);
    let lines = to.len() / 64 * 64;
    let (to_lines, to_after) = to.split_at_mut(lines);
    copy_lines(&from[..lines], to_lines);
    to_after.copy_from_slice(&from[lines..]);
}

/// Whole cache lines; those of `to` are aligned.
#[cfg(target_arch = "x86_64")]
fn copy_lines(from: &[u8], to: &mut [u8]) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_sfence, _mm_stream_si128};
    for (from, to) in from.chunks_exact(64).zip(to.chunks_exact_mut(64)) {
        let (from, to) = (
            from.as_ptr().cast::<__m128i>(),
            to.as_mut_ptr().cast::<__m128i>(),
        );
        for lane in 0..4 {
            // SAFETY: SSE2 is part of x86-64; both chunks have 4 lanes of 16 bytes, and those that
            // are written are aligned to 64.
            unsafe { _mm_stream_si128(to.add(lane), _mm_loadu_si128(from.add(lane))) };
        }
    }
    // Other threads may read what was written.
    // SAFETY: SSE2 is part of x86-64.
    unsafe { _mm_sfence() };
}

#[cfg(not(target_arch = "x86_64"))]
fn copy_lines(from: &[u8], to: &mut [u8]) {
    to.copy_from_slice(from);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_copied_and_no_other() {
        let from: Vec<u8> = (0..1000).map(|i| (i % 251) as u8).collect();
        for (start, length) in [(0, 0), (1, 3), (7, 63), (3, 64), (5, 500), (0, 990)] {
            let mut to = vec![255; 1000];
            copy_past_the_cache(&from[9..9 + length], &mut to[start..start + length]);
            assert_eq!(to[start..start + length], from[9..9 + length]);
            let others = to[..start].iter().chain(&to[start + length..]);
            assert!(others.into_iter().all(|&byte| byte == 255));
        }
    }
}
