//! What is not there, what is too old, and what fails: typed, and nothing panics.

use super::device::{Batch, gpu, with};
use fused_kd::cuda::{Error, Gpu, Options, Unavailable};
use fused_kd::spec::{Preset, RowStats};

#[test]
fn without_a_driver() {
    with(&[("LD_LIBRARY_PATH", "")], "failures::no_driver");
}

#[test]
#[ignore = "needs an environment"]
fn no_driver() {
    let unavailable = Gpu::new(0).unwrap_err();
    assert!(
        matches!(unavailable, Unavailable::NoDriver { .. }),
        "{unavailable}"
    );
    assert!(unavailable.to_string().contains("driver is not installed"));
    assert!(!Gpu::is_available(0));
}

#[test]
fn without_a_device() {
    with(&[("SIMT_NO_DEVICE", "1")], "failures::no_device");
    if gpu().is_some() {
        let unavailable = Gpu::new(99).unwrap_err();
        assert!(matches!(
            unavailable,
            Unavailable::NoDevice { ordinal: 99, .. }
        ));
    }
}

#[test]
#[ignore = "needs an environment"]
fn no_device() {
    let unavailable = Gpu::new(0).unwrap_err();
    let expected = "no CUDA device 0: CUDA_ERROR_NO_DEVICE";
    assert_eq!(unavailable.to_string(), expected);
}

#[test]
fn with_too_old_a_driver() {
    with(&[("SIMT_DRIVER_VERSION", "11020")], "failures::old_driver");
    with(&[("SIMT_PTX_ISA", "63")], "failures::old_compiler");
}

#[test]
#[ignore = "needs an environment"]
fn old_driver() {
    let (found, needed) = (11020, 11040);
    assert_eq!(
        Gpu::new(0).unwrap_err(),
        Unavailable::DriverTooOld { found, needed }
    );
}

#[test]
#[ignore = "needs an environment"]
fn old_compiler() {
    let gpu = Gpu::new(0).unwrap();
    let error = gpu
        .plan(&Preset::Lr.spec(), 10, Options::default())
        .unwrap_err();
    let Error::Unavailable(Unavailable::Kernels { message }) = error else {
        panic!("{error}");
    };
    assert_eq!(message, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION");
}

#[test]
fn with_too_old_a_chip() {
    with(&[("SIMT_CAPABILITY", "75")], "failures::old_chip");
}

#[test]
#[ignore = "needs an environment"]
fn old_chip() {
    let unavailable = Gpu::new(0).unwrap_err();
    let expected = "emulated device has compute capability 7.5, but 8.0 (Ampere) is needed";
    assert_eq!(unavailable.to_string(), expected);
}

/// One call, on a driver that fails once.
fn call(gpu: &Gpu) -> Result<f32, Error> {
    let batch = Batch::new(4, 10);
    let plan = gpu.plan(&Preset::Lr.spec(), 10, Options::default())?;
    let mut stats = [RowStats::default(); 4];
    gpu.run(&plan, batch.host().stats(&mut stats))
}

#[test]
fn allocation_fails() {
    with(&[("SIMT_FAIL", "alloc:3")], "failures::no_memory");
}

#[test]
#[ignore = "needs an environment"]
fn no_memory() {
    let gpu = Gpu::new(0).unwrap();
    assert_eq!(call(&gpu), Err(Error::OutOfMemory));
    call(&gpu).unwrap();
}

#[test]
fn a_launch_fails() {
    with(&[("SIMT_FAIL", "launch:1")], "failures::no_launch");
}

#[test]
#[ignore = "needs an environment"]
fn no_launch() {
    let gpu = Gpu::new(0).unwrap();
    let error = call(&gpu).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the device failed: CUDA_ERROR_LAUNCH_FAILED"
    );
    call(&gpu).unwrap();
}
