//! The layers of a student, as other programs know them.

use super::{About, Model};

/// A linear layer of `torch.nn.Sequential(Linear, ReLU, Linear, …)`.
pub(super) struct Layer {
    /// Its place among linear layers and ReLUs.
    pub(super) place: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl Layer {
    /// What PyTorch calls its weight and its bias.
    pub(super) fn names(&self) -> [String; 2] {
        ["weight", "bias"].map(|name| format!("{}.{name}", self.place))
    }
}

impl About {
    pub(super) fn layers(&self) -> impl Iterator<Item = Layer> {
        let layer = |(i, pair): (usize, &[usize])| Layer {
            place: 2 * i,
            inputs: pair[0],
            outputs: pair[1],
        };
        self.sizes.windows(2).enumerate().map(layer)
    }
}

impl Model {
    /// Each layer's weight as `[outputs, inputs]`, and its bias.
    pub(super) fn parameters_by_output(&self) -> impl Iterator<Item = [Vec<f32>; 2]> {
        let layers = self.about.layers().zip(&self.parameters);
        layers.map(|(layer, [weight, bias])| {
            [
                transposed(weight, layer.inputs, layer.outputs),
                bias.clone(),
            ]
        })
    }

    /// The lines of Python that make PyTorch's network of the safetensors file `path`, and its logits of
    /// raw features `x`.
    #[must_use]
    pub fn pytorch_code(&self, path: &str) -> String {
        let layers: Vec<String> = self.about.layers().map(linear).collect();
        // A path is written as Python writes a string, which JSON's strings are, too.
        let path = serde_json::Value::from(path);
        format!(
            "state = safetensors.torch.load_file({path})\n\
             mean, scale = state.pop(\"scaling.mean\"), state.pop(\"scaling.scale\")\n\
             net = nn.Sequential({})\n\
             net.load_state_dict(state)\n\
             logits = net(((x - mean) / scale).float())  # x: raw features, [rows, {}]",
            layers.join(", nn.ReLU(), "),
            self.features()
        )
    }
}

fn linear(layer: Layer) -> String {
    format!("nn.Linear({}, {})", layer.inputs, layer.outputs)
}

/// `[rows, columns]` as `[columns, rows]`.
pub(super) fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let column = |c: usize| (0..rows).map(move |r| values[r * columns + c]);
    (0..columns).flat_map(column).collect()
}
