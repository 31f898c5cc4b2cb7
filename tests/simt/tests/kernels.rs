//! The crate's own kernels under the sanitizers.

use fused_kd_simt::{Sanitizer, build};
use std::path::Path;
use std::process::Command;

fn clean(sanitizer: Sanitizer) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rows-{sanitizer:?}"));
    build(&path, &["programs/rows.cpp"], sanitizer, &[]).unwrap();
    let mut command = Command::new(path);
    if sanitizer == Sanitizer::Thread {
        command.arg("once");
    }
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
fn every_access_is_ordered() {
    clean(Sanitizer::Thread);
}
