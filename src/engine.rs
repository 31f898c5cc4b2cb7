//! The harness's face of an engine: the two dozen operations that training needs, on values that stay
//! where the engine keeps them. Everything is `f32`, matrices are dense and row-major, and
//! `&mut self` is the queue: operations happen in the order in which they are called.

use crate::spec::{ArgumentError, FeatureSpec, LossSpec, RowStats, SpecError};
use std::ops::Range;

/// Why an engine could not do what it was asked to.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum EngineError {
    /// A loss that cannot be planned.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A call that is refused.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// A device that failed.
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    #[error("{0}")]
    Device(String),
}

/// Where engines come from: one for each network that is trained, by several threads; those of a GPU
/// share it.
pub(crate) type Source<'a, E> = &'a (dyn Fn() -> Result<E, EngineError> + Sync);

/// `out[rows, columns] = op(a) · op(b)` with `inner` as the summed dimension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) inner: usize,
    pub(crate) form: Form,
}

/// Which factor of a product is stored transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// `a[rows, inner] · b[inner, columns]`: forward.
    Plain,
    /// `a[inner, rows]ᵀ · b[inner, columns]`: the gradient of weights.
    LeftTransposed,
    /// `a[rows, inner] · b[columns, inner]ᵀ`: the gradient of inputs.
    RightTransposed,
}

/// One batch for the row program: the gradient replaces the student's logits, and the batch's total
/// is added to `total[0]`.
pub(crate) struct RowBatch<'a, E: Engine> {
    pub(crate) rows: usize,
    pub(crate) student: &'a mut E::Buf,
    pub(crate) teacher: &'a E::Buf,
    pub(crate) labels: &'a E::Ints,
    /// `weight[rows]` and `kd_weight[rows]`, where a selection says which rows the teacher supervises.
    pub(crate) weights: Option<[&'a E::Buf; 2]>,
    pub(crate) total: &'a mut E::Buf,
}

/// One batch for a feature loss: the gradient replaces the student's features, and the batch's total
/// is added to `total[0]`.
pub(crate) struct FeatureBatch<'a, E: Engine> {
    pub(crate) rows: usize,
    pub(crate) student: &'a mut E::Buf,
    pub(crate) target: &'a E::Buf,
    /// `weight[rows]`, where a selection says which rows the teacher supervises.
    pub(crate) weight: Option<&'a E::Buf>,
    pub(crate) upstream: f32,
    pub(crate) total: &'a mut E::Buf,
}

/// One step of stochastic gradient descent with Nesterov's momentum:
/// `g += decay·w; v = momentum·v + g; w −= rate·(g + momentum·v)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SgdStep {
    pub(crate) rate: f32,
    pub(crate) momentum: f32,
    pub(crate) decay: f32,
}

/// One step of AdamW (Loshchilov and Hutter, arXiv 1711.05101):
/// `m = β1·m + (1−β1)·g; v = β2·v + (1−β2)·g²;
/// w −= rate·(decay·w + (m/correction1) / (√(v/correction2) + ε))`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamWStep {
    pub(crate) rate: f32,
    pub(crate) betas: [f32; 2],
    pub(crate) epsilon: f32,
    pub(crate) decay: f32,
    /// `1 − βᵢᵗ` at step `t`, from 1.
    pub(crate) corrections: [f32; 2],
}

/// Where a network lives and learns.
///
/// Operations that give nothing back never fail at once: an engine that may fail keeps its first
/// failure, does nothing from then on, and gives it where something is read.
pub(crate) trait Engine {
    /// Numbers.
    type Buf: Send;
    /// Labels and row indices.
    type Ints: Send;
    /// A loss over rows of a fixed number of classes.
    type Plan;
    /// A feature loss over rows of a fixed number of features.
    type FeaturePlan;

    fn upload(&mut self, values: &[f32]) -> Self::Buf;
    fn upload_ints(&mut self, values: &[i32]) -> Self::Ints;
    fn zeros(&mut self, len: usize) -> Self::Buf;
    fn zero_ints(&mut self, len: usize) -> Self::Ints;
    /// Reads the first values of each buffer back, as many as there is room for, after everything that
    /// was asked for before.
    fn download(&mut self, reads: &mut [(&Self::Buf, &mut [f32])]) -> Result<(), EngineError>;
    fn plan(&mut self, spec: &LossSpec, classes: usize) -> Result<Self::Plan, EngineError>;
    fn feature_plan(
        &mut self,
        spec: &FeatureSpec,
        width: usize,
    ) -> Result<Self::FeaturePlan, EngineError>;

