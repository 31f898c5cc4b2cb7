//! The CPU engine in the suite, with each set of instructions that the processor has.

use super::cases::Case;
use super::edges::edges;
use super::judge::Bounds;
use super::{Answer, Subject, suite};
use crate::support::skip;
use fused_kd::cpu::{Batch, Element, Isa, Options, Parallelism, Plan};
use fused_kd::spec::{Format, RowStats, Temperature};
use half::{bf16, f16};
use std::marker::PhantomData;

struct Cpu<I, S, T>(PhantomData<(I, S, T)>);

/// A set of instructions as a type.
trait Instructions {
    const ISA: Isa;
}

struct Avx512;
struct Avx2;
struct Portable;

impl Instructions for Avx512 {
    const ISA: Isa = Isa::Avx512;
}

impl Instructions for Avx2 {
    const ISA: Isa = Isa::Avx2;
}

impl Instructions for Portable {
    const ISA: Isa = Isa::Portable;
}

impl<I: Instructions, S: Element, T: Element> Subject for Cpu<I, S, T> {
    const STUDENT: Format = S::FORMAT;
    const TEACHER: Format = T::FORMAT;
    const BOUNDS: Bounds = Bounds::CPU;

    fn is_available() -> bool {
        let here = I::ISA.is_available();
        if !here {
            skip(I::ISA.name(), "a processor with these instructions");
        }
        here
    }

    fn answer(case: &Case) -> Answer {
        let mut student: Vec<S> = case.student.iter().map(|&z| S::from_f32(z)).collect();
        let teacher: Vec<T> = case.teacher.iter().map(|&z| T::from_f32(z)).collect();
        let options = Options::default().isa(I::ISA);
        let plan = Plan::new(&case.spec, case.classes, options).unwrap();
        let rows = case.labels.len();
        let mut tau = case.tau.clone();
        if let Temperature::Dtd(_) = case.spec.temperature() {
            let tau = tau.insert(vec![0.0; rows]);
            let batch = Batch::new(rows, &student, &teacher, &case.labels);
            plan.dtd_temperatures(&case.complete(batch, None), tau)
                .unwrap();
        }
        let mut stats = vec![RowStats::default(); rows];
        let mut gradient = vec![S::from_f32(f32::NAN); student.len()];
        let batch = Batch::new(rows, &student, &teacher, &case.labels)
            .gradient(&mut gradient)
            .stats(&mut stats);
        let total = plan
            .run(case.complete(batch, tau.as_deref()), Parallelism::Serial)
            .unwrap();
        // In place, the bits are the same.
        let mut again = vec![RowStats::default(); rows];
        let batch = Batch::in_place(rows, &mut student, &teacher, &case.labels).stats(&mut again);
        let same = plan
            .run(case.complete(batch, tau.as_deref()), Parallelism::Serial)
            .unwrap();
        let bits = |row: &[S]| -> Vec<u32> { row.iter().map(|z| z.to_f32().to_bits()).collect() };
        assert_eq!(total.to_bits(), same.to_bits());
        assert_eq!(bits(&gradient), bits(&student));
        assert_eq!(
            bytemuck::cast_slice::<_, u8>(&stats),
            bytemuck::cast_slice::<_, u8>(&again)
        );
        Answer {
            total,
            gradient: gradient.iter().map(|g| g.to_f32()).collect(),
            stats,
            tau,
        }
    }
}

const SIZES: [usize; 10] = [1, 2, 3, 10, 31, 100, 1000, 1003, 10_001, 151_936];

/// The suite with one set of instructions.
macro_rules! instructions {
    ($name:ident, $isa:ty) => {
        mod $name {
            use super::*;

            edges!(edges, Cpu<$isa, f32, f32>);
            suite!(f32_f32, Cpu<$isa, f32, f32>, 4_000_000, &SIZES);
            suite!(f16_f16, Cpu<$isa, f16, f16>, 600_000, &SIZES);
            suite!(bf16_bf16, Cpu<$isa, bf16, bf16>, 600_000, &SIZES);
            suite!(f32_bf16, Cpu<$isa, f32, bf16>, 60_000, &SIZES);
            suite!(bf16_f32, Cpu<$isa, bf16, f32>, 60_000, &SIZES);

            #[test]
            fn golden_vectors() {
                crate::parity::golden::golden_vectors::<Cpu<$isa, f32, f32>>();
            }
        }
    };
}

instructions!(avx512, Avx512);
instructions!(avx2, Avx2);
instructions!(portable, Portable);
