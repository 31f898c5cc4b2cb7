//! Calls on cudarc's slices and views.

use super::device::{Batch, assert_close, gpu, is_emulated};
use crate::support::skip;
use fused_kd::cuda::cudarc::driver::CudaContext;
use fused_kd::cuda::{self, Error, Options};
use fused_kd::spec::{ArgumentError, Dtd, LossSpec, Preset, RowStats, Temperature};

#[test]
fn views_are_launched_as_they_are() {
    let Some(gpu) = gpu() else { return };
    let batch = Batch::new(6, 20);
    let truth = batch.truth(&Preset::Lr.spec());
    let plan = gpu
        .plan(&Preset::Lr.spec(), 20, Options::default())
        .unwrap();
    let stream = gpu.stream();
    let mut student = stream.clone_htod(&batch.student).unwrap();
    let teacher = stream.clone_htod(&batch.teacher).unwrap();
    let labels = stream.clone_htod(&batch.labels).unwrap();
    let upstream = stream.clone_htod(&[3.0_f32]).unwrap();
    let weight = stream.clone_htod(&[2.0_f32; 6]).unwrap();
    let mut gradient = stream.alloc_zeros::<f32>(6 * 20).unwrap();
    let mut stats = stream.alloc_zeros::<RowStats>(6).unwrap();
    let mut total = stream.alloc_zeros::<f32>(1).unwrap();
    let mut workspace = stream.alloc_zeros::<u8>(plan.workspace_bytes(6)).unwrap();

    // Views and whole slices, side by side.
    let apart = cuda::Batch::new(6, student.as_view(), &teacher, labels.slice(..6))
        .gradient(gradient.as_view_mut())
        .weight(weight.as_view())
        .kd_weight(&weight)
        .upstream_at(&upstream)
        .stats(stats.slice_mut(..))
        .total(&mut total)
        .workspace(&mut workspace);
    plan.launch(stream, apart).unwrap();
    // λ_kd .9 · 4 + λ_ce .1 · 2, on three times the loss.
    let weighted = |row: &RowStats| 3.0 * (3.6 * row.kd + 0.2 * row.ce) / 6.0;
    let records = stream.clone_dtoh(&stats).unwrap();
    let sum = records.iter().map(weighted).sum::<f32>();
    let read = stream.clone_dtoh(&total).unwrap();
    assert!((read[0] - sum).abs() <= 1e-5 * sum);

    let in_place = cuda::Batch::in_place(6, &mut student, &teacher, &labels);
    plan.launch(stream, in_place.upstream(1.0)).unwrap();
    assert_close(&stream.clone_dtoh(&student).unwrap(), &truth.gradient);
}

#[test]
fn views_of_other_lengths_are_refused() {
    let Some(gpu) = gpu() else { return };
    let batch = Batch::new(6, 20);
    let plan = gpu
        .plan(&Preset::Lr.spec(), 20, Options::default())
        .unwrap();
    let stream = gpu.stream();
    let mut student = stream.clone_htod(&batch.student).unwrap();
    let teacher = stream.clone_htod(&batch.teacher).unwrap();
    let labels = stream.clone_htod(&batch.labels).unwrap();
    let mut gradient = stream.alloc_zeros::<f32>(6 * 20).unwrap();
    let short = stream.alloc_zeros::<f32>(5).unwrap();
    let mut stats = stream.alloc_zeros::<RowStats>(7).unwrap();
    let mut workspace = stream
        .alloc_zeros::<u8>(plan.workspace_bytes(6) - 1)
        .unwrap();
    let batch = || cuda::Batch::new(6, &student, &teacher, &labels);
    let refused = |batch: cuda::Batch<f32, f32>| match plan.launch(stream, batch) {
        Err(Error::Argument(ArgumentError::Length { argument, .. })) => argument,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(batch().weight(&short)), "weight");
    assert_eq!(refused(batch().kd_weight(&short)), "kd_weight");
    assert_eq!(refused(batch().tau(&short)), "tau");
    assert_eq!(refused(batch().upstream_at(&short)), "upstream");
    assert_eq!(refused(batch().stats(&mut stats)), "stats");
    assert_eq!(refused(batch().total(&mut gradient)), "total");
    assert_eq!(refused(batch().workspace(&mut workspace)), "workspace");
    assert_eq!(refused(batch().student_stride(21)), "student");
    assert_eq!(refused(batch().teacher_stride(21)), "teacher");
    let strided = batch().gradient(&mut gradient).gradient_stride(21);
    assert_eq!(refused(strided), "gradient");
    let few = cuda::Batch::new(6, &student, &teacher, labels.slice(..5));
    assert_eq!(refused(few), "labels");
    let both = cuda::Batch::in_place(6, &mut student, &teacher, &labels);
    let both = plan.launch(stream, both.gradient(&mut gradient));
    assert!(matches!(
        both,
        Err(Error::Argument(ArgumentError::Unused { .. }))
    ));
}

