//! The bits depend neither on the number of threads nor on the run.

use super::run;
use crate::parity::cases::{Case, Kind, Rng};
use fused_kd::cpu::{Element, Parallelism};
use fused_kd::spec::Preset;
use half::bf16;
use rayon::ThreadPoolBuilder;

fn same_bits<S: Element + bytemuck::Pod>(sizes: &[(usize, &[usize])]) {
    let pools = [1, 2, 3, 8].map(|n| ThreadPoolBuilder::new().num_threads(n).build().unwrap());
    let mut rng = Rng::new(21);
    for preset in [Preset::Lr, Preset::LrMse, Preset::DtdFlsw, Preset::Lskd] {
        for &(classes, rows) in sizes {
            for &rows in rows {
                // Infinite rows would hide the order of the sum.
                for kinds in [&Kind::TAME[..], &Kind::ALL] {
                    let case = Case::new(&mut rng, &preset.spec(), rows, classes, kinds);
                    let serial = run::<S>(&case, Parallelism::Serial);
                    assert_eq!(run::<S>(&case, Parallelism::Serial), serial);
                    for pool in &pools {
                        for _ in 0..2 {
                            let parallel = pool.install(|| run::<S>(&case, Parallelism::Rayon));
                            // Not assert_eq!, which would print every byte.
                            assert!(
                                parallel == serial,
                                "B = {rows}, V = {classes}, {} threads, {preset:?}",
                                pool.current_num_threads()
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn f32_bits_do_not_depend_on_threads() {
    same_bits::<f32>(&[
        (3, &[1, 2, 21_846]),
        (10, &[1, 7, 6561]),
        (100, &[656, 1025]),
        // Groups of 6 rows, which do not fill 64.
        (600, &[110, 200]),
        (1000, &[1, 16, 65, 66, 100]),
        (20_000, &[1, 3, 4, 5]),
    ]);
}

#[test]
fn bf16_bits_do_not_depend_on_threads() {
    same_bits::<bf16>(&[(10, &[1, 6554]), (1000, &[100]), (20_000, &[4])]);
}
