//! Limits the number of threads to what the work can use.

use super::terminal;
use std::env;
use std::thread::available_parallelism;

/// What the thread pool reads.
const VARIABLE: &str = "RAYON_NUM_THREADS";
/// Allowed on machines of few cores too, to test that results do not depend on the number of threads.
const LEAST_LIMIT: usize = 64;

/// Starts the pool with fewer threads if the environment asks for too many: where the system refuses a
/// thread, the pool would panic.
pub(super) fn limit() {
    let asked = env::var(VARIABLE).ok().and_then(|text| text.parse().ok());
    let cores = available_parallelism().map_or(1, usize::from);
    let limit = LEAST_LIMIT.max(4 * cores);
    if let Some(asked) = asked.filter(|&asked: &usize| asked > limit) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(limit);
        if pool.build_global().is_ok() {
            terminal::note(format_args!(
                "{VARIABLE}={asked}: {limit} threads are started, this machine runs {cores} at once"
            ));
        }
    }
}
