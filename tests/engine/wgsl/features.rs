//! Distances of features in the caller's own buffers: what is refused, where things are, and what
//! chunks, grids and counts on the device change.

use super::rig::Rig;
use fused_kd::cpu;
use fused_kd::spec::{ArgumentError, Distance, FeatureSpec, Format, Relation, SpecError};
use fused_kd::wgsl::{Error, FeatureBatch, FeaturePlan, Options, Regime, Slice, wgpu};
use half::bf16;

const SPEC: FeatureSpec = FeatureSpec {
    distance: Distance::L1,
    relation: Relation::Explore,
};

/// Features in ±1 that repeat nowhere.
fn features(seed: usize, count: usize) -> Vec<f32> {
    let at = |i: usize| ((i * 7919 + seed * 104_729) % 10_007) as f32 / 5003.5 - 1.0;
    (0..count).map(at).collect()
}

/// A batch in device memory, some way into its buffers.
struct Batch {
    rows: usize,
    width: usize,
    x: Vec<f32>,
    y: Vec<f32>,
    weight: Vec<f32>,
}

impl Batch {
    fn new(rows: usize, width: usize) -> Self {
        let weight = (0..rows).map(|b| [1.0, 0.0, 2.5][b % 3]).collect();
        let [x, y] = [1, 2].map(|seed| features(seed, rows * width));
        Self {
            rows,
            width,
            x,
            y,
            weight,
        }
    }

    /// Total, gradient and distances on this device, with everything counted there.
    fn on(&self, rig: &Rig, weight: &[f32]) -> [Vec<f32>; 3] {
        let plan = FeaturePlan::new(&rig.device, &SPEC, self.width, Options::default()).unwrap();
        let moved =
            |values: &[f32]| rig.buffer(bytemuck::cast_slice(&[&[9.0; 3], values].concat()));
        let (x, y) = (moved(&self.x), moved(&self.y));
        let weight = rig.buffer(bytemuck::cast_slice(weight));
        let upstream = rig.buffer(bytemuck::bytes_of(&50.0_f32));
        let room = |count: usize| rig.empty(4 * count as u64, wgpu::BufferUsages::STORAGE);
        let (g, distances, total) = (room(self.x.len() + 5), room(self.rows), room(1));
        let batch = FeatureBatch::new(self.rows, Slice::new(&x, 12), Slice::new(&y, 12))
            .gradient(Slice::new(&g, 20))
            .weight(&weight)
            .upstream_at(&upstream)
            .distances(&distances)
            .total(&total);
        rig.submit(&[&plan.bind(&batch).unwrap()]);
        let read = |buffer, skip| -> Vec<f32> {
            let all: Vec<f32> = bytemuck::pod_collect_to_vec(&rig.read(buffer));
            all[skip..].to_vec()
        };
        [read(&total, 0), read(&g, 5), read(&distances, 0)]
    }
}

#[test]
fn everything_may_be_in_device_memory() {
    let Some(rig) = Rig::usual() else { return };
    let batch = Batch::new(50, 31);
    let [total, gradient, distances] = batch.on(rig, &batch.weight);
    let plan = cpu::FeaturePlan::new(&SPEC, 31).unwrap();
    let (mut g, mut d) = (vec![0.0; 50 * 31], vec![0.0; 50]);
    let on_host = cpu::FeatureBatch::new(50, &batch.x, &batch.y)
        .weight(&batch.weight)
        .upstream(50.0)
        .gradient(&mut g)
        .distances(&mut d);
    let expected = plan.run(on_host, cpu::Parallelism::Serial);
    let close = |a: &f32, b: &f32| (a - b).abs() <= 1e-5 * b.abs().max(1e-3);
    assert!(close(&total[0], &expected.unwrap()), "{total:?}");
    assert!(gradient.iter().zip(&g).all(|(a, b)| close(a, b)));
    assert!(distances.iter().zip(&d).all(|(a, b)| close(a, b)));
}

