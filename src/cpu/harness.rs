//! The harness's operations on the CPU.

use super::{Batch, FeaturePlan, Options, Parallelism, Plan};
use crate::batch;
use crate::engine::{
    AdamWStep, Engine, EngineError, FeatureBatch, Form, Product, RowBatch, SgdStep,
};
use crate::spec::{ArgumentError, FeatureSpec, LossSpec, RowStats, StatsLevel, Temperature};
use std::ops::Range;

/// One training run's engine: serial, so that a run's bits depend on nothing but its inputs.
#[derive(Default)]
pub(crate) struct Harness {
    /// The temperatures of a batch, where the loss has its own per row.
    tau: Vec<f32>,
}

impl Engine for Harness {
    type Buf = Vec<f32>;
    type Ints = Vec<i32>;
    type Plan = Plan;
    type FeaturePlan = FeaturePlan;

    fn upload(&mut self, values: &[f32]) -> Vec<f32> {
        values.to_vec()
    }

    fn upload_ints(&mut self, values: &[i32]) -> Vec<i32> {
        values.to_vec()
    }

    fn zeros(&mut self, len: usize) -> Vec<f32> {
        vec![0.0; len]
    }

    fn zero_ints(&mut self, len: usize) -> Vec<i32> {
        vec![0; len]
    }

    fn download(&mut self, reads: &mut [(&Vec<f32>, &mut [f32])]) -> Result<(), EngineError> {
        for (from, out) in reads {
            out.copy_from_slice(&from[..out.len()]);
        }
        Ok(())
    }

    fn plan(&mut self, spec: &LossSpec, classes: usize) -> Result<Plan, EngineError> {
        Ok(Plan::new(
            spec,
            classes,
            Options::default().level(StatsLevel::None),
        )?)
    }

    fn feature_plan(
        &mut self,
        spec: &FeatureSpec,
        width: usize,
    ) -> Result<FeaturePlan, EngineError> {
        Ok(FeaturePlan::new(spec, width)?)
    }

    fn gather(
        &mut self,
        from: &Vec<f32>,
        width: usize,
        indices: &Vec<i32>,
        range: Range<usize>,
        out: &mut Vec<f32>,
    ) {
        for (&row, out) in indices[range].iter().zip(out.chunks_exact_mut(width)) {
            out.copy_from_slice(&from[row as usize * width..][..width]);
        }
    }

    fn gather_ints(
        &mut self,
        from: &Vec<i32>,
        indices: &Vec<i32>,
        range: Range<usize>,
        out: &mut Vec<i32>,
    ) {
        for (&row, out) in indices[range].iter().zip(out) {
            *out = from[row as usize];
        }
    }

    fn gather_columns(
        &mut self,
        from: &Vec<f32>,
        width: usize,
        columns: &Vec<i32>,
        rows: usize,
        out: &mut Vec<f32>,
    ) {
        let into = out.chunks_exact_mut(columns.len()).take(rows);
        for (row, out) in from.chunks_exact(width).zip(into) {
            for (out, &column) in out.iter_mut().zip(columns) {
                *out = row[column as usize];
            }
        }
    }

    fn add_columns(
        &mut self,
        from: &Vec<f32>,
        columns: &Vec<i32>,
        rows: usize,
        into: &mut Vec<f32>,
        width: usize,
    ) {
        let from = from.chunks_exact(columns.len()).take(rows);
        for (row, into) in from.zip(into.chunks_exact_mut(width)) {
            for (value, &column) in row.iter().zip(columns) {
                into[column as usize] += value;
            }
        }
    }

    fn clear(&mut self, total: &mut Vec<f32>) {
        total[0] = 0.0;
    }

    fn multiply(&mut self, product: Product, a: &Vec<f32>, b: &Vec<f32>, out: &mut Vec<f32>) {
        let Product {
            rows,
            columns,
            inner,
            form,
        } = product;
        let (a, b) = (&a[..rows * inner], &b[..inner * columns]);
        let out = &mut out[..rows * columns];
        // (column stride, row stride) of each factor.
        let of_a = if form == Form::LeftTransposed {
            (rows, 1)
        } else {
            (1, inner)
        };
        let of_b = if form == Form::RightTransposed {
            (inner, 1)
        } else {
            (1, columns)
        };
        let stride = |n: usize| n as isize;
        // The kernels prefer columns: what is computed is outᵀ = bᵀ · aᵀ.
        let kernel = gemm_f32::gemm::f32::get_gemm_fn();
        // SAFETY: the slices above hold rows·inner, inner·columns and rows·columns values, and the
        // strides address each of them as a dense matrix of that size; `out` is borrowed mutably,
        // so it overlaps neither factor. No stride is negative.
        unsafe {
            kernel(
                columns,
                rows,
                inner,
                out.as_mut_ptr(),
                stride(columns),
                1,
                false,
                b.as_ptr(),
                stride(of_b.1),
                stride(of_b.0),
                a.as_ptr(),
                stride(of_a.1),
                stride(of_a.0),
                0.0,
                1.0,
                false,
                false,
                false,
                gemm_common::Parallelism::None,
            );
        }
    }

    fn bias_relu(&mut self, x: &mut Vec<f32>, bias: &Vec<f32>, rows: usize, relu: bool) {
        for row in x.chunks_exact_mut(bias.len()).take(rows) {
            for (x, bias) in row.iter_mut().zip(bias) {
                let z = *x + bias;
                *x = if relu { z.max(0.0) } else { z };
            }
        }
    }

