//! The student's halves and their encoders, as they learn.

use crate::engine::{Engine, EngineError, FeatureBatch};
use crate::nn::{Mlp, Optimiser, Updater};
use crate::random::Philox;
use crate::spec::FeatureSpec;

/// One encoder per feature loss, each on a half of the student's features.
pub(crate) struct Encoders<E: Engine> {
    parts: Vec<Part<E>>,
    /// The student's features.
    width: usize,
}

/// A half of the student's features, and the encoder that brings it to the target's shape.
struct Part<E: Engine> {
    loss: E::FeaturePlan,
    channels: E::Ints,
    encoder: Mlp<E>,
    updater: Updater<E>,
    /// The half, and the gradient by it: `[capacity, channels]`.
    half: E::Buf,
    gradient: E::Buf,
}

/// What a batch's features are held against.
pub(crate) struct Target<'a, E: Engine> {
    pub(crate) rows: usize,
    /// `[rows, target width]`.
    pub(crate) features: &'a E::Buf,
    /// Which rows are supervised, where not all are.
    pub(crate) weight: Option<&'a E::Buf>,
    /// λ of each loss, as its schedule has it at this step.
    pub(crate) lambdas: &'a [f32],
}

impl<E: Engine> Part<E> {
    /// Encodes the half of these features, rows of `width` values, and adds `± λ · dist` to `total[0]`;
    /// the gradient replaces what the encoder made.
    fn compare(
        &mut self,
        engine: &mut E,
        features: &E::Buf,
        width: usize,
        target: &Target<E>,
        lambda: f32,
        total: &mut E::Buf,
    ) -> Result<(), EngineError> {
        let rows = target.rows;
        engine.gather_columns(features, width, &self.channels, rows, &mut self.half);
        self.encoder.forward(engine, &self.half, rows);
        let batch = FeatureBatch {
            rows,
            student: self.encoder.logits_mut(),
            target: target.features,
            weight: target.weight,
            upstream: lambda,
            total,
        };
        engine.feature(&self.loss, batch)
    }
}

impl<E: Engine> Encoders<E> {
    /// One encoder per loss from these channels of the student's `width` features to `to` features,
    /// each a linear map, for batches of up to `capacity` rows.
    pub(crate) fn new(
        engine: &mut E,
        losses: impl Iterator<Item = (FeatureSpec, Vec<i32>)>,
        [width, to]: [usize; 2],
        capacity: usize,
        optimiser: Optimiser,
        random: &mut Philox,
    ) -> Result<Self, EngineError> {
        let part = |(spec, channels): (FeatureSpec, Vec<i32>)| -> Result<Part<E>, EngineError> {
            let encoder = Mlp::linear(engine, &[channels.len(), to], capacity, random);
            Ok(Part {
                loss: engine.feature_plan(&spec, to)?,
                updater: Updater::new(engine, optimiser, &encoder.parameter_sizes()),
                encoder,
                half: engine.zeros(capacity * channels.len()),
                gradient: engine.zeros(capacity * channels.len()),
                channels: engine.upload_ints(&channels),
            })
        };
        Ok(Self {
            parts: losses.map(part).collect::<Result<_, _>>()?,
            width,
        })
    }

    /// Adds the losses to `total[0]` and their gradient by the student's features to `gradient`, and
    /// leaves each encoder its own gradients.
    pub(crate) fn backward(
        &mut self,
        engine: &mut E,
        features: &E::Buf,
        target: &Target<E>,
        gradient: &mut E::Buf,
        total: &mut E::Buf,
    ) -> Result<(), EngineError> {
        let (rows, width) = (target.rows, self.width);
        for (part, &lambda) in self.parts.iter_mut().zip(target.lambdas) {
            part.compare(engine, features, width, target, lambda, total)?;
            part.encoder.backward(engine, &part.half, rows);
            part.encoder
                .input_gradient(engine, rows, &mut part.gradient);
            engine.add_columns(&part.gradient, &part.channels, rows, gradient, width);
        }
        Ok(())
    }

    /// The mean distance of each half from the target, over all rows.
    pub(crate) fn distances(
        &mut self,
        engine: &mut E,
        features: &E::Buf,
        target: &Target<E>,
    ) -> Result<Vec<f32>, EngineError> {
        let width = self.width;
        let of_part = |part: &mut Part<E>| {
            let mut total = engine.zeros(1);
            part.compare(engine, features, width, target, 1.0, &mut total)?;
            let mut signed = [0.0];
            engine.download(&mut [(&total, &mut signed)])?;
            Ok(signed[0].abs())
        };
        self.parts.iter_mut().map(of_part).collect()
    }

    /// One step of the optimiser on all encoders.
    pub(crate) fn update(&mut self, engine: &mut E, rate: f32) {
        for part in &mut self.parts {
            part.encoder.update(engine, &mut part.updater, rate);
        }
    }
}

#[cfg(test)]
impl Encoders<crate::reference::Harness> {
    /// The gradients of all encoders' parameters, in order.
    pub(crate) fn gradients(&self) -> Vec<Vec<f64>> {
        self.parts
            .iter()
            .flat_map(|part| part.encoder.gradients())
            .collect()
    }

    /// All encoders' parameters, in the same order.
    pub(crate) fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Vec<f64>> {
        self.parts
            .iter_mut()
            .flat_map(|part| part.encoder.parameters_mut())
    }
}
