//! As many threads as the work can use, whatever the environment asks for.

use super::terminal;
use std::env;
use std::thread::available_parallelism;

/// What the thread pool reads.
const VARIABLE: &str = "RAYON_NUM_THREADS";
/// On a machine of few cores, for who wants to see that numbers do not depend on threads.
const LEAST_LIMIT: usize = 64;

/// Starts the pool with fewer threads where more are asked for than there could be a use for: a system
/// may refuse them, and that would be the end.
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
