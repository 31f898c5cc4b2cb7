//! A serial hot call allocates nothing.

#[path = "../support/allocations.rs"]
mod counting;

use counting::allocations;
use fused_kd::cpu::{Batch, Element, FeatureBatch, FeaturePlan, Options, Parallelism, Plan};
use fused_kd::spec::{
    ArgumentError, Distance, FeatureSpec, Preset, Relation, RowStats, StatsLevel, Temperature,
};
use half::{bf16, f16};

/// Logits with every kind of row that takes a path of its own: right, wrong, masked, not finite.
fn logits<E: Element>(rows: usize, classes: usize, seed: usize) -> Vec<E> {
    let value = |i: usize| match (i / classes, i % classes) {
        (3, _) => f32::NAN,
        (4, c) if c % 3 == 1 => f32::NEG_INFINITY,
        (row, c) => ((row * 7919 + c * 104_729 + seed) % 1009) as f32 / 100.0,
    };
    (0..rows * classes).map(|i| E::from_f32(value(i))).collect()
}

/// Without a workspace a thread's first call with rows as long makes room for them, and keeps it.
#[test]
fn a_threads_first_call_allocates_once() {
    for classes in [1000, 5000] {
        let plan = Plan::new(&Preset::Lr.spec(), classes, Options::default()).unwrap();
        let student = vec![0.0_f32; classes];
        let mut gradient = student.clone();
        let mut call = || {
            let batch = Batch::new(1, &student, &student, &[0]).gradient(&mut gradient);
            plan.run(batch, Parallelism::Serial)
        };
        for most in [1, 0] {
            let (allocated, answer) = allocations(&mut call);
            answer.unwrap();
            assert!(allocated <= most, "{classes} classes");
        }
    }
}

fn serial_calls_allocate_nothing<S: Element, T: Element>() {
    for preset in Preset::ALL {
        // 5000 classes are more than one group of a long sum; 40 · 5000 more than one leaf
        // of the total.
        for (rows, classes) in [(0, 3), (1, 1), (7, 10), (4000, 10), (40, 100), (40, 5000)] {
            for level in [StatsLevel::None, StatsLevel::Loss, StatsLevel::Full] {
                let options = Options::default().level(level);
                let plan = Plan::new(&preset.spec(), classes, options).unwrap();
                let student = logits::<S>(rows, classes, 1);
                let (mut gradient, mut room) = (student.clone(), student.clone());
                let teacher = logits::<T>(rows, classes, 2);
                let labels: Vec<i32> = (0..rows)
                    .map(|b| if b == 5 { -100 } else { (b % classes) as i32 })
                    .collect();
                let weight: Vec<f32> = (0..rows).map(|b| (b % 3) as f32).collect();
                let mut tau = vec![1.0; rows];
                let mut stats = vec![RowStats::default(); rows];
                let bytes = plan.workspace_bytes(rows, Parallelism::Serial);
                let mut workspace = vec![0xA5; bytes];
                let (allocated, answer) = allocations(|| {
                    let batch = Batch::new(rows, &student, &teacher, &labels).weight(&weight);
                    let counts = plan.counts(&batch)?;
                    let dynamic = matches!(plan.spec().temperature(), Temperature::Dtd(_));
                    if dynamic {
                        plan.dtd_temperatures(&batch, &mut tau)?;
                    }
                    let apart = Batch::new(rows, &student, &teacher, &labels);
                    let over = Batch::in_place(rows, &mut gradient, &teacher, &labels);
                    for mut batch in [apart.gradient(&mut room), over] {
                        if level != StatsLevel::None {
                            batch = batch.stats(&mut stats);
                        }
                        if dynamic {
                            batch = batch.tau(&tau);
                        }
                        let batch = batch.weight(&weight).kd_weight(&weight).counts(counts);
                        plan.run(batch.workspace(&mut workspace), Parallelism::Serial)?;
                    }
                    Ok::<_, ArgumentError>(())
                });
                answer.unwrap();
                assert_eq!(allocated, 0, "{preset:?}, {rows} rows of {classes} classes");
            }
        }
    }
}

#[test]
fn f32_calls_allocate_nothing() {
    serial_calls_allocate_nothing::<f32, f32>();
}

#[test]
fn half_calls_allocate_nothing() {
    serial_calls_allocate_nothing::<bf16, f16>();
}

#[test]
fn feature_calls_allocate_nothing() {
    for distance in Distance::ALL {
        let relation = Relation::Explore;
        for (rows, width) in [(0, 3), (7, 10), (4000, 10), (40, 100), (40, 5000)] {
            let plan = FeaturePlan::new(&FeatureSpec { distance, relation }, width).unwrap();
            let mut student = logits::<f32>(rows, width, 1);
            let target = logits::<bf16>(rows, width, 2);
            let weight: Vec<f32> = (0..rows).map(|b| (b % 3) as f32).collect();
            let mut distances = vec![0.0; rows];
            let (allocated, answer) = allocations(|| {
                let batch = FeatureBatch::in_place(rows, &mut student, &target)
                    .weight(&weight)
                    .distances(&mut distances);
                plan.run(batch, Parallelism::Serial)
            });
            answer.unwrap();
            assert_eq!(
                allocated, 0,
                "{distance:?}, {rows} rows of {width} features"
            );
        }
    }
}

#[test]
fn refusals_allocate_nothing() {
    let plan = Plan::new(&Preset::Kd.spec(), 3, Options::default()).unwrap();
    let (student, teacher) = ([0.0_f32; 3], [0.0_f32; 3]);
    let (allocated, answer) = allocations(|| {
        let batch = Batch::new(1, &student, &teacher, &[3]);
        plan.run(batch, Parallelism::Serial)
    });
    answer.unwrap_err();
    assert_eq!(allocated, 0);
}

/// The counter counts.
#[test]
fn an_allocation_is_seen() {
    assert_eq!(allocations(|| Box::new(1)).0, 1);
}