    /// `out` row i = row `indices[range][i]` of `from`, rows of `width` values.
    fn gather(
        &mut self,
        from: &Self::Buf,
        width: usize,
        indices: &Self::Ints,
        range: Range<usize>,
        out: &mut Self::Buf,
    );
    fn gather_ints(
        &mut self,
        from: &Self::Ints,
        indices: &Self::Ints,
        range: Range<usize>,
        out: &mut Self::Ints,
    );
    /// `out[row, i] = from[row, columns[i]]`, rows of `from` having `width` values.
    fn gather_columns(
        &mut self,
        from: &Self::Buf,
        width: usize,
        columns: &Self::Ints,
        rows: usize,
        out: &mut Self::Buf,
    );
    /// `into[row, columns[i]] += from[row, i]`: what [`Engine::gather_columns`] does to gradients. No
    /// column comes twice.
    fn add_columns(
        &mut self,
        from: &Self::Buf,
        columns: &Self::Ints,
        rows: usize,
        into: &mut Self::Buf,
        width: usize,
    );
    /// `total[0] = 0`, which is all that `total` holds.
    fn clear(&mut self, total: &mut Self::Buf);
    fn multiply(&mut self, product: Product, a: &Self::Buf, b: &Self::Buf, out: &mut Self::Buf);
    /// `x[rows, width] += bias`, then `max(0, x)` where `relu`.
    fn bias_relu(&mut self, x: &mut Self::Buf, bias: &Self::Buf, rows: usize, relu: bool);
    /// `gradient = 0` where `activation = 0`, over the first `len` values.
    fn relu_backward(&mut self, gradient: &mut Self::Buf, activation: &Self::Buf, len: usize);
    /// `out[width] = Σ_rows gradient[rows, width]`.
    fn column_sums(&mut self, gradient: &Self::Buf, rows: usize, out: &mut Self::Buf);
    fn sgd(&mut self, step: SgdStep, w: &mut Self::Buf, g: &Self::Buf, velocity: &mut Self::Buf);
    fn adamw(
        &mut self,
        step: AdamWStep,
        w: &mut Self::Buf,
        g: &Self::Buf,
        moments: &mut [Self::Buf; 2],
    );
    /// Adds to `count[0]` the rows whose arg-max (the lowest index winning ties) is their label.
    fn hits(
        &mut self,
        logits: &Self::Buf,
        labels: &Self::Ints,
        rows: usize,
        classes: usize,
        count: &mut Self::Buf,
    );
    /// Full records of a batch, read back.
    fn stats(
        &mut self,
        plan: &Self::Plan,
        rows: usize,
        student: &Self::Buf,
        teacher: &Self::Buf,
        labels: &Self::Ints,
    ) -> Result<Vec<RowStats>, EngineError>;
    /// Influence of a batch's rows, read back: `Σ_c (q1_c − e_y,c) u_c`.
    fn influence(
        &mut self,
        rows: usize,
        student: &Self::Buf,
        u: &Self::Buf,
        labels: &Self::Ints,
        classes: usize,
    ) -> Result<Vec<f32>, EngineError>;
    /// Adds `(1/len) Σ |output − target|` over the first `len` values to `total[0]`; the gradient
    /// `sign(output − target)/len`, with `sign(0) = 0`, replaces `output`.
    fn absolute_error(
        &mut self,
        output: &mut Self::Buf,
        target: &Self::Buf,
        len: usize,
        total: &mut Self::Buf,
    );
    /// A feature loss.
    fn feature(
        &mut self,
        plan: &Self::FeaturePlan,
        batch: FeatureBatch<Self>,
    ) -> Result<(), EngineError>
    where
        Self: Sized;
    /// The row program.
    fn row(&mut self, plan: &Self::Plan, batch: RowBatch<Self>) -> Result<(), EngineError>
    where
        Self: Sized;
}

/// The arg-max of a row, the lowest index winning ties; 0 for a row without order.
pub(crate) fn top(logits: &[f32]) -> usize {
    let mut top = 0;
    for (c, &z) in logits.iter().enumerate() {
        if z > logits[top] {
            top = c;
        }
    }
    top
}
