//! What a call knows of its rows besides the student.

/// The teacher's logits `t[B, V]`, the labels `y[B]` and what else comes per row.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, T> {
    pub(crate) teacher: &'a [T],
    pub(crate) teacher_stride: Option<usize>,
    pub(crate) labels: &'a [i32],
    pub(crate) weight: Option<&'a [f32]>,
    pub(crate) kd_weight: Option<&'a [f32]>,
    pub(crate) tau: Option<&'a [f32]>,
    pub(crate) upstream: f32,
    pub(crate) counts: Option<Counts>,
}

/// How many rows have a weight other than 0, by whether the teacher is right; what
/// [`Reduction::Mean`](crate::spec::Reduction::Mean) (their sum) and
/// [`Reduction::MeanPerGroup`](crate::spec::Reduction::MeanPerGroup) divide by. They depend on
/// `t`, `y` and `w` alone, so that a fixed teacher's can be counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows on which the teacher is right, rows without a label among them.
    pub right: u64,
    /// Rows with `t_y < max_c t_c`.
    pub wrong: u64,
}

impl<'a, T> Rows<'a, T> {
    /// Rows of the teacher's logits, `V` elements apart, and their labels: classes, or
    /// [`IGNORE`](crate::spec::IGNORE).
    #[must_use]
    pub fn new(teacher: &'a [T], labels: &'a [i32]) -> Self {
        Self {
            teacher,
            teacher_stride: None,
            labels,
            weight: None,
            kd_weight: None,
            tau: None,
            upstream: 1.0,
            counts: None,
        }
    }

    /// B, the number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Elements from one row of the teacher's logits to the next; `V` unless set.
    #[must_use]
    pub fn teacher_stride(mut self, elements: usize) -> Self {
        self.teacher_stride = Some(elements);
        self
    }

    /// `w[B]`: what each row's loss is multiplied by, finite and not negative; 1 unless set.
    #[must_use]
    pub fn weight(mut self, weight: &'a [f32]) -> Self {
        self.weight = Some(weight);
        self
    }

    /// `kd_weight[B]`: what each row's λ_kd is multiplied by, finite and not negative; 1 unless
    /// set. Data selection sets it to 0 on rows that the teacher does not supervise.
    #[must_use]
    pub fn kd_weight(mut self, kd_weight: &'a [f32]) -> Self {
        self.kd_weight = Some(kd_weight);
        self
    }

    /// `tau[B]`: the temperatures, for [`Temperature::PerRow`](crate::spec::Temperature::PerRow)
    /// and, from its `dtd_temperatures`,
    /// [`Temperature::Dtd`](crate::spec::Temperature::Dtd).
    #[must_use]
    pub fn tau(mut self, tau: &'a [f32]) -> Self {
        self.tau = Some(tau);
        self
    }

    /// What total and gradient are multiplied by; 1 unless set. It is the gradient that arrives
    /// from above, and the loss scale for half-precision gradients.
    #[must_use]
    pub fn upstream(mut self, upstream: f32) -> Self {
        self.upstream = upstream;
        self
    }

    /// The counts that a mean divides by, instead of counting this call's rows: for a batch that
    /// is one part of a larger one.
    #[must_use]
    pub fn counts(mut self, counts: Counts) -> Self {
        self.counts = Some(counts);
        self
    }
}