/// The host cannot refuse these: they show.
#[test]
fn weights_out_of_range_are_not_passed_over() {
    let Some(rig) = Rig::usual() else { return };
    let batch = Batch::new(6, 5);
    for bad in [-1.0, f32::NAN, f32::INFINITY] {
        let weight = [1.0, bad, 0.0, -0.0, 1.0, 1.0];
        let [total, gradient, distances] = batch.on(rig, &weight);
        assert!(total[0].is_nan());
        for b in 0..6 {
            let mut row = gradient[5 * b..][..5].iter();
            assert_eq!(distances[b].is_nan(), b == 1, "{bad}");
            assert!(row.clone().all(|g| g.is_nan() == (b == 1)), "{bad}");
            assert!(![2, 3].contains(&b) || row.all(|g| *g == 0.0), "{bad}");
        }
    }
}

/// 8 KiB a binding, and grids of 5 by 5 workgroups: the same bits.
#[test]
fn chunks_and_grids_change_nothing() {
    let Some(usual) = Rig::usual() else { return };
    let tiny = Rig::with(|limits| limits.max_storage_buffer_binding_size = 8192).unwrap();
    let flat = Rig::with(|limits| limits.max_compute_workgroups_per_dimension = 5).unwrap();
    for (small, rows, width) in [(&tiny, 200, 31), (&tiny, 9, 1500), (&flat, 60, 700)] {
        let batch = Batch::new(rows, width);
        let [whole, chunked] = [usual, small].map(|rig| batch.on(rig, &batch.weight));
        let bits = |of: &[f32]| -> Vec<u32> { of.iter().map(|x| x.to_bits()).collect() };
        assert_eq!(bits(&whole[1]), bits(&chunked[1]), "{rows} x {width}");
        assert_eq!(bits(&whole[2]), bits(&chunked[2]), "{rows} x {width}");
        // The total alone is summed in another order.
        let (a, b) = (chunked[0][0], whole[0][0]);
        assert!((a - b).abs() <= 1e-6 * b.abs(), "{a} {b}");
    }
    let plan = FeaturePlan::new(&tiny.device, &SPEC, 2048, Options::default()).unwrap();
    let rows = tiny.empty(8192, wgpu::BufferUsages::STORAGE);
    let error = plan.bind(&FeatureBatch::new(1, &rows, &rows));
    assert!(matches!(error, Err(Error::TooLarge { .. })), "{error:?}");
}

/// Each output by itself, in the caller's workspace: what is not given is not written, what is has
/// the bits that it has beside the others.
#[test]
fn what_is_not_given_is_not_written() {
    let Some(rig) = Rig::usual() else { return };
    let batch = Batch::new(50, 31);
    let all = batch.on(rig, &batch.weight);
    let plan = FeaturePlan::new(&rig.device, &SPEC, 31, Options::default()).unwrap();
    assert_eq!(plan.regime(50), Regime::Whole { lanes: 16 });
    let filled = |values: &[f32]| rig.buffer(bytemuck::cast_slice(values));
    let (x, y, weight) = (filled(&batch.x), filled(&batch.y), filled(&batch.weight));
    let workspace = rig.empty(plan.workspace_bytes(50), wgpu::BufferUsages::STORAGE);
    let base = FeatureBatch::new(50, &x, &y)
        .weight(&weight)
        .upstream(50.0)
        .workspace(&workspace);
    for given in 0..4 {
        let [total, gradient, distances] = [1, 50 * 31, 50].map(|n| filled(&vec![7.0; n]));
        let call = match given {
            0 => base.total(&total),
            1 => base.gradient(&gradient),
            2 => base.distances(&distances),
            _ => base,
        };
        rig.submit(&[&plan.bind(&call).unwrap()]);
        for (i, (buffer, all)) in [total, gradient, distances].iter().zip(&all).enumerate() {
            let read: Vec<f32> = bytemuck::pod_collect_to_vec(&rig.read(buffer));
            match i == given {
                true => assert_eq!(&read, all, "{given}"),
                false => assert!(read.iter().all(|&x| x == 7.0), "{i} beside {given}"),
            }
        }
    }
}

#[test]
fn an_empty_batch_has_the_total_0() {
    let Some(rig) = Rig::usual() else { return };
    let [total, ..] = Batch::new(0, 4).on(rig, &[]);
    assert_eq!(total, [0.0]);
}