#[test]
fn memory_of_another_context_is_refused() {
    let Some(gpu) = gpu() else { return };
    let plan = gpu
        .plan(&Preset::Lr.spec(), 20, Options::default())
        .unwrap();
    let other = match CudaContext::new(1) {
        Ok(context) => context.default_stream(),
        Err(error) => {
            assert!(!is_emulated(), "{error}");
            skip("second-gpu", "needs a machine with two GPUs");
            return;
        }
    };
    let stream = gpu.stream();
    let [ours, theirs] = [stream, &other].map(|s| s.alloc_zeros::<f32>(6 * 20).unwrap());
    let labels = stream.alloc_zeros::<i32>(6).unwrap();
    let batch = |teacher| cuda::Batch::new(6, &ours, teacher, &labels);
    let refused = plan.launch(stream, batch(&theirs));
    assert_eq!(refused, Err(Error::OtherDevice));
    let refused = plan.launch(&other, batch(&ours));
    assert_eq!(refused, Err(Error::OtherDevice));
}

/// The temperatures of a batch, and then the batch with them.
#[test]
fn temperatures_are_launched_on_views() {
    let Some(gpu) = gpu() else { return };
    let batch = Batch::new(6, 20);
    let spec = LossSpec::builder().temperature(Temperature::Dtd(Dtd::default()));
    let plan = gpu.plan(&spec.build().unwrap(), 20, Options::default());
    let (plan, stream) = (plan.unwrap(), gpu.stream());
    let mut expected = [0.0; 6];
    gpu.dtd_temperatures(&plan, &batch.host(), &mut expected)
        .unwrap();
    let mut gradient = vec![0.0_f32; 6 * 20];
    let host = batch.host().tau(&expected).gradient(&mut gradient);
    gpu.run(&plan, host).unwrap();

    let mut student = stream.clone_htod(&batch.student).unwrap();
    let teacher = stream.clone_htod(&batch.teacher).unwrap();
    let labels = stream.clone_htod(&batch.labels).unwrap();
    let mut tau = stream.alloc_zeros::<f32>(6).unwrap();
    let mut workspace = stream.alloc_zeros::<u8>(plan.workspace_bytes(6)).unwrap();
    let mut views =
        cuda::Batch::in_place(6, &mut student, &teacher, &labels).workspace(&mut workspace);
    let short = plan.launch_temperatures(stream, &mut views, tau.slice_mut(1..));
    assert!(short.unwrap_err().to_string().contains("tau has 5"));
    plan.launch_temperatures(stream, &mut views, &mut tau)
        .unwrap();
    plan.launch(stream, views.tau(&tau)).unwrap();
    assert_eq!(stream.clone_dtoh(&tau).unwrap(), expected);
    assert_eq!(stream.clone_dtoh(&student).unwrap(), gradient);
}
