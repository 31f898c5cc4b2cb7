//! The harness's operations in double precision, as loops that read like their formulas: training
//! on the oracle checks the other engines' training.

use super::batch::Batch;
use super::feature::{self, features};
use super::influence::influence;
use super::run::run;
use super::temperature::dtd_temperatures;
use crate::engine::{
    AdamWStep, Engine, EngineError, FeatureBatch, Form, Product, RowBatch, SgdStep,
};
use crate::spec::{ArgumentError, FeatureSpec, LossSpec, RowStats, Temperature};
use std::ops::Range;

/// One training run's engine.
#[derive(Default)]
pub(crate) struct Harness;

/// A loss over rows of so many classes.
pub(crate) struct Plan {
    spec: LossSpec,
    classes: usize,
}

impl Plan {
    /// The first `rows` rows, with the temperatures of DTD, which `tau` keeps.
    fn batch<'a>(
        &self,
        rows: usize,
        student: &'a [f64],
        teacher: &'a [f64],
        labels: &'a [i32],
        weights: Option<[&'a [f32]; 2]>,
        tau: &'a mut Vec<f32>,
    ) -> Result<Batch<'a>, ArgumentError> {
        let len = rows * self.classes;
        let mut batch = Batch {
            student: &student[..len],
            teacher: &teacher[..len],
            classes: self.classes,
            labels: &labels[..rows],
            weight: weights.map(|[weight, _]| weight),
            kd_weight: weights.map(|[_, kd_weight]| kd_weight),
            tau: None,
            upstream: 1.0,
        };
        if let Temperature::Dtd(dtd) = self.spec.temperature() {
            tau.extend(
                dtd_temperatures(&dtd, &batch)?
                    .iter()
                    .map(|&tau| tau as f32),
            );
            batch.tau = Some(tau);
        }
        Ok(batch)
    }
}

type Buf = Vec<f64>;

impl Engine for Harness {
    type Buf = Buf;
    type Ints = Vec<i32>;
    type Plan = Plan;
    /// The loss and the number of features.
    type FeaturePlan = (FeatureSpec, usize);

    fn upload(&mut self, values: &[f32]) -> Buf {
        values.iter().copied().map(f64::from).collect()
    }

    fn upload_ints(&mut self, values: &[i32]) -> Vec<i32> {
        values.to_vec()
    }

    fn zeros(&mut self, len: usize) -> Buf {
        vec![0.0; len]
    }

    fn zero_ints(&mut self, len: usize) -> Vec<i32> {
        vec![0; len]
    }

    fn download(&mut self, reads: &mut [(&Buf, &mut [f32])]) -> Result<(), EngineError> {
        for (from, out) in reads {
            for (out, &value) in out.iter_mut().zip(*from) {
                *out = value as f32;
            }
        }
        Ok(())
    }

    fn plan(&mut self, spec: &LossSpec, classes: usize) -> Result<Plan, EngineError> {
        LossSpec::check_classes(classes)?;
        Ok(Plan {
            spec: *spec,
            classes,
        })
    }

    fn feature_plan(
        &mut self,
        spec: &FeatureSpec,
        width: usize,
    ) -> Result<(FeatureSpec, usize), EngineError> {
        Ok((*spec, width))
    }

    fn gather(
        &mut self,
        from: &Buf,
        width: usize,
        indices: &Vec<i32>,
        range: Range<usize>,
        out: &mut Buf,
    ) {
        for (i, &row) in indices[range].iter().enumerate() {
            for c in 0..width {
                out[i * width + c] = from[row as usize * width + c];
            }
        }
    }

    fn gather_ints(
        &mut self,
        from: &Vec<i32>,
        indices: &Vec<i32>,
        range: Range<usize>,
        out: &mut Vec<i32>,
    ) {
        for (i, &row) in indices[range].iter().enumerate() {
            out[i] = from[row as usize];
        }
    }

    fn gather_columns(
        &mut self,
        from: &Buf,
        width: usize,
        columns: &Vec<i32>,
        rows: usize,
        out: &mut Buf,
    ) {
        for row in 0..rows {
            for (i, &column) in columns.iter().enumerate() {
                out[row * columns.len() + i] = from[row * width + column as usize];
            }
        }
    }

    fn add_columns(
        &mut self,
        from: &Buf,
        columns: &Vec<i32>,
        rows: usize,
        into: &mut Buf,
        width: usize,
    ) {
        for row in 0..rows {
            for (i, &column) in columns.iter().enumerate() {
                into[row * width + column as usize] += from[row * columns.len() + i];
            }
        }
    }

    fn clear(&mut self, total: &mut Buf) {
        total[0] = 0.0;
    }

    fn multiply(&mut self, product: Product, a: &Buf, b: &Buf, out: &mut Buf) {
        let Product {
            rows,
            columns,
            inner,
            form,
        } = product;
        for i in 0..rows {
            let row = &mut out[i * columns..(i + 1) * columns];
            row.fill(0.0);
            for k in 0..inner {
                let left = match form {
                    Form::LeftTransposed => a[k * rows + i],
                    _ => a[i * inner + k],
                };
                for (j, out) in row.iter_mut().enumerate() {
                    *out += left
                        * match form {
                            Form::RightTransposed => b[j * inner + k],
                            _ => b[k * columns + j],
                        };
                }
            }
        }
    }