    fn relu_backward(&mut self, gradient: &mut Vec<f32>, activation: &Vec<f32>, len: usize) {
        for (g, &a) in gradient[..len].iter_mut().zip(activation) {
            *g = if a > 0.0 { *g } else { 0.0 };
        }
    }

    fn column_sums(&mut self, gradient: &Vec<f32>, rows: usize, out: &mut Vec<f32>) {
        out.fill(0.0);
        for row in gradient.chunks_exact(out.len()).take(rows) {
            for (sum, g) in out.iter_mut().zip(row) {
                *sum += g;
            }
        }
    }

    fn sgd(&mut self, step: SgdStep, w: &mut Vec<f32>, g: &Vec<f32>, velocity: &mut Vec<f32>) {
        let SgdStep {
            rate,
            momentum,
            decay,
        } = step;
        for ((w, &g), v) in w.iter_mut().zip(g).zip(velocity) {
            let g = g + decay * *w;
            *v = momentum * *v + g;
            *w -= rate * (g + momentum * *v);
        }
    }

    fn adamw(
        &mut self,
        step: AdamWStep,
        w: &mut Vec<f32>,
        g: &Vec<f32>,
        moments: &mut [Vec<f32>; 2],
    ) {
        let AdamWStep {
            rate,
            betas,
            epsilon,
            decay,
            corrections,
        } = step;
        let [first, second] = moments;
        for (((w, &g), m), v) in w.iter_mut().zip(g).zip(first).zip(second) {
            *m = betas[0] * *m + (1.0 - betas[0]) * g;
            *v = betas[1] * *v + (1.0 - betas[1]) * g * g;
            let direction = (*m / corrections[0]) / ((*v / corrections[1]).sqrt() + epsilon);
            *w -= rate * (decay * *w + direction);
        }
    }

    fn hits(
        &mut self,
        logits: &Vec<f32>,
        labels: &Vec<i32>,
        rows: usize,
        classes: usize,
        count: &mut Vec<f32>,
    ) {
        let rows = logits.chunks_exact(classes).zip(labels).take(rows);
        let hits = rows.filter(|(row, label)| crate::engine::top(row) == **label as usize);
        count[0] += hits.count() as f32;
    }

    fn stats(
        &mut self,
        plan: &Plan,
        rows: usize,
        student: &Vec<f32>,
        teacher: &Vec<f32>,
        labels: &Vec<i32>,
    ) -> Result<Vec<RowStats>, EngineError> {
        let len = rows * plan.classes();
        let batch = Batch::new(rows, &student[..len], &teacher[..len], &labels[..rows]);
        let batch = temperatures(plan, batch, &mut self.tau)?;
        let mut stats = vec![RowStats::default(); rows];
        let full = plan.at_level(StatsLevel::Full);
        full.run(batch.stats(&mut stats), Parallelism::Serial)?;
        Ok(stats)
    }

    fn influence(
        &mut self,
        rows: usize,
        student: &Vec<f32>,
        u: &Vec<f32>,
        labels: &Vec<i32>,
        classes: usize,
    ) -> Result<Vec<f32>, EngineError> {
        let (len, mut out) = (rows * classes, vec![0.0; rows]);
        super::influence(
            &student[..len],
            &u[..len],
            &labels[..rows],
            classes,
            &mut out,
        )?;
        Ok(out)
    }

    fn absolute_error(
        &mut self,
        output: &mut Vec<f32>,
        target: &Vec<f32>,
        len: usize,
        total: &mut Vec<f32>,
    ) {
        let (mut sum, share) = (0.0_f64, 1.0 / len as f32);
        for (output, target) in output[..len].iter_mut().zip(target) {
            let apart = *output - target;
            sum += f64::from(apart.abs());
            *output = if apart == 0.0 {
                0.0
            } else {
                share.copysign(apart)
            };
        }
        total[0] += (sum / len as f64) as f32;
    }

    fn feature(
        &mut self,
        plan: &FeaturePlan,
        batch: FeatureBatch<Self>,
    ) -> Result<(), EngineError> {
        let len = batch.rows * plan.width();
        let (student, target) = (&mut batch.student[..len], &batch.target[..len]);
        let mut all =
            batch::FeatureBatch::in_place(batch.rows, student, target).upstream(batch.upstream);
        if let Some(weight) = batch.weight {
            all = all.weight(&weight[..batch.rows]);
        }
        batch.total[0] += plan.run(all, Parallelism::Serial)?;
        Ok(())
    }

    fn row(&mut self, plan: &Plan, batch: RowBatch<Self>) -> Result<(), EngineError> {
        let len = batch.rows * plan.classes();
        let (teacher, labels) = (&batch.teacher[..len], &batch.labels[..batch.rows]);
        let mut all = Batch::in_place(batch.rows, &mut batch.student[..len], teacher, labels);
        if let Some([weight, kd_weight]) = batch.weights {
            all = all
                .weight(&weight[..batch.rows])
                .kd_weight(&kd_weight[..batch.rows]);
        }
        let all = temperatures(plan, all, &mut self.tau)?;
        batch.total[0] += plan.run(all, Parallelism::Serial)?;
        Ok(())
    }
}

/// The batch with its temperatures, where the loss has dynamic ones.
fn temperatures<'a>(
    plan: &Plan,
    batch: Batch<'a, f32, f32>,
    tau: &'a mut Vec<f32>,
) -> Result<Batch<'a, f32, f32>, ArgumentError> {
    if !matches!(plan.spec().temperature(), Temperature::Dtd(_)) {
        return Ok(batch);
    }
    tau.resize(batch.rows, 0.0);
    plan.dtd_temperatures(&batch, tau)?;
    Ok(batch.tau(tau))
}
