//! The WGSL kernels in a browser, which enforces what wgpu does not: barriers in uniform control flow
//! alone, and the limits of the WebGPU standard.
//!
//! The page executes calls as the engine describes them; what it sends back is judged as any other
//! engine's answers are.

use super::cases::{Case, Kind, Rng};
use super::judge::{Bounds, Rounding, judge_answer};
use super::{Answer, Subject};
use crate::support::browser;
use fused_kd::reference::{self, Batch};
use fused_kd::spec::{
    Divergence, Format, LossSpec, Preset, Reduction, Revision, RowFlags, RowStats, Temperature,
};
use fused_kd::wgsl::described::{self, Described, row_program};
use fused_kd::wgsl::{Element, Options, Regime};
use half::{bf16, f16};
use serde_json::{Value, json};
use std::marker::PhantomData;
use std::time::Duration;

const PAGE: &str = include_str!("browser.html");

#[test]
fn a_browser_agrees_with_the_oracle() {
    let calls = calls();
    let mut modules = Vec::new();
    let described: Vec<Value> = calls.iter().map(|c| c.describe(&mut modules)).collect();
    let work = json!({ "modules": modules, "calls": described }).to_string();
    let page = PAGE.replace("/*WORK*/null", &work.replace("</", "<\\/"));
    let Some(result) = browser::evaluate(&page, Duration::from_secs(900)) else {
        return;
    };
    let result: Value = serde_json::from_str(&result).unwrap();
    assert_eq!(result["errors"], json!([]));
    let answers = result["answers"].as_array().unwrap();
    assert_eq!(answers.len(), calls.len());
    for (call, answer) in calls.iter().zip(answers) {
        match answer.as_array().map(Vec::as_slice) {
            Some([gradient, stats]) => call.judge(&words(gradient), &words(stats)),
            // A browser without subgroup operations leaves some out.
            _ => assert!(call.subgroup.is_some(), "no answer"),
        }
    }
}

fn words(value: &Value) -> Vec<u32> {
    let numbers = value.as_array().unwrap().iter();
    numbers.map(|n| n.as_u64().unwrap() as u32).collect()
}

/// A batch, and how it is carried out.
struct Call {
    case: Case,
    format: Format,
    options: Options,
    /// The least size of subgroups, where they are used; the browser's software adapter has 4.
    subgroup: Option<u32>,
    in_place: bool,
    /// Where the temperature is not one for all.
    tau: Option<Vec<f32>>,
    /// 1/N of right and of wrong rows.
    inverse: [f32; 2],
}

/// Every preset in one shape or another, and divergences of which no preset is made.
fn calls() -> Vec<Call> {
    let lr = |divergence| {
        let spec = LossSpec::builder().revision(Revision::LabelRevision { eta: 0.8 });
        spec.divergence(divergence).weights(0.9, 0.1).build()
    };
    let mut specs: Vec<LossSpec> = Preset::ALL.map(|preset| preset.spec()).into();
    specs.extend(lr(Divergence::ReverseKl));
    specs.extend(lr(Divergence::JensenShannon { beta: 0.5 }));
    specs.extend(lr(Divergence::MseProbs));
    let (whole, split) = (Options::default().workgroup(64), Regime::Split { parts: 4 });
    let mut rng = Rng::new(5);
    let mut calls = Vec::new();
    for (i, spec) in specs.iter().enumerate() {
        let mut call = |rows, classes, format, options: Options, subgroup| {
            let kinds = [&Kind::TAME[..], &Kind::ALL[..]][i % 2];
            let case = Case::new(&mut rng, spec, rows, classes, kinds);
            calls.push(Call::new(case, format, options, subgroup, i % 3 == 0));
        };
        call(40, 10, Format::F32, whole, None);
        match i % 4 {
            0 => call(16, 301, Format::F32, whole, Some(4)),
            1 => call(17, 7, Format::F16, whole, None),
            2 => call(3, 1003, Format::F32, whole.regime(split), None),
            _ => call(5, 129, Format::Bf16, whole.regime(split), Some(4)),
        }
    }
    calls
}

impl Call {
    fn new(
        case: Case,
        format: Format,
        options: Options,
        subgroup: Option<u32>,
        in_place: bool,
    ) -> Self {
        let widen =
            |row: &[f32]| -> Vec<f64> { row.iter().map(|&z| format.round(f64::from(z))).collect() };
        let (student, teacher) = (widen(&case.student), widen(&case.teacher));
        let batch = Batch {
            student: &student,
            teacher: &teacher,
            classes: case.classes,
            labels: &case.labels,
            weight: Some(&case.weight),
            kd_weight: Some(&case.kd_weight),
            tau: None,
            upstream: case.upstream,
        };
        let tau = match case.spec.temperature() {
            Temperature::Dtd(dtd) => {
                let tau = reference::dtd_temperatures(&dtd, &batch).unwrap();
                Some(tau.into_iter().map(|tau| tau as f32).collect())
            }
            _ => case.tau.clone(),
        };
        let [right, wrong] = reference::counts(&batch);
        let inverse = |n: u32| if n == 0 { 0.0 } else { 1.0 / n as f32 };
        let inverse = match case.spec.reduction() {
            Reduction::Sum => [1.0; 2],
            Reduction::Mean => [inverse(right + wrong); 2],
            _ => [inverse(right), inverse(wrong)],
        };
        Self {
            case,
            format,
            options: options.formats(format, format),
            subgroup,
            in_place,
            tau,
            inverse,
        }
    }