    fn bias_relu(&mut self, x: &mut Buf, bias: &Buf, rows: usize, relu: bool) {
        for i in 0..rows * bias.len() {
            x[i] += bias[i % bias.len()];
            if relu {
                x[i] = x[i].max(0.0);
            }
        }
    }

    fn relu_backward(&mut self, gradient: &mut Buf, activation: &Buf, len: usize) {
        for i in 0..len {
            if activation[i] <= 0.0 {
                gradient[i] = 0.0;
            }
        }
    }

    fn column_sums(&mut self, gradient: &Buf, rows: usize, out: &mut Buf) {
        let width = out.len();
        for (c, out) in out.iter_mut().enumerate() {
            *out = (0..rows).map(|row| gradient[row * width + c]).sum();
        }
    }

    fn sgd(&mut self, step: SgdStep, w: &mut Buf, g: &Buf, velocity: &mut Buf) {
        let [rate, momentum, decay] = [step.rate, step.momentum, step.decay].map(f64::from);
        for i in 0..w.len() {
            let g = g[i] + decay * w[i];
            velocity[i] = momentum * velocity[i] + g;
            w[i] -= rate * (g + momentum * velocity[i]);
        }
    }

    fn adamw(&mut self, step: AdamWStep, w: &mut Buf, g: &Buf, [m, v]: &mut [Buf; 2]) {
        let [rate, epsilon, decay] = [step.rate, step.epsilon, step.decay].map(f64::from);
        let ([beta1, beta2], [correction1, correction2]) =
            (step.betas.map(f64::from), step.corrections.map(f64::from));
        for i in 0..w.len() {
            m[i] = beta1 * m[i] + (1.0 - beta1) * g[i];
            v[i] = beta2 * v[i] + (1.0 - beta2) * g[i] * g[i];
            let direction = (m[i] / correction1) / ((v[i] / correction2).sqrt() + epsilon);
            w[i] -= rate * (decay * w[i] + direction);
        }
    }

    fn hits(
        &mut self,
        logits: &Buf,
        labels: &Vec<i32>,
        rows: usize,
        classes: usize,
        count: &mut Buf,
    ) {
        for (row, &label) in logits.chunks_exact(classes).zip(labels).take(rows) {
            let label = label as usize;
            let ahead =
                (0..classes).all(|c| row[label] > row[c] || (row[label] == row[c] && label <= c));
            count[0] += f64::from(u8::from(ahead));
        }
    }

    fn stats(
        &mut self,
        plan: &Plan,
        rows: usize,
        student: &Buf,
        teacher: &Buf,
        labels: &Vec<i32>,
    ) -> Result<Vec<RowStats>, EngineError> {
        let mut tau = Vec::new();
        let batch = plan.batch(rows, student, teacher, labels, None, &mut tau)?;
        let output = run(&plan.spec, &batch)?;
        Ok(output.stats.into_iter().map(RowStats::from).collect())
    }

    fn influence(
        &mut self,
        rows: usize,
        student: &Buf,
        u: &Buf,
        labels: &Vec<i32>,
        classes: usize,
    ) -> Result<Vec<f32>, EngineError> {
        let row = |b: usize| b * classes..(b + 1) * classes;
        let of_row = |b| influence(&student[row(b)], &u[row(b)], labels[b]) as f32;
        Ok((0..rows).map(of_row).collect())
    }

    fn absolute_error(&mut self, output: &mut Buf, target: &Buf, len: usize, total: &mut Buf) {
        let share = 1.0 / len as f64;
        for i in 0..len {
            let apart = output[i] - target[i];
            total[0] += apart.abs() * share;
            output[i] = if apart == 0.0 {
                0.0
            } else {
                apart.signum() * share
            };
        }
    }

    fn feature(
        &mut self,
        &(spec, width): &(FeatureSpec, usize),
        batch: FeatureBatch<Self>,
    ) -> Result<(), EngineError> {
        let len = batch.rows * width;
        let narrow = |w: &Buf| w[..batch.rows].iter().map(|&w| w as f32).collect();
        let weight: Option<Vec<f32>> = batch.weight.map(narrow);
        let rows = feature::FeatureBatch {
            student: &batch.student[..len],
            target: &batch.target[..len],
            rows: batch.rows,
            width,
            weight: weight.as_deref(),
            upstream: batch.upstream,
        };
        let output = features(&spec, &rows)?;
        batch.student[..len].copy_from_slice(&output.gradient);
        batch.total[0] += output.total;
        Ok(())
    }

    fn row(&mut self, plan: &Plan, batch: RowBatch<Self>) -> Result<(), EngineError> {
        let mut tau = Vec::new();
        let narrow = |w: &Buf| {
            w[..batch.rows]
                .iter()
                .map(|&w| w as f32)
                .collect::<Vec<_>>()
        };
        let weights = batch.weights.map(|both| both.map(narrow));
        let (student, teacher) = (&*batch.student, batch.teacher);
        let weights = weights.as_ref().map(|both| both.each_ref().map(|w| &w[..]));
        let labels = batch.labels;
        let rows = plan.batch(batch.rows, student, teacher, labels, weights, &mut tau)?;
        let output = run(&plan.spec, &rows)?;
        batch.student[..output.gradient.len()].copy_from_slice(&output.gradient);
        batch.total[0] += output.total;
        Ok(())
    }
}
