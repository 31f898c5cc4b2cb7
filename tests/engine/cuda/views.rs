//! Calls on cudarc's views.

use super::device::{Batch, assert_close, gpu};
use fused_kd::cuda::{Error, Options, Views};
use fused_kd::spec::{ArgumentError, Preset, RowStats};

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

    let mut apart = Views::new(student.as_view(), teacher.as_view(), labels.as_view())
        .gradient(gradient.as_view_mut())
        .weight(weight.as_view())
        .kd_weight(weight.as_view())
        .upstream_in(upstream.as_view())
        .stats(stats.as_view_mut())
        .total(total.as_view_mut())
        .workspace(workspace.as_view_mut());
    plan.launch_views(stream, &mut apart).unwrap();
    // λ_kd .9 · 4 + λ_ce .1 · 2, on three times the loss.
    let weighted = |row: &RowStats| 3.0 * (3.6 * row.kd + 0.2 * row.ce) / 6.0;
    let records = stream.clone_dtoh(&stats).unwrap();
    let sum = records.iter().map(weighted).sum::<f32>();
    let read = stream.clone_dtoh(&total).unwrap();
    assert!((read[0] - sum).abs() <= 1e-5 * sum);

    let views = Views::in_place(student.as_view_mut(), teacher.as_view(), labels.as_view());
    plan.launch_views(stream, &mut views.upstream(1.0)).unwrap();
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
    let views = || Views::new(student.as_view(), teacher.as_view(), labels.as_view());
    let refused = |mut views: Views<f32, f32>| match plan.launch_views(stream, &mut views) {
        Err(Error::Argument(ArgumentError::Length { argument, .. })) => argument,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(views().weight(short.as_view())), "weight");
    assert_eq!(refused(views().kd_weight(short.as_view())), "kd_weight");
    assert_eq!(refused(views().tau(short.as_view())), "tau");
    assert_eq!(refused(views().upstream_in(short.as_view())), "upstream");
    assert_eq!(refused(views().stats(stats.as_view_mut())), "stats");
    assert_eq!(
        refused(views().workspace(workspace.as_view_mut())),
        "workspace"
    );
    assert_eq!(refused(views().student_stride(21)), "student");
    assert_eq!(refused(views().teacher_stride(21)), "teacher");
    assert_eq!(
        refused(views().gradient(gradient.as_view_mut()).gradient_stride(21)),
        "gradient"
    );
    let both = Views::in_place(student.as_view_mut(), teacher.as_view(), labels.as_view());
    let both = plan.launch_views(stream, &mut both.gradient(gradient.as_view_mut()));
    assert!(matches!(
        both,
        Err(Error::Argument(ArgumentError::Unused { .. }))
    ));
}
