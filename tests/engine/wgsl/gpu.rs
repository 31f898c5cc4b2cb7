//! The convenience over host memory: the CPU engine's refusals, and a device's own failures.

use crate::parity::cases::{Case, Kind, Rng};
use crate::support;
use fused_kd::cpu;
use fused_kd::spec::{ArgumentError, Preset, RowStats, StatsLevel};
use fused_kd::wgsl::{Error, Gpu, GpuOptions, Options, Rows, Student, Unavailable};
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

/// A refusal is the CPU engine's own, word for word.
#[test]
fn refusals_are_those_of_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let case = case();
    let spec = Preset::Kd.spec();
    let plan = gpu.plan(&spec, 4, Options::default()).unwrap();
    let on_cpu = cpu::Plan::new(&spec, 4, StatsLevel::Full).unwrap();
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
        let rows = Rows::new(&case.teacher, &case.labels)
            .weight(&case.weight)
            .kd_weight(&case.kd_weight)
            .upstream(case.upstream);
        let mut stats = [RowStats::default(); 3];
        let student = || Student::without_gradient(&case.student);
        let of_gpu = gpu.run(&plan, &rows, student(), &mut stats).unwrap_err();
        let serial = cpu::Parallelism::Serial;
        let of_cpu = on_cpu.run(&rows, student(), &mut stats, serial);
        assert_eq!(
            format!("{of_gpu:?}"),
            format!("{:?}", Error::Argument(of_cpu.unwrap_err()))
        );
        assert_eq!(stats, [RowStats::default(); 3]);
    }
    let rows = Rows::new(&case.teacher, &case.labels);
    let error = gpu.dtd_temperatures(
        &plan,
        &rows,
        &Student::without_gradient(&case.student),
        &mut [0.0; 3],
    );
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
    let rows = Rows::new(&case.teacher, &case.labels);
    let mut stats = [RowStats::default(); 3];
    let halves: Vec<f16> = case.student.iter().map(|&z| f16::from_f32(z)).collect();
    let student = Student::without_gradient(&halves);
    let error = gpu.run(&plan, &rows, student, &mut stats).unwrap_err();
    assert_eq!(
        error.to_string(),
        "student is f16, but the plan was made for f32"
    );
    let student = Student::without_gradient(&case.student);
    let error = other.run(&plan, &rows, student, &mut stats).unwrap_err();
    assert_eq!(error, Error::OtherDevice);
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
    let rows = Rows::new(&teacher, &[0, 1]);
    let mut stats = [RowStats::default(); 2];
    let place = Student::with_gradient(&student, &mut gradient)
        .stride(5)
        .gradient_stride(4);
    gpu.run(&plan, &rows, place, &mut stats).unwrap();
    let bits = |z: &[f16]| -> Vec<u16> { z.iter().map(|z| z.to_bits()).collect() };
    assert_eq!(
        (gradient[3], gradient[7]),
        (f16::from_f32(88.0), f16::from_f32(88.0))
    );
    let place = Student::in_place(&mut student).stride(5);
    gpu.run(&plan, &rows, place, &mut stats).unwrap();
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
    let rows = Rows::new(&case.teacher, &case.labels);
    let mut stats = [RowStats::default(); 3];
    let student = || Student::without_gradient(&case.student);
    gpu.run(&plan, &rows, student(), &mut stats).unwrap();
    gpu.device().destroy();
    for _ in 0..2 {
        let error = gpu.run(&plan, &rows, student(), &mut stats).unwrap_err();
        assert!(matches!(error, Error::Device { .. }), "{error}");
    }
    // Neither does binding panic, for those who have a device of their own.
    let plan = gpu.plan(&case.spec, 4, Options::default()).unwrap();
    let _ = gpu.run(&plan, &rows, student(), &mut stats).unwrap_err();
}
