//! The first sweep: maxima, arg-maxima and masks of a pair of rows, with the label's class kept apart.

use super::Element;
use super::sweep::{Block, LANES, load};

/// Where the label's class is: outside every row if there is none.
pub(super) const NO_LABEL: usize = usize::MAX;

/// What decides tops, wrongness, masks and shifts; all on logits, before any temperature.
pub(super) struct Extremes {
    pub(super) student: Side,
    pub(super) teacher: Side,
    /// Classes besides `y` that only the student masks, and that only the teacher masks.
    pub(super) student_only: u32,
    pub(super) teacher_only: u32,
    /// Whether the student masks the teacher's top class.
    pub(super) student_masks_top: bool,
}

/// One row of the two.
pub(super) struct Side {
    /// The label's logit, if there is a label.
    pub(super) label: Option<f32>,
    /// The maximum and the second largest value (equal on a tie) over `c ≠ y`.
    pub(super) max: f32,
    pub(super) second: f32,
    /// The arg-max over all classes, the lowest index winning ties.
    pub(super) top: usize,
    /// Classes besides `y` that are not masked.
    pub(super) unmasked: u32,
    /// NaN, +∞, or −∞ throughout.
    pub(super) nonfinite: bool,
}

impl Side {
    /// The row's maximum over all classes.
    pub(super) fn maximum(&self) -> f32 {
        self.label.map_or(self.max, |z| self.max.max(z))
    }

    /// The maximum over `c ≠ y`, or the label's own logit where that is masked throughout.
    pub(super) fn shift(&self) -> f32 {
        shift(self.max, self.label)
    }

    /// Unmasked classes, the label's included.
    pub(super) fn classes(&self) -> u32 {
        self.unmasked + u32::from(self.label.is_some_and(|z| z > f32::NEG_INFINITY))
    }
}

/// A finite shift for the classes besides `y`.
pub(super) fn shift(max_of_others: f32, label: Option<f32>) -> f32 {
    match label {
        Some(z) if max_of_others == f32::NEG_INFINITY => z,
        _ => max_of_others,
    }
}

/// Lane-wise running extremes of one row.
struct Running {
    max: Block,
    second: Block,
    block: [u32; LANES],
    unmasked: [u32; LANES],
    bad: [bool; LANES],
}

impl Running {
    fn new() -> Self {
        Self {
            max: [f32::NEG_INFINITY; LANES],
            second: [f32::NEG_INFINITY; LANES],
            block: [0; LANES],
            unmasked: [0; LANES],
            bad: [false; LANES],
        }
    }

    #[inline(always)]
    fn add(&mut self, z: &Block, block: u32) {
        for (i, &z) in z.iter().enumerate() {
            // NaN and +∞ alike are not below infinity.
            self.bad[i] |= !matches!(
                z.partial_cmp(&f32::INFINITY),
                Some(std::cmp::Ordering::Less)
            );
            self.unmasked[i] += u32::from(z > f32::NEG_INFINITY);
            let higher = z > self.max[i];
            let lesser = if higher { self.max[i] } else { z };
            self.second[i] = if lesser > self.second[i] {
                lesser
            } else {
                self.second[i]
            };
            self.max[i] = if higher { z } else { self.max[i] };
            self.block[i] = if higher { block } else { self.block[i] };
        }
    }

    fn finish(&self, y: usize, label: Option<f32>) -> Side {
        let (mut max, mut second, mut top) = (f32::NEG_INFINITY, f32::NEG_INFINITY, usize::MAX);
        for i in 0..LANES {
            let index = self.block[i] as usize * LANES + i;
            let z = self.max[i];
            second = second
                .max(self.second[i])
                .max(if z > max { max } else { z });
            if z > max || (z == max && index < top) {
                (max, top) = (z, index);
            }
        }
        if label.is_some_and(|z| z > max || (z == max && y < top)) {
            top = y;
        }
        let label_bad = label.is_some_and(|z| z.is_nan() || z == f32::INFINITY);
        let masked = max == f32::NEG_INFINITY && label.is_none_or(|z| z == f32::NEG_INFINITY);
        Side {
            label,
            max,
            second,
            top,
            unmasked: self.unmasked.iter().sum(),
            nonfinite: masked || label_bad || self.bad.contains(&true),
        }
    }
}

impl Extremes {
    pub(super) fn of<S: Element, T: Element>(student: &[S], teacher: &[T], y: usize) -> Self {
        let (mut of_s, mut of_t) = (Running::new(), Running::new());
        let (mut student_only, mut teacher_only) = ([0u32; LANES], [0u32; LANES]);
        for start in (0..student.len()).step_by(LANES) {
            let s = others(student, start, y);
            let t = others(teacher, start, y);
            let block = (start / LANES) as u32;
            of_s.add(&s, block);
            of_t.add(&t, block);
            for i in 0..LANES {
                let (s_masked, t_masked) = (s[i] == f32::NEG_INFINITY, t[i] == f32::NEG_INFINITY);
                student_only[i] += u32::from(s_masked & !t_masked);
                teacher_only[i] += u32::from(t_masked & !s_masked);
            }
        }
        let of_t = of_t.finish(y, teacher.get(y).map(|z| z.to_f32()));
        let at_top = student.get(of_t.top).map(|z| z.to_f32());
        Self {
            student: of_s.finish(y, student.get(y).map(|z| z.to_f32())),
            student_masks_top: at_top == Some(f32::NEG_INFINITY),
            teacher: of_t,
            student_only: student_only.iter().sum(),
            teacher_only: teacher_only.iter().sum(),
        }
    }
}

/// The block that starts at `start`, with the label's class masked.
#[inline(always)]
pub(super) fn others<E: Element>(row: &[E], start: usize, y: usize) -> Block {
    let mut block = load(row, start);
    if let Some(lane) = block.get_mut(y.wrapping_sub(start)) {
        *lane = f32::NEG_INFINITY;
    }
    block
}
