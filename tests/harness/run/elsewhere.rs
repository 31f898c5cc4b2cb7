//! A student's files, read as other programs read them.

use super::{SHORT, cpu, setting, train};
use fused_kd::auto::{self, EngineName};
use fused_kd::data::Split;
use serde_json::Value;

/// A tensor by its name: the library is not asked.
struct Tensors<'a> {
    header: Value,
    data: &'a [u8],
}

impl<'a> Tensors<'a> {
    fn new(file: &'a [u8]) -> Self {
        let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
        let (header, data) = file[8..].split_at(length);
        let header = serde_json::from_slice(header).unwrap();
        Self { header, data }
    }

    fn names(&self) -> Vec<&str> {
        let all = self.header.as_object().unwrap().keys();
        let mut names: Vec<&str> = all.map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    fn bytes(&self, name: &str) -> &'a [u8] {
        let at = |i: usize| self.header[name]["data_offsets"][i].as_u64().unwrap() as usize;
        &self.data[at(0)..at(1)]
    }

    fn values(&self, name: &str) -> Vec<f64> {
        let bytes = self.bytes(name);
        let single = |&b: &[u8; 4]| f64::from(f32::from_le_bytes(b));
        match self.header[name]["dtype"] == "F64" {
            true => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&b| f64::from_le_bytes(b))
                .collect(),
            false => bytes.as_chunks().0.iter().map(single).collect(),
        }
    }

    fn shape(&self, name: &str) -> Vec<usize> {
        serde_json::from_value(self.header[name]["shape"].clone()).unwrap()
    }

    /// `weight · x + bias`, weights as `[outputs, inputs]`.
    fn layer(&self, place: usize, x: &[f64]) -> Vec<f64> {
        let weight = self.values(&format!("{place}.weight"));
        let bias = self.values(&format!("{place}.bias"));
        let dot = |row: &[f64]| -> f64 { row.iter().zip(x).map(|(w, x)| w * x).sum() };
        let rows = weight.chunks_exact(x.len());
        rows.zip(bias).map(|(row, bias)| dot(row) + bias).collect()
    }

    /// What the formula in the file says.
    fn logits(&self, x: &[f32]) -> Vec<f64> {
        let [mean, scale] = ["scaling.mean", "scaling.scale"].map(|name| self.values(name));
        let parts = x.iter().zip(mean.iter().zip(&scale));
        let scaled: Vec<f64> = parts.map(|(&x, (m, s))| (f64::from(x) - m) / s).collect();
        let hidden = self.layer(0, &scaled);
        let hidden: Vec<f64> = hidden.iter().map(|&h| h.max(0.0)).collect();
        self.layer(2, &hidden)
    }
}

#[test]
fn both_files_hold_the_network_that_the_formula_describes() {
    let setting = setting(SHORT);
    let run = train(&setting, EngineName::Cpu);
    let file = run.model.to_bytes().unwrap();
    let tensors = Tensors::new(&file);
    let names = ["0.bias", "0.weight", "2.bias", "2.weight"];
    let scaling = ["__metadata__", "scaling.mean", "scaling.scale"];
    assert_eq!(tensors.names(), [&names[..], &scaling].concat());
    assert_eq!(tensors.shape("0.weight"), [16, 64]);
    assert_eq!(tensors.shape("2.weight"), [10, 16]);

    let dataset = setting.data.source.load().unwrap();
    let test = Split::new(&dataset, setting.seed).unwrap().test;
    let ours = auto::predict(&cpu(), &run.model, &dataset, &test).unwrap();
    for (&row, ours) in test.iter().zip(ours.logits.chunks_exact(10)) {
        let theirs = tensors.logits(&dataset.features()[row as usize * 64..][..64]);
        for (a, b) in ours.iter().zip(theirs) {
            assert!((f64::from(*a) - b).abs() < 1e-4, "row {row}: {a} and {b}");
        }
    }

    // The other file has the same tensors, byte by byte.
    let onnx = run.model.to_onnx().unwrap();
    for name in names.iter().chain(&scaling[1..]) {
        let bytes = tensors.bytes(name);
        assert!(
            onnx.windows(bytes.len()).any(|part| part == bytes),
            "{name}"
        );
    }
}

#[test]
fn the_lines_of_python_name_the_layers() {
    let run = train(&setting(SHORT), EngineName::Cpu);
    let python = run.model.pytorch_code("a \"b\".safetensors");
    assert_eq!(python.lines().count(), 5);
    for part in [
        r#"load_file("a \"b\".safetensors")"#,
        "net = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))\n",
    ] {
        assert!(python.contains(part), "{python}");
    }
}
