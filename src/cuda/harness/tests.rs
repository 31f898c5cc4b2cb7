//! The harness's operations on this engine: against the oracle, against training on the CPU, and what
//! the driver sees of them.

use super::Harness;
use crate::auto::{self, EngineName};
use crate::cpu;
use crate::cuda::Gpu;
use crate::engine::{Engine, Form, Product};
use crate::harness_parity::training::{self, Small};
use crate::harness_parity::{agree, agree_with_the_oracle, biases_keep_nan, numbers};
use crate::random::Philox;
use crate::schedule::schedule;
use crate::skip::skip;
use crate::spec::{IGNORE, Preset};
use crate::train::{Method, Setting};
use std::collections::BTreeMap;
use std::process::Command;

/// The first device; `None` after a skip.
fn gpu() -> Option<Gpu> {
    match Gpu::new(0) {
        Ok(gpu) => Some(gpu),
        Err(unavailable) => {
            let how = "in tests/simt: cargo run -- DIR, then LD_LIBRARY_PATH=DIR";
            skip("simt", &format!("{unavailable}; {how}"));
            None
        }
    }
}

#[test]
fn operations_agree_with_the_oracle() {
    let Some(gpu) = gpu() else { return };
    agree_with_the_oracle(&mut Harness::new(&gpu).unwrap(), 1e-4);
    biases_keep_nan(&mut Harness::new(&gpu).unwrap());
}

/// Several tiles per product, several classes per lane, several rows per warp; ties and NaN.
fn larger<E: Engine>(engine: &mut E) -> Vec<f32> {
    let random = &mut Philox::new(2, 0);
    let (rows, columns, inner) = (70, 67, 101);
    let mut all = Vec::new();
    for form in [Form::Plain, Form::LeftTransposed, Form::RightTransposed] {
        let a = engine.upload(&numbers(random, rows * inner));
        let b = engine.upload(&numbers(random, inner * columns));
        let (mut out, mut sums) = (engine.zeros(rows * columns), engine.zeros(columns));
        let product = Product {
            rows,
            columns,
            inner,
            form,
        };
        engine.multiply(product, &a, &b, &mut out);
        engine.column_sums(&out, rows, &mut sums);
        let [mut values, mut of_columns] = [rows * columns, columns].map(|len| vec![0.0; len]);
        let reads = &mut [(&out, &mut values[..]), (&sums, &mut of_columns[..])];
        engine.download(reads).unwrap();
        all.extend([values, of_columns].concat());
    }
    let mut logits = numbers(random, rows * columns);
    let mut labels: Vec<i32> = (0..rows).map(|_| random.below(67) as i32).collect();
    for (row, label) in labels.iter_mut().enumerate().step_by(3) {
        logits[row * columns + *label as usize] = 9.0;
    }
    // Ties: with a later class of the same lane, and with an earlier one. A row without order is 0's.
    logits[9 * columns + labels[9] as usize % 32] = 9.0;
    logits[9 * columns + labels[9] as usize % 32 + 32] = 9.0;
    logits[12 * columns] = 9.0;
    logits[15 * columns] = f32::NAN;
    labels[15] = 0;
    labels[18] = IGNORE;
    logits[21 * columns + 40] = f32::NEG_INFINITY;
    let u = engine.upload(&numbers(random, rows * columns));
    let (logits, labels) = (engine.upload(&logits), engine.upload_ints(&labels));
    let mut count = engine.zeros(1);
    engine.hits(&logits, &labels, rows, columns, &mut count);
    let influence = engine.influence(rows, &logits, &u, &labels, columns);
    let (mut influence, mut hits) = (influence.unwrap(), [0.0]);
    assert!(influence[15].is_nan() && influence[18] == 0.0);
    influence[15] = 0.0;
    engine.download(&mut [(&count, &mut hits)]).unwrap();
    assert!(hits[0] > 20.0);
    all.extend(influence);
    all.extend(hits);
    all
}

#[test]
fn larger_operations_agree_with_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let on_gpu = larger(&mut Harness::new(&gpu).unwrap());
    agree(
        "values",
        &on_gpu,
        &larger(&mut cpu::Harness::default()),
        1e-4,
    );
}

#[test]
fn training_agrees_with_the_oracle() {
    let Some(gpu) = gpu() else { return };
    training::trains_as_the_oracle(|| Harness::new(&gpu).unwrap());
}

#[test]
fn the_first_steps_lose_as_much_as_on_the_cpu() {
    let Some(gpu) = gpu() else { return };
    training::the_first_steps_lose_as_much_as_on_the_cpu(|| Harness::new(&gpu).unwrap());
}

