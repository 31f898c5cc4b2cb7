//! The harness's operations agree between engines: each against the oracle's plain loops.

pub(crate) mod training;

use crate::engine::{AdamWStep, Engine, FeatureBatch, Form, Product, RowBatch, SgdStep};
use crate::random::Philox;
use crate::spec::{Distance, FeatureSpec, Preset, Relation};
use crate::{cpu, reference};

/// What an operation leaves behind, read back.
type Trial<E> = fn(&mut E, &mut Philox) -> Vec<f32>;

pub(crate) fn numbers(random: &mut Philox, len: usize) -> Vec<f32> {
    (0..len).map(|_| random.normal()).collect()
}

fn read<E: Engine>(engine: &mut E, buf: &E::Buf, len: usize) -> Vec<f32> {
    let mut out = vec![0.0; len];
    engine.download(&mut [(buf, &mut out)]).unwrap();
    out
}

pub(crate) fn agree(name: &str, a: &[f32], b: &[f32], bound: f32) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!(
            (a - b).abs() <= bound * b.abs().max(1.0),
            "{name}[{i}]: {a}, reference {b}"
        );
    }
}

fn multiply<E: Engine>(engine: &mut E, random: &mut Philox) -> Vec<f32> {
    let mut all = Vec::new();
    for form in [Form::Plain, Form::LeftTransposed, Form::RightTransposed] {
        for (rows, columns, inner) in [(1, 1, 1), (3, 5, 7), (33, 10, 64), (128, 32, 17)] {
            let a = engine.upload(&numbers(random, rows * inner));
            let b = engine.upload(&numbers(random, inner * columns));
            let mut out = engine.upload(&vec![7.0; rows * columns]);
            engine.multiply(
                Product {
                    rows,
                    columns,
                    inner,
                    form,
                },
                &a,
                &b,
                &mut out,
            );
            all.extend(read(engine, &out, rows * columns));
        }
    }
    all
}

fn layers<E: Engine>(engine: &mut E, random: &mut Philox) -> Vec<f32> {
    let (rows, width) = (9, 13);
    let bias = engine.upload(&numbers(random, width));
    let gradient = numbers(random, rows * width);
    let mut all = Vec::new();
    for relu in [true, false] {
        let mut x = engine.upload(&numbers(random, rows * width));
        // One row fewer than there is room for: the last must stay as it is.
        engine.bias_relu(&mut x, &bias, rows - 1, relu);
        let mut g = engine.upload(&gradient);
        engine.relu_backward(&mut g, &x, (rows - 1) * width);
        let mut sums = engine.zeros(width);
        engine.column_sums(&g, rows - 1, &mut sums);
        all.extend(
            [
                read(engine, &x, rows * width),
                read(engine, &g, rows * width),
            ]
            .concat(),
        );
        all.extend(read(engine, &sums, width));
    }
    all
}

fn gathers<E: Engine>(engine: &mut E, random: &mut Philox) -> Vec<f32> {
    let from = engine.upload(&numbers(random, 6 * 4));
    let indices = engine.upload_ints(&[5, 0, 0, 3, 2]);
    let mut rows = engine.zeros(3 * 4);
    engine.gather(&from, 4, &indices, 1..4, &mut rows);
    let mut all = read(engine, &rows, 3 * 4);
    // Labels cannot be read back; hits tell whether they arrived. Row 1 is a tie that 0 wins.
    let labels = engine.upload_ints(&[1, 0, 2, 2, 0, 1]);
    let mut gathered = engine.zero_ints(3);
    engine.gather_ints(&labels, &indices, 1..4, &mut gathered);
    let logits = engine.upload(&[0.0, 1.0, 0.5, 2.0, 2.0, 0.0, 0.0, 0.0, 1.0]);
    let mut count = engine.upload(&[10.0]);
    engine.hits(&logits, &gathered, 3, 3, &mut count);
    all.extend(read(engine, &count, 1));
    all
}

fn columns<E: Engine>(engine: &mut E, random: &mut Philox) -> Vec<f32> {
    let (rows, width) = (5, 7);
    let from = engine.upload(&numbers(random, rows * width));
    let chosen = engine.upload_ints(&[6, 0, 3]);
    let mut half = engine.upload(&vec![7.0; rows * 3]);
    // One row fewer than there is room for: the last must stay as it is.
    engine.gather_columns(&from, width, &chosen, rows - 1, &mut half);
    let mut into = engine.upload(&numbers(random, rows * width));
    engine.add_columns(&half, &chosen, rows - 1, &mut into, width);
    [
        read(engine, &half, rows * 3),
        read(engine, &into, rows * width),
    ]
    .concat()
}

fn absolute_errors<E: Engine>(engine: &mut E, random: &mut Philox) -> Vec<f32> {
    let len = 33;
    let target = numbers(random, len);
    let mut values = numbers(random, len);
    values[5] = target[5];
    let (mut output, target) = (engine.upload(&values), engine.upload(&target));
    let mut total = engine.upload(&[10.0]);
    engine.absolute_error(&mut output, &target, len - 1, &mut total);
    let mut all = [read(engine, &output, len), read(engine, &total, 1)].concat();
    engine.clear(&mut total);
    engine.absolute_error(&mut output, &target, len, &mut total);
    all.extend(read(engine, &total, 1));
    all
}

