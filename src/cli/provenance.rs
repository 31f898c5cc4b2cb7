//! What this process is: its command line, its machine, and how long it has run.

use crate::report::Provenance;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, thread};

/// Work that is being done.
pub(super) struct Started(Instant);

impl Started {
    pub(super) fn now() -> Self {
        Self(Instant::now())
    }

    /// The results that are finished now.
    pub(super) fn finish(&self) -> Provenance {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Provenance::new(
            command(env::args_os().map(|word| word.to_string_lossy().into_owned())),
            machine(),
            now.map_or(0, |since| since.as_secs()),
            self.0.elapsed().as_secs_f64(),
        )
    }
}

/// The command line in a shell's words; the program by its name.
fn command(mut words: impl Iterator<Item = String>) -> String {
    words.next();
    let words = words.map(|word| quoted(&word));
    std::iter::once("fused-kd".to_owned())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=+.,:/@%[]".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Processor, cores and system.
fn machine() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let cores = if cores == 1 {
        "1 core".to_owned()
    } else {
        format!("{cores} cores")
    };
    let processor = fs::read_to_string("/proc/cpuinfo").ok();
    let processor = processor.as_deref().and_then(model);
    let processor = processor.unwrap_or(env::consts::ARCH);
    format!(
        "{processor}, {cores}, {} {}",
        env::consts::OS,
        env::consts::ARCH
    )
}

/// The processor's name, where Linux tells it.
fn model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    let (_, name) = line.split_once(':')?;
    Some(name.trim()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_pasted() {
        let words = [
            "/bin/x",
            "compare",
            "--data",
            "csv:a b.csv?label=it's",
            "--seeds",
            "2",
            "",
        ];
        let command = command(words.map(str::to_owned).into_iter());
        assert_eq!(
            command,
            r"fused-kd compare --data 'csv:a b.csv?label=it'\''s' --seeds 2 ''"
        );
    }

    #[test]
    fn a_machine_has_a_name() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC 7B13\nmodel name\t: other\n";
        assert_eq!(model(text), Some("AMD EPYC 7B13"));
        assert_eq!(model("model name\t:\n"), None);
        assert!(machine().contains("core"));
    }
}
