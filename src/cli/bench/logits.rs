//! Logits and labels to measure with, the same every time.

use super::shape::Shape;
use crate::batch::Element;

/// Student and teacher of as many rows, and labels that the teacher seldom predicts.
pub(super) struct Logits<S> {
    pub(super) student: Vec<S>,
    pub(super) teacher: Vec<S>,
    pub(super) labels: Vec<i32>,
}

impl<S: Element> Logits<S> {
    /// With noise the student is the teacher plus so many times its own draw, else that draw alone.
    pub(super) fn new(Shape { rows, classes }: Shape, noise: Option<f32>) -> Self {
        let mut student: Vec<S> = logits(rows * classes, 1);
        let teacher: Vec<S> = logits(rows * classes, 2);
        if let Some(noise) = noise {
            for (s, t) in student.iter_mut().zip(&teacher) {
                *s = S::from_f32(t.to_f32() + noise * s.to_f32());
            }
        }
        Self {
            student,
            teacher,
            labels: (0..rows).map(|row| (row * 7 % classes) as i32).collect(),
        }
    }
}

/// Even in ±4.
fn logits<S: Element>(n: usize, seed: u64) -> Vec<S> {
    let mut state = seed;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        S::from_f32((state >> 40) as f32 / (1 << 21) as f32 - 4.0)
    };
    std::iter::repeat_with(next).take(n).collect()
}
