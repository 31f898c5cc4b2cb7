//! How much memory is available. What cannot fit is refused with a message, because the system would
//! end the program without one.

use std::fs;

/// The bytes that are available, if they are fewer than `needed` and the system tells.
pub(crate) fn lacking(needed: u64) -> Option<u64> {
    available().filter(|&available| available < needed)
}

/// `17.2 GiB`.
pub(crate) fn in_words(bytes: u64) -> String {
    match bytes as f64 / f64::from(1 << 30) {
        gib if gib < 0.1 => format!("{} MiB", bytes >> 20),
        gib => format!("{gib:.1} GiB"),
    }
}

/// An upper bound of the bytes that this process can still allocate, by the limits of machine, container
/// and process. Only Linux has these files.
fn available() -> Option<u64> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| after(&text, "MemAvailable:"));
    let limits = read("/proc/self/limits").and_then(|text| after(&text, "Max address space"));
    let used = read("/proc/self/status").and_then(|text| after(&text, "VmSize:"));
    let process = limits.map(|limit| limit.saturating_sub(1024 * used.unwrap_or(0)));
    let number = |path: &str| read(path)?.trim().parse::<u64>().ok();
    // The usage of a container counts cached files, which the system gives up: it is not subtracted.
    let containers = [
        number("/sys/fs/cgroup/memory.max"),
        number("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    ];
    let machine = machine.map(|kib| 1024 * kib);
    [machine, process]
        .into_iter()
        .chain(containers)
        .flatten()
        .min()
}

/// The first number after a name, if one follows.
fn after(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_fits_everything_and_everything_holds_nothing() {
        assert_eq!(lacking(0), None);
        if cfg!(target_os = "linux") {
            assert!(lacking(u64::MAX).is_some_and(|bytes| bytes > 0));
        }
        assert_eq!(after("a 1\nMax: 12 kB\n", "Max:"), Some(12));
        assert_eq!(
            after("Max address space  unlimited", "Max address space"),
            None
        );
        assert_eq!(
            (in_words(3 << 20), in_words(3 << 29)),
            ("3 MiB".into(), "1.5 GiB".into())
        );
    }
}
