//! A multilayer perceptron of any depth.

use super::optimiser::Updater;
use crate::engine::{Engine, Form, Product};
use crate::random::Philox;

/// A layer's weights `[inputs, outputs]` and biases `[outputs]`, on the host.
pub(crate) type Parameters = [Vec<f32>; 2];

/// Weights and biases, and room for a batch of activations and gradients.
pub(crate) struct Mlp<E: Engine> {
    layers: Vec<Layer<E>>,
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

impl<E: Engine> Mlp<E> {
    /// A network of these layer sizes, input first, for batches of up to `capacity` rows. Weights
    /// are normal with variance `2/inputs` (He et al., arXiv 1502.01852), biases 0.
    pub(crate) fn new(
        engine: &mut E,
        sizes: &[usize],
        capacity: usize,
        random: &mut Philox,
    ) -> Self {
        let drawn = sizes.windows(2).map(|pair| {
            let spread = (2.0 / pair[0] as f32).sqrt();
            let weights = (0..pair[0] * pair[1]).map(|_| spread * random.normal());
            [weights.collect(), vec![0.0; pair[1]]]
        });
        let drawn: Vec<Parameters> = drawn.collect();
        Self::with_parameters(engine, sizes, &drawn, capacity)
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
            capacity,
        }
    }

    /// The parameters of all layers, read back.
    pub(crate) fn parameters(&self, engine: &mut E) -> Vec<Parameters> {
        let mut read = |from: &E::Buf, len: usize| {
            let mut values = vec![0.0; len];
            engine.download(from, &mut values);
            values
        };
        let layer = |layer: &Layer<E>| {
            let [weights, bias] = &layer.parameters;
            [
                read(weights, layer.inputs * layer.outputs),
                read(bias, layer.outputs),
            ]
        };
        self.layers.iter().map(layer).collect()
    }

    /// Rows that there is room for.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Computes the logits of `rows` rows of `input`.
    pub(crate) fn forward(&mut self, engine: &mut E, input: &E::Buf, rows: usize) {
        for i in 0..self.layers.len() {
            let hidden = i + 1 < self.layers.len();
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
        for i in (0..self.layers.len()).rev() {
            let last = i + 1 == self.layers.len();
            let (before, rest) = self.layers.split_at_mut(i);
            let Layer {
                inputs,
                outputs,
                parameters,
                gradients,
                activation,
                delta,
            } = &mut rest[0];
            let delta = if last { activation } else { delta };
            let x = before.last().map_or(input, |layer| &layer.activation);
            let of_weights = Product {
                rows: *inputs,
                columns: *outputs,
                inner: rows,
                form: Form::LeftTransposed,
            };
            engine.multiply(of_weights, x, delta, &mut gradients[0]);
            engine.column_sums(delta, rows, &mut gradients[1]);
            if let Some(previous) = before.last_mut() {
                let of_input = Product {
                    rows,
                    columns: *inputs,
                    inner: *outputs,
                    form: Form::RightTransposed,
                };
                engine.multiply(of_input, delta, &parameters[0], &mut previous.delta);
                engine.relu_backward(&mut previous.delta, &previous.activation, rows * *inputs);
            }
        }
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
