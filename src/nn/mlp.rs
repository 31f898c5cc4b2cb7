//! A multilayer perceptron of any depth.

use super::optimiser::Updater;
use crate::engine::{Engine, EngineError, Form, Product};
use crate::random::Philox;
use std::convert::Infallible;

/// A layer's weights `[inputs, outputs]` and biases `[outputs]`, on the host.
pub(crate) type Parameters = [Vec<f32>; 2];

/// Weights and biases, and room for a batch of activations and gradients.
pub(crate) struct Mlp<E: Engine> {
    layers: Vec<Layer<E>>,
    /// Whether hidden layers are rectified; otherwise they are linear.
    rectified: bool,
    /// Rows that there is room for.
    capacity: usize,
}

struct Layer<E: Engine> {
    inputs: usize,
    outputs: usize,
    /// `[inputs, outputs]` and `[outputs]`.
    parameters: [E::Buf; 2],
    gradients: [E::Buf; 2],
    /// What the layer gives, and `∂total` by it, `[capacity, outputs]`; the last layer's gradient
    /// replaces its logits.
    activation: E::Buf,
    delta: E::Buf,
}

/// Normal weights of variance `gain/inputs`, and biases of 0.
fn drawn(sizes: &[usize], gain: f32, random: &mut Philox) -> Vec<Parameters> {
    let layer = |pair: &[usize]| {
        let spread = (gain / pair[0] as f32).sqrt();
        let weights = (0..pair[0] * pair[1]).map(|_| spread * random.normal());
        [weights.collect(), vec![0.0; pair[1]]]
    };
    sizes.windows(2).map(layer).collect()
}

impl<E: Engine> Layer<E> {
    /// `∂total` by what the layer gives; the last layer's has replaced its logits.
    fn delta(&self, last: bool) -> &E::Buf {
        if last { &self.activation } else { &self.delta }
    }

    /// The gradients of weights and bias, for the input `x`.
    fn backward(&mut self, engine: &mut E, x: &E::Buf, rows: usize, last: bool) {
        let of_weights = Product {
            rows: self.inputs,
            columns: self.outputs,
            inner: rows,
            form: Form::LeftTransposed,
        };
        let delta = if last { &self.activation } else { &self.delta };
        engine.multiply(of_weights, x, delta, &mut self.gradients[0]);
        engine.column_sums(delta, rows, &mut self.gradients[1]);
    }

    /// The gradient by the layer's input.
    fn backward_input(&self, engine: &mut E, rows: usize, last: bool, out: &mut E::Buf) {
        let of_input = Product {
            rows,
            columns: self.inputs,
            inner: self.outputs,
            form: Form::RightTransposed,
        };
        engine.multiply(of_input, self.delta(last), &self.parameters[0], out);
    }
}

impl<E: Engine> Mlp<E> {
    /// A network of these layer sizes, input first, for batches of up to `capacity` rows. Weights
    /// are normal with variance `2/inputs` (He et al., arXiv 1502.01852), biases 0.
    pub(crate) fn new(
        engine: &mut E,
        sizes: &[usize],
        capacity: usize,
        random: &mut Philox,
    ) -> Self {
        Self::with_parameters(engine, sizes, &drawn(sizes, 2.0, random), capacity)
    }

    /// The same without rectified units: a product of linear maps, for auto-encoders and encoders.
    /// Weights are normal with variance `1/inputs`.
    pub(crate) fn linear(
        engine: &mut E,
        sizes: &[usize],
        capacity: usize,
        random: &mut Philox,
    ) -> Self {
        Self {
            rectified: false,
            ..Self::with_parameters(engine, sizes, &drawn(sizes, 1.0, random), capacity)
        }
    }

    /// A network of these layer sizes with parameters that the host has, layer by layer.
    pub(crate) fn with_parameters(
        engine: &mut E,
        sizes: &[usize],
        parameters: &[Parameters],
        capacity: usize,
    ) -> Self {
        let last = sizes.len().saturating_sub(2);
        let pairs = sizes.windows(2).zip(parameters).enumerate();
        let layers = pairs.map(|(i, (pair, parameters))| {
            let (inputs, outputs) = (pair[0], pair[1]);
            Layer {
                inputs,
                outputs,
                parameters: parameters.each_ref().map(|values| engine.upload(values)),
                gradients: [engine.zeros(inputs * outputs), engine.zeros(outputs)],
                activation: engine.zeros(capacity * outputs),
                delta: engine.zeros(if i == last { 0 } else { capacity * outputs }),
            }
        });
        Self {
            layers: layers.collect(),
            rectified: true,
            capacity,
        }
    }

    /// The parameters of all layers, read back.
    pub(crate) fn parameters(&self, engine: &mut E) -> Result<Vec<Parameters>, EngineError> {
        let sizes = |layer: &Layer<E>| [layer.inputs * layer.outputs, layer.outputs];
        let room = self.layers.iter().map(sizes);
        let mut all: Vec<Parameters> = room.map(|s| s.map(|len| vec![0.0; len])).collect();
        let layers = self.layers.iter().zip(&mut all);
        let mut reads: Vec<_> = layers
            .flat_map(|(layer, out)| layer.parameters.iter().zip(out))
            .map(|(from, out)| (from, &mut out[..]))
            .collect();
        engine.download(&mut reads)?;
        Ok(all)
    }