/// Epochs of so many steps, of which the last has fewer rows.
fn of_steps(steps: usize, epochs: usize) -> Small {
    Small {
        rows: steps * 24 - 5,
        batch: 24,
        epochs,
        preset: Preset::DtdKa,
        optimiser: training::ADAMW,
    }
}

#[test]
fn training_again_gives_the_same_bits_in_whatever_order_threads_run() {
    let Some(gpu) = gpu() else { return };
    let bits = |seed| -> Vec<u32> {
        schedule(seed);
        let engine = &mut Harness::new(&gpu).unwrap();
        let losses = of_steps(4, 3).losses(engine);
        losses.iter().map(|loss| loss.to_bits()).collect()
    };
    let [first, second, third] = [0, 5, 6].map(bits);
    schedule(0);
    assert_eq!(first, second);
    assert_eq!(first, third);
}

/// Whole comparisons: teachers, selections, features, peers, and the looks between epochs.
#[test]
fn students_get_as_far_as_on_the_cpu() {
    if gpu().is_none() {
        return;
    }
    let methods = ["kd", "lr", "lr-ds", "dtd-ka", "ie-dml"].map(|name| {
        let mut method: Method = name.parse().unwrap();
        if let Some(policy) = &mut method.policy {
            policy.warm_up = 1;
        }
        method
    });
    let mut setting = Setting {
        methods: methods.to_vec(),
        seeds: 2,
        learning_rates: vec![0.05],
        ..Setting::default()
    };
    setting.data.teacher_shifts = false;
    setting.features.factor.epochs = 3;
    setting.student.hidden = vec![16];
    setting.teacher.hidden = vec![32];
    setting.student.epochs = 4;
    setting.teacher.epochs = 6;
    let of = |engine: EngineName| {
        let engine = engine.resolve().unwrap();
        auto::compare(&engine, &setting, &|_| ()).unwrap()
    };
    let (on_gpu, on_cpu) = (of(EngineName::Cuda), of(EngineName::Cpu));
    assert_eq!((on_gpu.engine, on_gpu.methods.len()), ("cuda", 5));
    for (a, b) in on_gpu.methods.iter().zip(&on_cpu.methods) {
        let both = (&a.test_accuracy.per_seed, &b.test_accuracy.per_seed);
        assert_eq!((both.0.len(), both.1.len()), (2, 2));
        for (a_seed, b_seed) in both.0.iter().zip(both.1) {
            assert!((a_seed - b_seed).abs() <= 0.01, "{}: {both:?}", a.name);
            assert!(*b_seed > 0.3, "{}: {both:?}", a.name);
        }
    }
}

/// How often the driver was called during two epochs of so many steps, by the call's name.
fn calls(steps: usize) -> BTreeMap<String, usize> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "cuda::harness::tests::two_epochs"]);
    command.env("STEPS", steps.to_string());
    let output = command.env("SIMT_LOG", log.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
    let log = std::fs::read_to_string(log.path()).unwrap();
    log.lines().fold(BTreeMap::new(), |mut calls, line| {
        let name = line.split_whitespace().next().unwrap_or(line);
        *calls.entry(name.to_owned()).or_default() += 1;
        calls
    })
}

#[test]
#[ignore = "needs an environment"]
fn two_epochs() {
    let steps = std::env::var("STEPS").unwrap().parse().unwrap();
    let engine = &mut Harness::new(&gpu().unwrap()).unwrap();
    of_steps(steps, 2).losses(engine);
}

/// Steps allocate nothing, copy nothing and wait for nothing, and each that has come before is two
/// launches: of what varies, and of the graph.
#[test]
fn a_step_is_a_graph() {
    if gpu().is_none_or(|gpu| gpu.name() != "emulated device") {
        return;
    }
    let (few, many) = (calls(5), calls(25));
    let of = |calls: &BTreeMap<String, usize>, name: &str| calls.get(name).copied().unwrap_or(0);
    let more = |name: &str| of(&many, name) - of(&few, name);
    for (name, &count) in &few {
        let step = ["cuLaunchKernel", "cuGraphLaunch"].contains(&&**name);
        assert!(step || of(&many, name) == count, "{name}: {few:?} {many:?}");
    }
    assert_eq!(
        few.keys().collect::<Vec<_>>(),
        many.keys().collect::<Vec<_>>()
    );
    assert!(of(&few, "cuMemAllocAsync") > 0, "nothing is counted");
    assert_eq!(of(&few, "cuStreamSynchronize"), 2, "one per epoch");
    assert_eq!((more("cuLaunchKernel"), more("cuGraphLaunch")), (40, 40));
}
