//! Tests that need what is absent: for programs that are tests, and the crate's own.

use std::env;
use std::io::{self, Write};

/// Says that a test was skipped because `what` is absent, and `how` to install it.
///
/// # Panics
///
/// When the environment variable `FUSED_KD_REQUIRE`, names separated by commas, has `what` among
/// them: then its absence is a failure.
pub(crate) fn skip(what: &str, how: &str) {
    let required = env::var("FUSED_KD_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|name| name.trim() == what),
        "FUSED_KD_REQUIRE names {what}, which is absent: {how}"
    );
    // Not eprintln!, which a passing test swallows.
    let _ = writeln!(io::stderr(), "SKIP {what}: {how}");
}
