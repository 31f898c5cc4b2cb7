//! The student's logits and where the gradient goes: nowhere, apart, or over the logits.

use super::element::Element;

/// Logits, and room for the gradient, of one row or of many.
#[derive(Debug)]
pub(crate) enum RowLogits<'a, S> {
    Alone(&'a [S]),
    Apart(&'a [S], &'a mut [S]),
    InPlace(&'a mut [S]),
}

impl<'a, S: Element> RowLogits<'a, S> {
    /// The logits as long as nothing has been written over them.
    #[inline(always)]
    pub(crate) fn read(&self) -> &[S] {
        match self {
            Self::Alone(logits) | Self::Apart(logits, _) => logits,
            Self::InPlace(logits) => logits,
        }
    }

    /// Room for the gradient.
    #[inline(always)]
    pub(crate) fn write(&mut self) -> Option<&mut [S]> {
        match self {
            Self::Alone(_) => None,
            Self::Apart(_, gradient) | Self::InPlace(gradient) => Some(gradient),
        }
    }

    /// Fills the gradient with one value.
    pub(crate) fn fill(&mut self, value: f32) {
        if let Some(gradient) = self.write() {
            gradient.fill(S::from_f32(value));
        }
    }

    /// Splits off what comes before element `logits` (and `gradient`, apart).
    pub(crate) fn split(self, logits: usize, gradient: usize) -> (Self, Self) {
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

    /// The row of `classes` classes at these elements.
    #[inline]
    pub(crate) fn row(
        &mut self,
        logits: usize,
        gradient: usize,
        classes: usize,
    ) -> RowLogits<'_, S> {
        let (s, g) = (logits..logits + classes, gradient..gradient + classes);
        match self {
            Self::Alone(all) => RowLogits::Alone(&all[s]),
            Self::Apart(all, gradients) => RowLogits::Apart(&all[s], &mut gradients[g]),
            Self::InPlace(all) => RowLogits::InPlace(&mut all[s]),
        }
    }
}
