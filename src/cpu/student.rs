//! The student's logits and where the gradient goes: nowhere, apart, or over the logits.

use super::Element;
use super::layout::{Matrix, MatrixMut};

/// The student's logits `s[B, V]` and the place of the gradient `g[B, V]`, in the student's type.
#[derive(Debug)]
pub struct Student<'a, S> {
    pub(super) logits: RowLogits<'a, S>,
    pub(super) stride: Option<usize>,
    pub(super) gradient_stride: Option<usize>,
}

impl<'a, S> Student<'a, S> {
    /// Loss and records, no gradient.
    #[must_use]
    pub fn without_gradient(logits: &'a [S]) -> Self {
        Self::dense(RowLogits::Alone(logits))
    }

    /// The gradient apart from the logits.
    #[must_use]
    pub fn with_gradient(logits: &'a [S], gradient: &'a mut [S]) -> Self {
        Self::dense(RowLogits::Apart(logits, gradient))
    }

    /// The gradient over the logits.
    #[must_use]
    pub fn in_place(logits: &'a mut [S]) -> Self {
        Self::dense(RowLogits::InPlace(logits))
    }

    fn dense(logits: RowLogits<'a, S>) -> Self {
        Self {
            logits,
            stride: None,
            gradient_stride: None,
        }
    }

    /// Elements from one row of the logits to the next; `V` unless set. What lies between rows is
    /// never touched.
    #[must_use]
    pub fn stride(mut self, elements: usize) -> Self {
        self.stride = Some(elements);
        self
    }

    /// Elements from one row of the gradient to the next; `V` unless set. In place it is the
    /// logits' own.
    #[must_use]
    pub fn gradient_stride(mut self, elements: usize) -> Self {
        self.gradient_stride = Some(elements);
        self
    }
}

/// Logits, and room for the gradient, of one row or of many.
#[derive(Debug)]
pub(super) enum RowLogits<'a, S> {
    Alone(&'a [S]),
    Apart(&'a [S], &'a mut [S]),
    InPlace(&'a mut [S]),
}

impl<'a, S: Element> RowLogits<'a, S> {
    /// The logits as long as nothing has been written over them.
    #[inline(always)]
    pub(super) fn read(&self) -> &[S] {
        match self {
            Self::Alone(logits) | Self::Apart(logits, _) => logits,
            Self::InPlace(logits) => logits,
        }
    }

    /// The first rows of `classes` classes, and the place of their gradient; the strides are
    /// theirs.
    pub(super) fn matrices(
        &mut self,
        rows: usize,
        classes: usize,
        strides: [usize; 2],
    ) -> (Matrix<'_>, Option<MatrixMut<'_>>) {
        let [of_logits, of_gradient] = strides;
        match self {
            Self::Alone(logits) => (Matrix::new(logits, of_logits, rows, classes), None),
            Self::Apart(logits, gradient) => {
                let logits = Matrix::new(logits, of_logits, rows, classes);
                (
                    logits,
                    Some(MatrixMut::new(gradient, of_gradient, rows, classes)),
                )
            }
            Self::InPlace(logits) => MatrixMut::over(logits, of_logits, rows, classes),
        }
    }

    /// Splits off what comes before element `logits` (and `gradient`, apart).
    pub(super) fn split(self, logits: usize, gradient: usize) -> (Self, Self) {
        match self {
            Self::Alone(s) => {
                let (a, b) = s.split_at(logits);
                (Self::Alone(a), Self::Alone(b))
            }
            Self::Apart(s, g) => {
                let ((a, b), (c, d)) = (s.split_at(logits), g.split_at_mut(gradient));
                (Self::Apart(a, c), Self::Apart(b, d))
            }
            Self::InPlace(s) => {
                let (a, b) = s.split_at_mut(logits);
                (Self::InPlace(a), Self::InPlace(b))
            }
        }
    }
}
