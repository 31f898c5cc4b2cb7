//! The operations, each one kernel or one call.

use super::rows::{FeatureLoss, Loss};
use super::{Buf, Harness, Kernel, Numbers};
use crate::engine::{AdamWStep, Engine, EngineError, FeatureBatch, Product, RowBatch, SgdStep};
use crate::spec::{FeatureSpec, LossSpec, RowStats};
use crate::wgsl::run::copy;
use std::ops::Range;

impl Engine for Harness<'_> {
    type Buf = Buf;
    type Ints = Buf;
    type Plan = Loss;
    type FeaturePlan = FeatureLoss;

    fn upload(&mut self, values: &[f32]) -> Buf {
        self.copied(values)
    }

    fn upload_ints(&mut self, values: &[i32]) -> Buf {
        self.copied(values)
    }

    fn zeros(&mut self, len: usize) -> Buf {
        self.zeroed(len)
    }

    fn zero_ints(&mut self, len: usize) -> Buf {
        self.zeroed(len)
    }

    fn download(&mut self, reads: &mut [(&Buf, &mut [f32])]) -> Result<(), EngineError> {
        self.attempt(|all| {
            let buffers: Vec<_> = reads.iter().map(|(from, _)| &from.room.buffer).collect();
            all.queue.read(&buffers, |read| {
                for ((_, out), read) in reads.iter_mut().zip(read) {
                    copy(out, Some(read));
                }
            })
        })
    }

    fn plan(&mut self, spec: &LossSpec, classes: usize) -> Result<Loss, EngineError> {
        self.loss(spec, classes)
    }

    fn feature_plan(
        &mut self,
        spec: &FeatureSpec,
        width: usize,
    ) -> Result<FeatureLoss, EngineError> {
        self.feature_loss(spec, width)
    }

    fn gather(
        &mut self,
        from: &Buf,
        width: usize,
        indices: &Buf,
        range: Range<usize>,
        out: &mut Buf,
    ) {
        let numbers = Numbers {
            first: range.start as u32,
            ..Numbers::sizes(range.len(), width)
        };
        self.run(Kernel::Gather, numbers, &[from, indices, out]);
    }

    fn gather_ints(&mut self, from: &Buf, indices: &Buf, range: Range<usize>, out: &mut Buf) {
        self.gather(from, 1, indices, range, out);
    }

    fn gather_columns(
        &mut self,
        from: &Buf,
        width: usize,
        columns: &Buf,
        rows: usize,
        out: &mut Buf,
    ) {
        let numbers = Numbers {
            inner: width as u32,
            ..Numbers::sizes(rows, columns.len)
        };
        self.run(Kernel::GatherColumns, numbers, &[from, columns, out]);
    }

    fn add_columns(
        &mut self,
        from: &Buf,
        columns: &Buf,
        rows: usize,
        into: &mut Buf,
        width: usize,
    ) {
        let numbers = Numbers {
            inner: width as u32,
            ..Numbers::sizes(rows, columns.len)
        };
        self.run(Kernel::AddColumns, numbers, &[from, columns, into]);
    }

    fn clear(&mut self, total: &mut Buf) {
        // Where something is read, the failure is given.
        let _ = self.attempt(|all| {
            all.queue.clear(&total.room.buffer);
            Ok(())
        });
    }

    fn multiply(&mut self, product: Product, a: &Buf, b: &Buf, out: &mut Buf) {
        let numbers = Numbers {
            inner: product.inner as u32,
            ..Numbers::sizes(product.rows, product.columns)
        };
        self.run(Kernel::Multiply(product.form), numbers, &[a, b, out]);
    }

    fn bias_relu(&mut self, x: &mut Buf, bias: &Buf, rows: usize, relu: bool) {
        let numbers = Numbers {
            first: u32::from(relu),
            ..Numbers::sizes(rows, bias.len)
        };
        self.run(Kernel::BiasRelu, numbers, &[bias, x]);
    }

    fn relu_backward(&mut self, gradient: &mut Buf, activation: &Buf, len: usize) {
        let numbers = Numbers::sizes(len, 1);
        self.run(Kernel::ReluBackward, numbers, &[activation, gradient]);
    }

    fn column_sums(&mut self, gradient: &Buf, rows: usize, out: &mut Buf) {
        let numbers = Numbers::sizes(rows, out.len);
        self.run(Kernel::ColumnSums, numbers, &[gradient, out]);
    }

    fn sgd(&mut self, step: SgdStep, w: &mut Buf, g: &Buf, velocity: &mut Buf) {
        let numbers = Numbers {
            rates: [step.rate, step.decay, step.momentum, 0.0],
            ..Numbers::sizes(w.len, 1)
        };
        self.run(Kernel::Sgd, numbers, &[g, w, velocity]);
    }

    fn adamw(&mut self, step: AdamWStep, w: &mut Buf, g: &Buf, [first, second]: &mut [Buf; 2]) {
        let ([beta1, beta2], [correction1, correction2]) = (step.betas, step.corrections);
        let numbers = Numbers {
            rates: [step.rate, step.decay, step.epsilon, 0.0],
            moments: [beta1, beta2, correction1, correction2],
            ..Numbers::sizes(w.len, 1)
        };
        self.run(Kernel::AdamW, numbers, &[g, w, first, second]);
    }

    fn hits(&mut self, logits: &Buf, labels: &Buf, rows: usize, classes: usize, count: &mut Buf) {
        let numbers = Numbers::sizes(rows, classes);
        self.run(Kernel::Hits, numbers, &[logits, labels, count]);
    }

    fn stats(
        &mut self,
        plan: &Loss,
        rows: usize,
        student: &Buf,
        teacher: &Buf,
        labels: &Buf,
    ) -> Result<Vec<RowStats>, EngineError> {
        self.records(plan, rows, [student, teacher, labels])
    }

    fn influence(
        &mut self,
        rows: usize,
        student: &Buf,
        u: &Buf,
        labels: &Buf,
        classes: usize,
    ) -> Result<Vec<f32>, EngineError> {
        let on_device = self.zeroed(rows);
        let numbers = Numbers::sizes(rows, classes);
        self.run(
            Kernel::Influence,
            numbers,
            &[student, u, labels, &on_device],
        );
        let mut all = vec![0.0; rows];
        self.download(&mut [(&on_device, &mut all)])?;
        Ok(all)
    }

    fn absolute_error(&mut self, output: &mut Buf, target: &Buf, len: usize, total: &mut Buf) {
        let numbers = Numbers::sizes(len, 1);
        self.run(Kernel::AbsoluteError, numbers, &[target, output, total]);
    }

    fn feature(
        &mut self,
        plan: &FeatureLoss,
        batch: FeatureBatch<Self>,
    ) -> Result<(), EngineError> {
        self.feature_row(plan, batch)
    }

    fn row(&mut self, plan: &Loss, batch: RowBatch<Self>) -> Result<(), EngineError> {
        self.row_program(plan, batch)
    }
}
