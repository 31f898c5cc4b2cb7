//! The operations, each as a call on the queue.

use super::super::options::Options;
use super::{Buf, Call, FeaturePlan, Harness, Kernel, Operation, Plan, RowPlans};
use crate::batch::{RawBatch, RawFeatureBatch, check};
use crate::engine::{
    AdamWStep, Engine, EngineError, FeatureBatch, Form, Product, RowBatch, SgdStep,
};
use crate::spec::{FeatureSpec, Format, LossSpec, RowStats, StatsLevel};
use bytemuck::Zeroable;
use std::ops::Range;
use std::sync::Arc;

impl Engine for Harness {
    type Buf = Buf;
    type Ints = Buf;
    type Plan = RowPlans;
    type FeaturePlan = Arc<FeaturePlan>;

    fn upload(&mut self, values: &[f32]) -> Buf {
        self.queue.upload(values)
    }

    fn upload_ints(&mut self, values: &[i32]) -> Buf {
        self.queue.upload(values)
    }

    fn zeros(&mut self, len: usize) -> Buf {
        self.queue.zeros(len)
    }

    fn zero_ints(&mut self, len: usize) -> Buf {
        self.queue.zeros(len)
    }

    fn download(&mut self, reads: &mut [(&Buf, &mut [f32])]) -> Result<(), EngineError> {
        Ok(self.queue.read(reads)?)
    }

    fn plan(&mut self, spec: &LossSpec, classes: usize) -> Result<RowPlans, EngineError> {
        let [loss, full] = [StatsLevel::None, StatsLevel::Full].map(|level| {
            let options = Options::default().level(level);
            Plan::sharing(self.queue.kernels(), spec, classes, options).map(Arc::new)
        });
        Ok(RowPlans {
            loss: loss?,
            full: full?,
        })
    }

    fn feature_plan(
        &mut self,
        spec: &FeatureSpec,
        width: usize,
    ) -> Result<Arc<FeaturePlan>, EngineError> {
        let options = Options::default();
        let plan = FeaturePlan::sharing(self.queue.kernels(), spec, width, options)?;
        Ok(Arc::new(plan))
    }

    fn gather(
        &mut self,
        from: &Buf,
        width: usize,
        indices: &Buf,
        range: Range<usize>,
        out: &mut Buf,
    ) {
        if width == 0 {
            return;
        }
        let len = range.len() * width;
        self.queue.begin_gather();
        let operation = Operation {
            a: from.at(0),
            indices: indices.at(range.end),
            varying: self.queue.vary(&[range.start as u32]),
            out: out.at(len),
            rows: range.len() as u32,
            columns: width as u32,
            inner: (from.len() / width) as u32,
            ..Operation::zeroed()
        };
        self.operate(Kernel::Gather, len, operation);
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
        let len = rows * columns.len();
        let operation = Operation {
            a: from.at(rows * width),
            indices: columns.at(0),
            out: out.at(len),
            rows: rows as u32,
            columns: columns.len() as u32,
            inner: width as u32,
            ..Operation::zeroed()
        };
        self.operate(Kernel::GatherColumns, len, operation);
    }

    fn add_columns(
        &mut self,
        from: &Buf,
        columns: &Buf,
        rows: usize,
        into: &mut Buf,
        width: usize,
    ) {
        let len = rows * columns.len();
        let operation = Operation {
            a: from.at(len),
            indices: columns.at(0),
            out: into.at(rows * width),
            rows: rows as u32,
            columns: columns.len() as u32,
            inner: width as u32,
            ..Operation::zeroed()
        };
        self.operate(Kernel::AddColumns, len, operation);
    }

    fn clear(&mut self, total: &mut Buf) {
        let operation = Operation {
            out: total.at(1),
            rows: 1,
            ..Operation::zeroed()
        };
        // It writes numbers by value: here one, which is 0.
        self.operate(Kernel::Vary, 1, operation);
    }

    fn multiply(&mut self, product: Product, a: &Buf, b: &Buf, out: &mut Buf) {
        let Product {
            rows,
            columns,
            inner,
            form,
        } = product;
        let kernel = match form {
            Form::Plain => Kernel::MultiplyPlain,
            Form::LeftTransposed => Kernel::MultiplyLeftTransposed,
            Form::RightTransposed => Kernel::MultiplyRightTransposed,
        };
        let sizes = [rows * inner, inner * columns, rows * columns];
        let operation = Operation {
            a: a.at(sizes[0]),
            b: b.at(sizes[1]),
            out: out.at(sizes[2]),
            rows: rows as u32,
            columns: columns as u32,
            inner: inner as u32,
            ..Operation::zeroed()
        };
        self.operate(kernel, sizes.into_iter().max().unwrap_or(0), operation);
    }

    fn bias_relu(&mut self, x: &mut Buf, bias: &Buf, rows: usize, relu: bool) {
        let len = rows * bias.len();
        let mut operation = Operation {
            a: bias.at(0),
            out: x.at(len),
            rows: rows as u32,
            columns: bias.len() as u32,
            ..Operation::zeroed()
        };
        operation.numbers[0] = f32::from(u8::from(relu));
        self.operate(Kernel::BiasRelu, len, operation);
    }

    fn relu_backward(&mut self, gradient: &mut Buf, activation: &Buf, len: usize) {
        let operation = Operation {
            a: activation.at(len),
            out: gradient.at(len),
            rows: len as u32,
            ..Operation::zeroed()
        };
        self.operate(Kernel::ReluBackward, len, operation);
    }