fn features<E: Engine>(engine: &mut E, random: &mut Philox) -> Vec<f32> {
    let (rows, width) = (5, 17);
    let mut all = Vec::new();
    for distance in Distance::ALL {
        for (relation, weighted) in [(Relation::Inherit, true), (Relation::Explore, false)] {
            let plan = engine.feature_plan(&FeatureSpec { distance, relation }, width);
            let plan = plan.unwrap();
            let mut student = engine.upload(&numbers(random, rows * width));
            let target = engine.upload(&numbers(random, rows * width));
            let weight = engine.upload(&[1.0, 0.0, 2.0, 1.0, 1.0]);
            let mut total = engine.upload(&[10.0]);
            let batch = FeatureBatch {
                rows: rows - 1,
                student: &mut student,
                target: &target,
                weight: weighted.then_some(&weight),
                upstream: 50.0,
                total: &mut total,
            };
            engine.feature(&plan, batch).unwrap();
            all.extend(read(engine, &student, rows * width));
            all.extend(read(engine, &total, 1));
        }
    }
    all
}

fn steps<E: Engine>(engine: &mut E, random: &mut Philox) -> Vec<f32> {
    let len = 37;
    let (mut w, g) = (
        engine.upload(&numbers(random, len)),
        engine.upload(&numbers(random, len)),
    );
    let mut velocity = engine.zeros(len);
    let mut moments = [engine.zeros(len), engine.zeros(len)];
    for t in 1..4 {
        engine.sgd(
            SgdStep {
                rate: 0.1,
                momentum: 0.9,
                decay: 0.01,
            },
            &mut w,
            &g,
            &mut velocity,
        );
        let betas = [0.9_f32, 0.999];
        let corrections = betas.map(|beta| 1.0 - beta.powi(t));
        let step = AdamWStep {
            rate: 0.1,
            betas,
            epsilon: 1e-8,
            decay: 0.01,
            corrections,
        };
        engine.adamw(step, &mut w, &g, &mut moments);
    }
    read(engine, &w, len)
}

fn rows<E: Engine>(engine: &mut E, random: &mut Philox) -> Vec<f32> {
    let (rows, classes) = (7, 5);
    let mut all = Vec::new();
    for (preset, weighted) in [
        (Preset::Lr, true),
        (Preset::LrMse, false),
        (Preset::Lskd, true),
        (Preset::DtdKa, true),
    ] {
        let plan = engine.plan(&preset.spec(), classes).unwrap();
        let mut student = engine.upload(&numbers(random, rows * classes));
        let teacher = engine.upload(&numbers(random, rows * classes));
        let labels = engine.upload_ints(&[0, 1, 2, 3, 4, crate::spec::IGNORE, 0]);
        let ones = engine.upload(&[1.0, 10.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
        let kept = engine.upload(&[1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
        let (rows, student, teacher, labels) = (rows - 1, &mut student, &teacher, &labels);
        let records = engine.stats(&plan, rows, student, teacher, labels);
        for record in records.unwrap() {
            all.extend([record.loss, record.beta, record.el2n, record.teacher_margin]);
            all.extend([record.teacher_top as f32, record.student_top as f32]);
        }
        all.extend(
            engine
                .influence(rows, student, teacher, labels, classes)
                .unwrap(),
        );
        let mut total = engine.upload(&[10.0]);
        let batch = RowBatch {
            rows,
            student,
            teacher,
            labels,
            weights: weighted.then_some([&ones, &kept]),
            total: &mut total,
        };
        engine.row(&plan, batch).unwrap();
        all.extend(read(engine, student, (rows + 1) * classes));
        all.extend(read(engine, &total, 1));
    }
    all
}

/// Each operation, alone, as the oracle's plain loops have it.
pub(crate) fn agree_with_the_oracle<E: Engine>(engine: &mut E, bound: f32) {
    let trials: [(&str, Trial<E>, Trial<reference::Harness>); 9] = [
        ("multiply", multiply, multiply),
        ("layers", layers, layers),
        ("gathers", gathers, gathers),
        ("columns", columns, columns),
        ("absolute errors", absolute_errors, absolute_errors),
        ("features", features, features),
        ("rows", rows, rows),
        ("steps", steps, steps),
        // Zeros are zeros where others have been.
        ("steps again", steps, steps),
    ];
    for (name, on_engine, on_reference) in trials {
        let a = on_engine(engine, &mut Philox::new(1, 0));
        let b = on_reference(&mut reference::Harness, &mut Philox::new(1, 0));
        agree(name, &a, &b, bound);
    }
}

/// What is spoilt stays so, but for a rectifier.
pub(crate) fn biases_keep_nan<E: Engine>(engine: &mut E) {
    for (relu, expected) in [(false, [true, false]), (true, [false, false])] {
        let mut x = engine.upload(&[f32::NAN, 1.0]);
        let bias = engine.upload(&[1.0, 1.0]);
        engine.bias_relu(&mut x, &bias, 1, relu);
        let is_nan: Vec<bool> = read(engine, &x, 2).iter().map(|x| x.is_nan()).collect();
        assert_eq!(is_nan, expected, "relu: {relu}");
    }
}

#[test]
fn biases_keep_nan_on_the_cpu() {
    biases_keep_nan(&mut cpu::Harness::default());
    biases_keep_nan(&mut reference::Harness);
}

#[test]
fn operations_agree_with_the_reference() {
    agree_with_the_oracle(&mut cpu::Harness::default(), 1e-5);
}

/// The hits of [`gathers`] by hand: rows 0, 0 and 3 of the labels are 1, 1 and 2.
#[test]
fn gathered_labels_are_counted() {
    let all = gathers(&mut reference::Harness, &mut Philox::new(1, 0));
    assert_eq!(all.last(), Some(&12.0));
}
