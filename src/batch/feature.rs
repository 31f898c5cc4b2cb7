//! What a call knows of its rows of features besides the student.

/// What a call knows of its rows besides the student: the target's features `y[B, D]` and what else
/// comes per row.
#[derive(Clone, Copy, Debug)]
pub struct FeatureRows<'a, T> {
    pub(crate) target: &'a [T],
    pub(crate) stride: Option<usize>,
    pub(crate) rows: usize,
    pub(crate) weight: Option<&'a [f32]>,
    pub(crate) upstream: f32,
}

impl<'a, T> FeatureRows<'a, T> {
    /// `rows` rows of the target's features, `D` elements apart.
    #[must_use]
    pub fn new(target: &'a [T], rows: usize) -> Self {
        Self {
            target,
            stride: None,
            rows,
            weight: None,
            upstream: 1.0,
        }
    }

    /// Elements from one row of the target's features to the next; `D` unless set.
    #[must_use]
    pub fn target_stride(mut self, elements: usize) -> Self {
        self.stride = Some(elements);
        self
    }

    /// `w[B]`: what each row's distance is multiplied by, finite and not negative; 1 unless set. Rows
    /// of weight 0 do not count in N.
    #[must_use]
    pub fn weight(mut self, weight: &'a [f32]) -> Self {
        self.weight = Some(weight);
        self
    }

    /// What total and gradient are multiplied by; 1 unless set: λ with its schedule, the gradient
    /// that arrives from above, the loss scale for half-precision gradients.
    #[must_use]
    pub fn upstream(mut self, upstream: f32) -> Self {
        self.upstream = upstream;
        self
    }

    pub(crate) fn weight_of(&self, row: usize) -> f32 {
        self.weight.map_or(1.0, |w| w[row])
    }

    /// N: the rows with a weight other than 0.
    pub(crate) fn counted(&self) -> usize {
        (0..self.rows).filter(|&b| self.weight_of(b) != 0.0).count()
    }
}