    fn column_sums(&mut self, gradient: &Buf, rows: usize, out: &mut Buf) {
        let len = rows * out.len();
        let operation = Operation {
            a: gradient.at(len),
            out: out.at(0),
            rows: rows as u32,
            columns: out.len() as u32,
            ..Operation::zeroed()
        };
        self.operate(Kernel::ColumnSums, len, operation);
    }

    fn sgd(&mut self, step: SgdStep, w: &mut Buf, g: &Buf, velocity: &mut Buf) {
        let len = w.len();
        let mut operation = Operation {
            a: g.at(len),
            varying: self.queue.vary(&[step.rate.to_bits()]),
            out: w.at(len),
            state: [velocity.at(len), 0],
            rows: len as u32,
            ..Operation::zeroed()
        };
        operation.numbers[..2].copy_from_slice(&[step.momentum, step.decay]);
        self.operate(Kernel::Sgd, len, operation);
    }

    fn adamw(&mut self, step: AdamWStep, w: &mut Buf, g: &Buf, moments: &mut [Buf; 2]) {
        let len = w.len();
        let AdamWStep {
            rate,
            betas: [beta1, beta2],
            epsilon,
            decay,
            corrections: [correction1, correction2],
        } = step;
        let varying = [rate, correction1, correction2].map(f32::to_bits);
        let mut operation = Operation {
            a: g.at(len),
            varying: self.queue.vary(&varying),
            out: w.at(len),
            state: moments.each_ref().map(|moment| moment.at(len)),
            rows: len as u32,
            ..Operation::zeroed()
        };
        operation.numbers[..4].copy_from_slice(&[beta1, beta2, epsilon, decay]);
        self.operate(Kernel::AdamW, len, operation);
    }

    fn hits(&mut self, logits: &Buf, labels: &Buf, rows: usize, classes: usize, count: &mut Buf) {
        let len = rows * classes;
        let operation = Operation {
            a: logits.at(len),
            indices: labels.at(rows),
            out: count.at(1),
            rows: rows as u32,
            columns: classes as u32,
            ..Operation::zeroed()
        };
        self.operate(Kernel::Hits, len, operation);
    }

    fn stats(
        &mut self,
        plan: &RowPlans,
        rows: usize,
        student: &Buf,
        teacher: &Buf,
        labels: &Buf,
    ) -> Result<Vec<RowStats>, EngineError> {
        let len = rows * plan.full.classes();
        let mut stats = vec![RowStats::default(); rows];
        let records = self.queue.zeros(size_of_val(&stats[..]) / 4);
        let [student, teacher] = [student, teacher].map(|buf| (buf.at(len), Format::F32));
        let batch = RawBatch::new(rows, student, teacher, labels.at(rows));
        self.run_rows(&plan.full, batch.stats(records.at(0)));
        self.queue.read(&mut [(&records, &mut stats[..])])?;
        Ok(stats)
    }

    fn influence(
        &mut self,
        rows: usize,
        student: &Buf,
        u: &Buf,
        labels: &Buf,
        classes: usize,
    ) -> Result<Vec<f32>, EngineError> {
        let len = rows * classes;
        let out = self.queue.zeros(rows);
        let operation = Operation {
            a: student.at(len),
            b: u.at(len),
            indices: labels.at(rows),
            out: out.at(rows),
            rows: rows as u32,
            columns: classes as u32,
            ..Operation::zeroed()
        };
        self.operate(Kernel::Influence, len, operation);
        let mut influence = vec![0.0; rows];
        self.queue.read(&mut [(&out, &mut influence[..])])?;
        Ok(influence)
    }

    fn absolute_error(&mut self, output: &mut Buf, target: &Buf, len: usize, total: &mut Buf) {
        let operation = Operation {
            a: target.at(len),
            out: output.at(len),
            state: [total.at(1), 0],
            rows: len as u32,
            ..Operation::zeroed()
        };
        self.operate(Kernel::AbsoluteError, len, operation);
    }

    fn feature(
        &mut self,
        plan: &Arc<FeaturePlan>,
        batch: FeatureBatch<Self>,
    ) -> Result<(), EngineError> {
        let (rows, len) = (batch.rows, batch.rows * plan.width());
        check::upstream(batch.upstream)?;
        let upstream = self.queue.vary(&[batch.upstream.to_bits()]);
        let workspace = self.workspace(plan.workspace_bytes(rows));
        let [student, target] = [&*batch.student, batch.target].map(|b| (b.at(len), Format::F32));
        let mut raw = RawFeatureBatch::in_place(rows, student, target)
            .upstream_at(upstream)
            .total(self.total.at(1))
            .workspace(workspace);
        if let Some(weight) = batch.weight {
            raw = raw.weight(weight.at(rows));
        }
        self.queue.push(Call::Feature(Arc::clone(plan), raw));
        self.add_total(batch.total);
        Ok(())
    }

    fn row(&mut self, plan: &RowPlans, batch: RowBatch<Self>) -> Result<(), EngineError> {
        let (rows, len) = (batch.rows, batch.rows * plan.loss.classes());
        let [student, teacher] = [&*batch.student, batch.teacher].map(|b| (b.at(len), Format::F32));
        let mut raw = RawBatch::in_place(rows, student, teacher, batch.labels.at(rows))
            .total(self.total.at(1));
        if let Some([weight, kd_weight]) = batch.weights {
            raw = raw.weight(weight.at(rows)).kd_weight(kd_weight.at(rows));
        }
        self.run_rows(&plan.loss, raw);
        self.add_total(batch.total);
        Ok(())
    }
}
