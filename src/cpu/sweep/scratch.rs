//! Scratch for the exponentials that one sweep leaves to the next: the caller's, or what a thread keeps.

use crate::cpu::regime::GROUP_CLASSES;
use crate::cpu::row::sums::{Power, UnitExp};
use crate::cpu::simd::Vector;
use crate::spec::ArgumentError;
use bytemuck::{Pod, Zeroable};
use std::cell::Cell;
use std::marker::PhantomData;
use std::slice;

/// A line of the cache.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line([f32; FLOATS]);

const FLOATS: usize = 16;

thread_local! {
    /// What a thread that has worked on rows keeps for the next ones.
    static KEPT: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// The first lines as floats, and the others.
fn take(lines: &mut [Line], n: usize) -> (&mut [f32], &mut [Line]) {
    let (first, others) = lines.split_at_mut(n);
    // SAFETY: a line is its floats, and they are borrowed as the lines are.
    let floats = unsafe { slice::from_raw_parts_mut(first.as_mut_ptr().cast(), FLOATS * n) };
    (floats, others)
}

/// Lines for the exponentials of rows of so many classes together.
pub(crate) fn lines(classes: usize) -> usize {
    3 * classes.max(GROUP_CLASSES).div_ceil(FLOATS)
}

/// Bytes in which so many threads find their lines, wherever a line may begin.
pub(crate) fn bytes(lines: usize, threads: usize) -> usize {
    match lines {
        0 => 0,
        _ => (lines * threads + 1) * size_of::<Line>() - 1,
    }
}

/// A caller's workspace, a piece of it for each thread.
pub(crate) struct Pieces<'a> {
    start: *mut Line,
    /// Lines of each piece.
    lines: usize,
    threads: usize,
    memory: PhantomData<&'a mut [Line]>,
}

// SAFETY: each thread takes its own piece, and a line may be another thread's.
unsafe impl Sync for Pieces<'_> {}

impl<'a> Pieces<'a> {
    /// The pieces of a workspace, where there is one and something is kept.
    pub(crate) fn of(
        workspace: Option<&'a mut [u8]>,
        lines: usize,
        threads: usize,
        rows: usize,
    ) -> Result<Option<Self>, ArgumentError> {
        let Some(workspace) = workspace.filter(|_| lines > 0) else {
            return Ok(None);
        };
        let (given, needed) = (workspace.len(), bytes(lines, threads));
        if given < needed {
            return Err(ArgumentError::Length {
                argument: "workspace",
                given,
                needed,
                rows,
            });
        }
        let (_, room, _) = bytemuck::pod_align_to_mut::<u8, Line>(workspace);
        debug_assert!(room.len() >= lines * threads);
        Ok(Some(Self {
            start: room.as_mut_ptr(),
            lines,
            threads,
            memory: PhantomData,
        }))
    }

    /// The calling thread's piece.
    ///
    /// # Safety
    /// The thread uses it until it asks again, and no longer.
    pub(crate) unsafe fn mine(&self) -> Option<&'a mut [Line]> {
        #[cfg(feature = "rayon")]
        let thread = match self.threads {
            1 => 0,
            _ => rayon::current_thread_index().unwrap_or(0),
        };
        #[cfg(not(feature = "rayon"))]
        let thread = 0;
        // SAFETY: the piece lies in the workspace, and a thread of the pool has a number of its own.
        (thread < self.threads).then(|| unsafe {
            slice::from_raw_parts_mut(self.start.add(thread * self.lines), self.lines)
        })
    }
}

/// Runs with so many lines, the caller's or what the thread keeps, unless there is no memory.
pub(crate) fn with_scratch<R>(
    given: Option<&mut [Line]>,
    lines: usize,
    run: impl FnOnce(Option<&mut Scratch>) -> R,
) -> R {
    let mut kept = Vec::new();
    let is_given = given.is_some();
    let room = match given {
        Some(given) => given,
        None => {
            kept = KEPT.try_with(Cell::take).unwrap_or_default();
            if kept.len() < lines && kept.try_reserve_exact(lines - kept.len()).is_ok() {
                kept.resize(lines, Line::zeroed());
            }
            &mut kept[..]
        }
    };
    let result = if room.len() < lines {
        run(None)
    } else {
        let (a, rest) = take(room, lines / 3);
        let (b, rest) = take(rest, lines / 3);
        let (c, _) = take(rest, lines / 3);
        run(Some(&mut Scratch([a, b, c])))
    };
    if !is_given {
        // A thread that ends keeps nothing.
        let _ = KEPT.try_with(|cell| cell.set(kept));
    }
    result
}

/// Exponentials, so that none is computed twice: `e_s`, `e_t` and, where it is no power of `e_s`, the
/// student's at τ = 1.
pub(crate) struct Scratch<'a>([&'a mut [f32]; 3]);

/// A row's length in scratch: whole vectors.
#[inline(always)]
pub(crate) fn padded_len<V: Vector>(classes: usize) -> usize {
    classes.next_multiple_of(V::LANES)
}

impl Scratch<'_> {
    /// One of the three.
    #[inline(always)]
    pub(super) fn floats(&mut self, which: usize) -> &mut [f32] {
        self.0[which]
    }

    /// The row of a lane.
    #[inline(always)]
    pub(super) fn row<V: Vector>(&mut self, lane: usize, classes: usize) -> Scratch<'_> {
        let len = padded_len::<V>(classes);
        let row = lane * len..(lane + 1) * len;
        let [a, b, c] = &mut self.0;
        Scratch([&mut a[row.clone()], &mut b[row.clone()], &mut c[row]])
    }

    /// # Safety
    /// The vector lies within the scratch.
    #[inline(always)]
    pub(super) unsafe fn store<V: Vector>(&mut self, which: usize, at: usize, values: V) {
        debug_assert!(at + V::LANES <= self.0[which].len());
        // SAFETY: the caller's promise.
        unsafe { values.store(self.0[which].as_mut_ptr().add(at)) };
    }

    /// Stores what the sums have made of a vector.
    ///
    /// # Safety
    /// The vector lies within the scratch.
    #[inline(always)]
    pub(super) unsafe fn store_exponentials<V: Vector, const P: usize>(
        &mut self,
        at: usize,
        [e_s, e_t, unit]: [V; 3],
        by: UnitExp<P>,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            self.store(0, at, e_s);
            self.store(1, at, e_t);
            if by.power() == Power::Other {
                self.store(2, at, unit);
            }
        }
    }

    /// # Safety
    /// The vector lies within the scratch.
    #[inline(always)]
    pub(super) unsafe fn load<V: Vector>(&self, which: usize, at: usize) -> V {
        debug_assert!(at + V::LANES <= self.0[which].len());
        // SAFETY: the caller's promise.
        unsafe { V::load(self.0[which].as_ptr().add(at)) }
    }
}
