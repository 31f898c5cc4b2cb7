//! Students as ONNX: raw features in, logits out. Field numbers are those of onnx.proto.

use super::Model;
use super::layers::Layer;
use super::protobuf::Message;
use std::io;

/// The version of the file format, and of the operators; runtimes from 2021 on read both.
const IR_VERSION: u64 = 7;
const OPERATORS: u64 = 13;

/// `TensorProto.DataType`.
const FLOAT: u64 = 1;
const DOUBLE: u64 = 11;

impl Model {
    /// The bytes of an ONNX file with the scaling in it: input `features` `[rows, features]` as they are
    /// in the source, in `f32`, NaN where one is missing; output `logits` `[rows, classes]` in `f32`. The
    /// scaling is computed in `f64`, as training does. The metadata entry `fused-kd` is an
    /// [`About`](super::About) as JSON.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] where the description cannot be JSON; no run leaves such a student.
    pub fn to_onnx(&self) -> io::Result<Vec<u8>> {
        let operators = Message::default().text(1, "").number(2, OPERATORS);
        let about = Message::default()
            .text(1, "fused-kd")
            .text(2, &serde_json::to_string(&self.about)?);
        let model = Message::default()
            .number(1, IR_VERSION)
            .text(2, "fused-kd")
            .text(3, &self.about.version)
            .message(7, self.graph())
            .message(8, operators)
            .message(14, about);
        Ok(model.into_bytes())
    }

    fn graph(&self) -> Message {
        let layers: Vec<Layer> = self.about.layers().collect();
        Message::default()
            .messages(1, scaling_nodes())
            .messages(1, layer_nodes(&layers))
            .text(2, "student")
            .messages(5, self.scaling_tensors())
            .messages(5, self.layer_tensors(&layers))
            .message(11, matrix("features", self.features()))
            .message(12, matrix("logits", self.classes()))
    }

    fn scaling_tensors(&self) -> [Message; 3] {
        let doubles = |name, values: &[f64]| {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            tensor(name, DOUBLE, &[values.len()], &bytes)
        };
        [
            doubles("scaling.mean", self.scaling.mean()),
            doubles("scaling.scale", self.scaling.deviation()),
            tensor("zero", FLOAT, &[], &0.0_f32.to_le_bytes()),
        ]
    }

    fn layer_tensors(&self, layers: &[Layer]) -> impl Iterator<Item = Message> {
        let floats = |name: &str, shape: &[usize], values: &[f32]| {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            tensor(name, FLOAT, shape, &bytes)
        };
        let parameters = layers.iter().zip(self.parameters_by_output());
        parameters.flat_map(move |(layer, [weight, bias])| {
            let names = layer.names();
            [
                floats(&names[0], &[layer.outputs, layer.inputs], &weight),
                floats(&names[1], &[layer.outputs], &bias),
            ]
        })
    }
}

/// From `features` to `scaled`.
fn scaling_nodes() -> [Message; 6] {
    [
        node("Cast", &["features"], "wide").message(5, attribute("to", DOUBLE)),
        node("Sub", &["wide", "scaling.mean"], "centred"),
        node("Div", &["centred", "scaling.scale"], "divided"),
        node("Cast", &["divided"], "single").message(5, attribute("to", FLOAT)),
        node("IsNaN", &["single"], "missing"),
        node("Where", &["missing", "zero", "single"], "scaled"),
    ]
}

/// From `scaled` to `logits`.
fn layer_nodes(layers: &[Layer]) -> Vec<Message> {
    let mut nodes = Vec::new();
    let mut input = "scaled".to_owned();
    for (i, layer) in layers.iter().enumerate() {
        let [weight, bias] = layer.names();
        let is_last = i + 1 == layers.len();
        let output = match is_last {
            true => "logits".to_owned(),
            false => layer.place.to_string(),
        };
        let product = node("Gemm", &[&input, &weight, &bias], &output);
        nodes.push(product.message(5, attribute("transB", 1)));
        if !is_last {
            input = (layer.place + 1).to_string();
            nodes.push(node("Relu", &[&output], &input));
        }
    }
    nodes
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Message {
    let names = inputs.iter();
    let node = names.fold(Message::default(), |node, name| node.text(1, name));
    node.text(2, output).text(3, output).text(4, operator)
}

/// An attribute that is a whole number.
fn attribute(name: &str, value: u64) -> Message {
    const INT: u64 = 2;
    Message::default()
        .text(1, name)
        .number(3, value)
        .number(20, INT)
}

fn tensor(name: &str, kind: u64, shape: &[usize], bytes: &[u8]) -> Message {
    let sizes = shape.iter();
    let tensor = sizes.fold(Message::default(), |t, &size| t.number(1, size as u64));
    tensor.number(2, kind).text(8, name).bytes(9, bytes)
}

/// A value of shape `[rows, columns]`, for any number of rows.
fn matrix(name: &str, columns: usize) -> Message {
    let sizes = [
        Message::default().text(2, "rows"),
        Message::default().number(1, columns as u64),
    ];
    let shape = Message::default().messages(1, sizes);
    let of_floats = Message::default().number(1, FLOAT).message(2, shape);
    let kind = Message::default().message(1, of_floats);
    Message::default().text(1, name).message(2, kind)
}
