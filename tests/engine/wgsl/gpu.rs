//! The convenience over host memory: the CPU engine's refusals, and a device's own failures.

use crate::parity::cases::{Case, Kind, Rng};
use crate::support;
use fused_kd::cpu;
use fused_kd::spec::{
    ArgumentError, Distance, FeatureSpec, Preset, Relation, RowStats, StatsLevel,
};
use fused_kd::wgsl::{Error, Gpu, GpuOptions, HostBatch, HostFeatureBatch, Options, Unavailable};
use half::f16;

fn gpu() -> Option<Gpu> {
    let gpu = Gpu::new(&GpuOptions::default());
    let gpu = gpu.or_else(|_| Gpu::new(&GpuOptions::default().software(true)));
    if gpu.is_err() {
        support::skip("wgpu", "apt-get install mesa-vulkan-drivers libvulkan1");
    }
    gpu.ok()
}

fn case() -> Case {
    Case::new(&mut Rng::new(1), &Preset::Kd.spec(), 3, 4, &[Kind::Plain])
}

#[test]
fn availability_is_what_creation_says() {
    for software in [false, true] {
        let options = GpuOptions::default().software(software);
        let made = Gpu::new(&options);
        assert_eq!(Gpu::is_available(&options), made.is_ok());
        match made {
            Ok(gpu) => {
                let cpu = gpu.info().device_type == fused_kd::wgsl::wgpu::DeviceType::Cpu;
                assert!(software || !cpu, "software without being asked");
            }
            Err(Unavailable::NoAdapter { .. } | Unavailable::SoftwareOnly { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

/// Logits and labels of a case.
fn batch(case: &Case) -> HostBatch<'_, f32, f32> {
    HostBatch::new(3, &case.student, &case.teacher, &case.labels)
}

/// A refusal is the CPU engine's own, word for word.
#[test]
fn refusals_are_those_of_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let case = case();
    let spec = Preset::Kd.spec();
    let plan = gpu.plan(&spec, 4, Options::default()).unwrap();
    let on_cpu = cpu::Plan::new(&spec, 4, cpu::Options::default()).unwrap();
    type Spoil = fn(&mut Case);
    let spoils: [Spoil; 6] = [
        |c| c.labels[1] = 4,
        |c| c.labels[2] = -99,
        |c| c.weight[0] = f32::NAN,
        |c| c.kd_weight[2] = -1.0,
        |c| c.upstream = f32::INFINITY,
        |c| c.teacher.truncate(11),
    ];
    for spoil in spoils {
        let mut case = case.clone();
        spoil(&mut case);
        let mut stats = [RowStats::default(); 3];
        let batch = batch(&case).stats(&mut stats);
        let of_gpu = gpu.run(&plan, case.complete(batch, None)).unwrap_err();
        let batch = self::batch(&case).stats(&mut stats);
        let of_cpu = on_cpu.run(case.complete(batch, None), cpu::Parallelism::Serial);
        assert_eq!(
            format!("{of_gpu:?}"),
            format!("{:?}", Error::Argument(of_cpu.unwrap_err()))
        );
        assert_eq!(stats, [RowStats::default(); 3]);
    }
    let error = gpu.dtd_temperatures(&plan, &batch(&case), &mut [0.0; 3]);
    let Err(Error::Argument(ArgumentError::Unused { argument, .. })) = error else {
        panic!("{error:?}");
    };
    assert_eq!(argument, "tau");
}

#[test]
fn plans_are_for_their_types_and_their_device() {
    let (Some(gpu), Some(other)) = (gpu(), gpu()) else {
        return;
    };
    let case = case();
    let plan = gpu.plan(&case.spec, 4, Options::default()).unwrap();
    let halves: Vec<f16> = case.student.iter().map(|&z| f16::from_f32(z)).collect();
    let given = HostBatch::new(3, &halves, &case.teacher, &case.labels);
    let error = gpu.run(&plan, given).unwrap_err();
    let expected = ArgumentError::Format {
        argument: "student",
        given: "f16",
        planned: "f32",
    };
    assert_eq!(error, Error::Argument(expected));
    let error = other.run(&plan, batch(&case)).unwrap_err();
    assert_eq!(error, Error::OtherDevice);
}

/// What is not given is not written, and a total that is given is written as well as returned.
#[test]
fn outputs_may_be_absent() {
    let Some(gpu) = gpu() else { return };
    let case = case();
    let plan = gpu.plan(&case.spec, 4, Options::default()).unwrap();
    let (mut gradient, mut stats) = ([f32::NAN; 12], [RowStats::default(); 3]);
    let mut total = f32::NAN;
    let all = batch(&case).gradient(&mut gradient).stats(&mut stats);
    let returned = gpu.run(&plan, all.total(&mut total)).unwrap();
    assert_eq!(total, returned);
    assert_eq!(gpu.run(&plan, batch(&case)).unwrap(), returned);
    let (mut apart, mut records) = ([f32::NAN; 12], [RowStats::default(); 3]);
    gpu.run(&plan, batch(&case).gradient(&mut apart)).unwrap();
    gpu.run(&plan, batch(&case).stats(&mut records)).unwrap();
    assert_eq!((apart, records), (gradient, stats));

    let plan = gpu.plan(&case.spec, 4, Options::default().level(StatsLevel::None));
    let plan = plan.unwrap();
    assert_eq!(gpu.run(&plan, batch(&case)).unwrap(), returned);
    let error = gpu
        .run(&plan, batch(&case).stats(&mut records))
        .unwrap_err();
    let Error::Argument(ArgumentError::Unused { argument, .. }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(argument, "stats");

    let nothing: [f32; 0] = [];
    let empty = HostBatch::new(0, &nothing, &nothing, &[]).total(&mut total);
    assert_eq!((gpu.run(&plan, empty).unwrap(), total), (0.0, 0.0));
}

#[test]
fn outputs_of_features_may_be_absent() {
    let Some(gpu) = gpu() else { return };
    let spec = FeatureSpec {
        distance: Distance::L1,
        relation: Relation::Inherit,
    };
    let plan = gpu.feature_plan(&spec, 2, Options::default()).unwrap();
    let (x, y) = ([3.0_f32, 0.0, 1.0, 1.0], [0.0_f32, 5.0, 2.0, 2.0]);
    let batch = || HostFeatureBatch::new(2, &x, &y);
    let (mut gradient, mut distances, mut total) = ([f32::NAN; 4], [f32::NAN; 2], f32::NAN);
    let all = batch().gradient(&mut gradient).distances(&mut distances);
    let returned = gpu.run_features(&plan, all.total(&mut total)).unwrap();
    assert_eq!(total, returned);
    assert_eq!(gpu.run_features(&plan, batch()).unwrap(), returned);
    let (mut apart, mut records) = ([f32::NAN; 4], [f32::NAN; 2]);
    gpu.run_features(&plan, batch().gradient(&mut apart))
        .unwrap();
    gpu.run_features(&plan, batch().distances(&mut records))
        .unwrap();
    assert_eq!((apart, records), (gradient, distances));
    assert_eq!(distances, [1.0, 0.0]);
}

/// Strides: what lies between rows is the host's.
#[test]
fn what_lies_between_rows_stays() {
    let Some(gpu) = gpu() else { return };
    let plan = gpu.plan(
        &Preset::Kd.spec(),
        3,
        Options::default().formats(fused_kd::spec::Format::F16, fused_kd::spec::Format::F32),
    );
    let plan = plan.unwrap();
    let h = |z: &[f32]| -> Vec<f16> { z.iter().map(|&z| f16::from_f32(z)).collect() };
    let mut student = h(&[1.0, 2.0, 3.0, 77.0, 77.0, 0.0, 1.0, -1.0, 77.0]);
    let mut gradient = h(&[88.0; 8]);
    let teacher = [0.5_f32, 0.0, 1.0, 2.0, 0.0, 0.0];
    let apart = HostBatch::new(2, &student, &teacher, &[0, 1])
        .student_stride(5)
        .gradient(&mut gradient)
        .gradient_stride(4);
    gpu.run(&plan, apart).unwrap();
    let bits = |z: &[f16]| -> Vec<u16> { z.iter().map(|z| z.to_bits()).collect() };
    assert_eq!(
        (gradient[3], gradient[7]),
        (f16::from_f32(88.0), f16::from_f32(88.0))
    );
    let in_place = HostBatch::in_place(2, &mut student, &teacher, &[0, 1]);
    gpu.run(&plan, in_place.student_stride(5)).unwrap();
    assert_eq!(bits(&student[..3]), bits(&gradient[..3]));
    assert_eq!(bits(&student[5..8]), bits(&gradient[4..7]));
    assert_eq!(bits(&student[3..5]), bits(&h(&[77.0, 77.0])));
    assert_eq!(bits(&student[8..]), bits(&h(&[77.0])));
}

#[test]
fn a_lost_device_is_an_error() {
    let Some(gpu) = gpu() else { return };
    let case = case();
    let plan = gpu.plan(&case.spec, 4, Options::default()).unwrap();
    gpu.run(&plan, batch(&case)).unwrap();
    gpu.device().destroy();
    for _ in 0..2 {
        let error = gpu.run(&plan, batch(&case)).unwrap_err();
        assert!(matches!(error, Error::Device { .. }), "{error}");
    }
    // Neither does binding panic, for those who have a device of their own.
    let plan = gpu.plan(&case.spec, 4, Options::default()).unwrap();
    let _ = gpu.run(&plan, batch(&case)).unwrap_err();
}