    /// The call as the page reads it; its modules' texts go to `modules`, each once.
    fn describe(&self, modules: &mut Vec<String>) -> Value {
        let (case, rows) = (&self.case, self.case.labels.len());
        let Described {
            params,
            dispatches,
            workspace_bytes,
        } = row_program(
            &case.spec,
            rows as u32,
            case.classes,
            self.options,
            self.subgroup,
            self.in_place,
        )
        .unwrap();
        let student = encode(self.format, &case.student);
        let untouched = |words: usize| vec![u32::MAX; words];
        let [right, wrong] = self.inverse;
        // By binding.
        let buffers = [
            bytemuck::pod_collect_to_vec(&[params]),
            bits(&[right, wrong, case.upstream, 0.0]),
            student.clone(),
            encode(self.format, &case.teacher),
            bytemuck::pod_collect_to_vec(&case.labels),
            bits(&case.weight),
            bits(&case.kd_weight),
            self.tau.as_deref().map_or(untouched(1), bits),
            if self.in_place {
                student
            } else {
                untouched(student.len())
            },
            untouched(16 * rows),
            untouched(workspace_bytes as usize / 4 + 1),
        ];
        let dispatches: Vec<Value> = dispatches.iter().map(|d| dispatch(d, modules)).collect();
        json!({
            "subgroups": self.subgroup.is_some(),
            "buffers": buffers,
            "dispatches": dispatches,
            "results": [8, 9],
        })
    }

    fn judge(&self, gradient: &[u32], stats: &[u32]) {
        let stats: Vec<RowStats> = bytemuck::pod_collect_to_vec(stats);
        let total = stats.iter().map(|stats| {
            let scale = self.inverse[usize::from(stats.flags.contains(RowFlags::WRONG))];
            if scale == 0.0 && !stats.loss.is_nan() {
                return 0.0;
            }
            f64::from(self.case.upstream) * f64::from(scale) * f64::from(stats.loss)
        });
        let mut gradient = decode(self.format, gradient);
        gradient.truncate(self.case.student.len());
        let answer = Answer {
            total: total.sum::<f64>() as f32,
            gradient,
            stats,
            tau: self.tau.clone(),
        };
        match self.format {
            Format::F16 => judge_answer::<InBrowser<f16>>(&self.case, &answer),
            Format::Bf16 => judge_answer::<InBrowser<bf16>>(&self.case, &answer),
            _ => judge_answer::<InBrowser<f32>>(&self.case, &answer),
        };
    }
}

fn dispatch(dispatch: &described::Dispatch, modules: &mut Vec<String>) -> Value {
    let enable = match dispatch.uses_subgroups {
        true => "enable subgroups;\n",
        false => "",
    };
    let text = format!("{enable}{}", dispatch.module);
    let known = modules.iter().position(|module| *module == text);
    let module = known.unwrap_or_else(|| {
        modules.push(text);
        modules.len() - 1
    });
    let constants: serde_json::Map<_, _> = dispatch
        .constants
        .iter()
        .map(|&(name, value)| (name.to_owned(), json!(value)))
        .collect();
    let bindings: Vec<Value> = dispatch
        .bindings
        .iter()
        .map(|(binding, kind)| json!({ "binding": binding, "type": kind }))
        .collect();
    json!({
        "module": module,
        "entry": dispatch.entry_point,
        "constants": constants,
        "bindings": bindings,
        "workgroups": dispatch.workgroups,
    })
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// Logits in words; the last may be half empty.
fn encode(format: Format, logits: &[f32]) -> Vec<u32> {
    let halves: Vec<u16> = match format {
        Format::F16 => logits.iter().map(|&z| f16::from_f32(z).to_bits()).collect(),
        Format::Bf16 => logits
            .iter()
            .map(|&z| bf16::from_f32(z).to_bits())
            .collect(),
        _ => return bits(logits),
    };
    let pair = |pair: &[u16]| u32::from(pair[0]) | u32::from(*pair.get(1).unwrap_or(&0)) << 16;
    halves.chunks(2).map(pair).collect()
}

fn decode(format: Format, words: &[u32]) -> Vec<f32> {
    let halves = words.iter().flat_map(|w| [*w as u16, (w >> 16) as u16]);
    match format {
        Format::F16 => halves.map(|h| f16::from_bits(h).to_f32()).collect(),
        Format::Bf16 => halves.map(|h| bf16::from_bits(h).to_f32()).collect(),
        _ => words.iter().map(|&w| f32::from_bits(w)).collect(),
    }
}

/// Bounds and types of an answer.
struct InBrowser<E>(PhantomData<E>);

impl<E: Element> Subject for InBrowser<E> {
    const STUDENT: Format = E::FORMAT;
    const TEACHER: Format = E::FORMAT;
    const BOUNDS: Bounds = Bounds::GPU;

    fn answer(_: &Case) -> Answer {
        unimplemented!("a browser answers many cases at once")
    }
}