#[test]
fn plans_refuse_what_cannot_be_planned() {
    let Some(rig) = Rig::usual() else { return };
    let refused = |width, options| {
        FeaturePlan::new(&rig.device, &SPEC, width, options).expect_err("a refusal")
    };
    let error = refused(0, Options::default());
    assert!(
        matches!(
            error,
            Error::Spec(SpecError::OutOfRange { key: "width", .. })
        ),
        "{error}"
    );
    let split = Options::default().regime(Regime::Split { parts: 2 });
    let error = refused(10, split).to_string();
    assert!(error.contains("parts = 2 is out of range"), "{error}");
    let error = refused(10, Options::default().workgroup(48)).to_string();
    assert!(error.contains("workgroup = 48"), "{error}");
}

#[test]
fn a_call_names_the_argument_that_it_refuses() {
    let Some(rig) = Rig::usual() else { return };
    let plan = FeaturePlan::new(&rig.device, &SPEC, 4, Options::default()).unwrap();
    let storage = |bytes| rig.empty(bytes, wgpu::BufferUsages::STORAGE);
    let (x, y, g, small) = (storage(48), storage(48), storage(48), storage(8));
    let large = storage(1024);
    let plain = rig.empty(48, wgpu::BufferUsages::COPY_DST);
    let given = FeatureBatch::new(3, &x, &y);
    plan.bind(&given.gradient(&g).total(&small)).unwrap();
    for (batch, expected) in [
        (FeatureBatch::new(3, &small, &y), "student needs 48 bytes"),
        (FeatureBatch::new(3, &x, &small), "target needs 48 bytes"),
        (given.gradient(&small), "gradient needs 48 bytes"),
        (given.weight(&small), "weight needs 12 bytes"),
        (given.distances(&small), "distances needs 12 bytes"),
        (
            given.gradient(&plain),
            "gradient's buffer was created without",
        ),
        (
            given.gradient(Slice::new(&g, 2)),
            "gradient begins at byte 2",
        ),
        (
            given.distances(Slice::new(&g, 4)),
            "distances begins at byte 4",
        ),
        (given.gradient(&y), "target and gradient are in one buffer"),
        (
            given.gradient(&g).distances(&g),
            "gradient and distances overlap",
        ),
        (given.student_stride(3), "student stride = 3"),
        (given.target_stride(3), "target stride = 3"),
        (given.upstream(f32::NAN), "upstream = NaN"),
        (given.workspace(&small), "workspace needs"),
        (
            given.total(&large).workspace(&large),
            "total and workspace overlap",
        ),
        (
            FeatureBatch::in_place(3, &x, &y).gradient(&g),
            "gradient has no use here",
        ),
    ] {
        let error = plan.bind(&batch).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = plan.bind(&FeatureBatch::new(1 << 31, &x, &y));
    let too_large = Error::Argument(ArgumentError::TooLarge {
        rows: 1 << 31,
        stride: 4,
    });
    assert_eq!(error.expect_err("a refusal"), too_large);
}

/// Distances that the caller does not want take more room than rows of one half-precision number.
#[test]
fn distances_that_nobody_wants_are_chunked() {
    let tiny = Rig::with(|limits| limits.max_storage_buffer_binding_size = 8192);
    let (Some(tiny), Some(usual)) = (tiny, Rig::usual()) else {
        return;
    };
    const ROWS: usize = 3500;
    let total = |rig: &Rig| {
        let options = Options::default().formats(Format::Bf16, Format::Bf16);
        let plan = FeaturePlan::new(&rig.device, &SPEC, 1, options).unwrap();
        let of = |seed| {
            let values = features(seed, ROWS).into_iter().map(bf16::from_f32);
            rig.buffer(bytemuck::cast_slice(&values.collect::<Vec<_>>()))
        };
        let (x, y) = (of(1), of(2));
        let total = rig.empty(4, wgpu::BufferUsages::STORAGE);
        let batch = FeatureBatch::new(ROWS, &x, &y).total(&total);
        rig.submit(&[&plan.bind(&batch).unwrap()]);
        bytemuck::pod_read_unaligned::<f32>(&rig.read(&total))
    };
    let (a, b) = (total(&tiny), total(usual));
    assert!((a - b).abs() <= 1e-5 * b.abs() && b != 0.0, "{a}, {b}");
}