    /// Rows that there is room for.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Computes the logits of `rows` rows of `input`.
    pub(crate) fn forward(&mut self, engine: &mut E, input: &E::Buf, rows: usize) {
        for i in 0..self.layers.len() {
            let hidden = self.rectified && i + 1 < self.layers.len();
            let (before, rest) = self.layers.split_at_mut(i);
            let x = before.last().map_or(input, |layer| &layer.activation);
            let layer = &mut rest[0];
            let product = Product {
                rows,
                columns: layer.outputs,
                inner: layer.inputs,
                form: Form::Plain,
            };
            engine.multiply(product, x, &layer.parameters[0], &mut layer.activation);
            engine.bias_relu(&mut layer.activation, &layer.parameters[1], rows, hidden);
        }
    }

    /// The last forward's logits, or the gradient that has replaced them.
    pub(crate) fn logits(&self) -> &E::Buf {
        &self.last().activation
    }

    /// The same, for the gradient to replace them.
    pub(crate) fn logits_mut(&mut self) -> &mut E::Buf {
        let last = self.layers.len() - 1;
        &mut self.layers[last].activation
    }

    /// What the last layer sees of the last forward, and its width: the last hidden layer, or the
    /// input of a network without one.
    pub(crate) fn features<'a>(&'a self, input: &'a E::Buf) -> (&'a E::Buf, usize) {
        let before = self
            .layers
            .len()
            .checked_sub(2)
            .map(|i| &self.layers[i].activation);
        (before.unwrap_or(input), self.last().inputs)
    }

    /// The last layer's gradients by weights and bias, and their lengths.
    pub(crate) fn last_gradients(&self) -> [(&E::Buf, usize); 2] {
        let last = self.last();
        let [weights, bias] = &last.gradients;
        [(weights, last.inputs * last.outputs), (bias, last.outputs)]
    }

    fn last(&self) -> &Layer<E> {
        &self.layers[self.layers.len() - 1]
    }

    /// The gradients of all parameters, given that the gradient has replaced the logits of the last
    /// [`Mlp::forward`] over the same input.
    pub(crate) fn backward(&mut self, engine: &mut E, input: &E::Buf, rows: usize) {
        let Ok(()) = self.backward_adding(engine, input, rows, |_, _, _| Ok::<(), Infallible>(()));
    }

    /// The same where the last hidden layer has a part in the total besides the logits: `add` is given
    /// what [`Mlp::features`] gives, and adds to the gradient by them. Without a hidden layer it is
    /// not called.
    pub(crate) fn backward_adding<X>(
        &mut self,
        engine: &mut E,
        input: &E::Buf,
        rows: usize,
        add: impl FnOnce(&mut E, &E::Buf, &mut E::Buf) -> Result<(), X>,
    ) -> Result<(), X> {
        let mut add = Some(add);
        for i in (0..self.layers.len()).rev() {
            let last = i + 1 == self.layers.len();
            let (before, rest) = self.layers.split_at_mut(i);
            let x = before.last().map_or(input, |layer| &layer.activation);
            rest[0].backward(engine, x, rows, last);
            if let Some(previous) = before.last_mut() {
                rest[0].backward_input(engine, rows, last, &mut previous.delta);
                if let Some(add) = add.take() {
                    add(engine, &previous.activation, &mut previous.delta)?;
                }
                if self.rectified {
                    let len = rows * previous.outputs;
                    engine.relu_backward(&mut previous.delta, &previous.activation, len);
                }
            }
        }
        Ok(())
    }

    /// The gradient by the network's input, after [`Mlp::backward`].
    pub(crate) fn input_gradient(&self, engine: &mut E, rows: usize, out: &mut E::Buf) {
        self.layers[0].backward_input(engine, rows, self.layers.len() == 1, out);
    }

    /// One step of the optimiser on all parameters.
    pub(crate) fn update(&mut self, engine: &mut E, updater: &mut Updater<E>, rate: f32) {
        updater.begin(rate);
        for (i, layer) in self.layers.iter_mut().enumerate() {
            for (j, (w, g)) in layer
                .parameters
                .iter_mut()
                .zip(&layer.gradients)
                .enumerate()
            {
                // Biases are not decayed.
                updater.update(engine, 2 * i + j, w, g, j == 0);
            }
        }
    }

    /// The number of values of each parameter, in the order in which the updater knows them.
    pub(crate) fn parameter_sizes(&self) -> Vec<usize> {
        self.layers
            .iter()
            .flat_map(|layer| [layer.inputs * layer.outputs, layer.outputs])
            .collect()
    }
}

#[cfg(test)]
impl Mlp<crate::reference::Harness> {
    /// The gradients of all parameters, in order.
    pub(crate) fn gradients(&self) -> Vec<Vec<f64>> {
        let layers = self.layers.iter();
        layers.flat_map(|layer| layer.gradients.clone()).collect()
    }

    /// All parameters, in the same order.
    pub(crate) fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Vec<f64>> {
        let layers = self.layers.iter_mut();
        layers.flat_map(|layer| layer.parameters.iter_mut())
    }
}
