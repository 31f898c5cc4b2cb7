//! The crate's own kernels under the sanitizers.

use fused_kd_simt::{Sanitizer, build};
use std::path::Path;
use std::process::Command;

/// Of the row program and of features, and of the harness's operations.
fn clean(sanitizer: Sanitizer) {
    of_program("rows", sanitizer);
    of_program("operations", sanitizer);
}

fn of_program(name: &str, sanitizer: Sanitizer) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{sanitizer:?}"));
    build(&path, &[&format!("programs/{name}.cpp")], sanitizer, &[]).unwrap();
    let mut command = Command::new(path);
    if sanitizer == Sanitizer::Thread {
        command.arg("once");
    }
    command.env("UBSAN_OPTIONS", "halt_on_error=1");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

#[test]
fn the_bits_depend_on_no_order() {
    clean(Sanitizer::None);
}

#[test]
fn no_access_leaves_its_object() {
    clean(Sanitizer::Address);
}

#[test]
fn no_place_in_a_row_leaves_its_integers() {
    of_program("far", Sanitizer::Overflow);
}

#[test]
fn every_access_is_ordered() {
    clean(Sanitizer::Thread);
}
