//! Attacks that fell short, as tables: files that lie, options that make no sense, outputs that would
//! destroy something. Each is refused in words, and nothing is written.

mod options;
mod outputs;
mod readers;
mod sizes;
mod students;

use crate::cli::{LABELS, STUDENT, TEACHER};
use crate::support::npy::{array, bytes};
use assert_cmd::Command;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One attack, in a directory of [`fixtures`].
struct Attack {
    name: &'static str,
    files: Vec<(&'static str, Vec<u8>)>,
    arguments: String,
    /// 1 for what failed, 2 for a command line that is wrong.
    status: i32,
    /// What the message has to say: where it is wrong, what is wrong, what to do.
    words: &'static [&'static str],
}

/// An attack without files of its own; `arguments` are separated by blanks.
fn attack(
    name: &'static str,
    arguments: impl Into<String>,
    status: i32,
    words: &'static [&'static str],
) -> Attack {
    Attack {
        name,
        files: Vec::new(),
        arguments: arguments.into(),
        status,
        words,
    }
}

impl Attack {
    fn file(mut self, name: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((name, bytes.into()));
        self
    }
}

/// A batch of 4 rows for `loss`, a table for `train`, and results of another day.
fn fixtures(directory: &Path) {
    let row = |i: usize| format!("{},{},{}\n", i % 7, i * 3 % 5, usize::from(i % 7 > 3));
    let table: String = (0..60).map(row).collect();
    write(directory, "s.npy", &array("<f4", &[4, 3], bytes(&STUDENT)));
    write(directory, "t.npy", &array("<f4", &[4, 3], bytes(&TEACHER)));
    write(directory, "y.npy", &array("<i8", &[4], bytes(&LABELS)));
    write(directory, "ok.csv", table.as_bytes());
    write(directory, "old/mine.txt", b"mine");
}

fn write(directory: &Path, name: &str, bytes: &[u8]) {
    let path = directory.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Everything below a directory: files with what they hold.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => {
                all.extend(contents(&path));
                all.insert(path, None);
            }
            false => {
                let bytes = fs::read(&path).ok();
                all.insert(path, bytes);
            }
        }
    }
    all
}

/// The program with room for 8 GB, where the system can say so: what asks for more has to say it.
fn program(directory: &Path, arguments: &str) -> Command {
    let path = env!("CARGO_BIN_EXE_fused-kd");
    let mut command = match cfg!(unix) {
        true => {
            let mut shell = Command::new("sh");
            let limited = r#"ulimit -v 8000000 2>/dev/null; exec "$0" "$@""#;
            shell.args(["-c", limited, path]);
            shell
        }
        false => Command::new(path),
    };
    command.args(arguments.split_whitespace());
    command.current_dir(directory).env("NO_COLOR", "1");
    command.env("NODEVICE_SELECT", "1");
    command.timeout(Duration::from_secs(60));
    command
}

/// What a terminal would obey, or show in another order.
fn is_hostile(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\n' && c != '\t')
}

/// What is wrong with the program's answer; nothing where the attack fell short.
fn complaint(attack: &Attack) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fixtures(here);
    for (name, bytes) in &attack.files {
        write(here, name, bytes);
    }
    let before = contents(here);
    let output = program(here, &attack.arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    let flat = error.split_whitespace().collect::<Vec<_>>().join(" ");
    let missing = attack.words.iter().find(|words| !flat.contains(**words));
    let wrong = match output.status.code() {
        None => "a signal".to_owned(),
        Some(code) if code != attack.status => format!("exit status {code}"),
        _ if !output.stdout.is_empty() => "results".to_owned(),
        _ if error.contains("panicked") => "a panic".to_owned(),
        _ if error.contains(is_hostile) => "control characters".to_owned(),
        _ if error.len() > 4_000 => format!("{} bytes of message", error.len()),
        _ if contents(here) != before => "files".to_owned(),
        _ => format!("no `{}`", missing?),
    };
    let told: String = flat.chars().take(600).collect();
    Some(format!("{}: {wrong}: {told:?}", attack.name))
}

/// Runs a table.
#[track_caller]
fn fall_short(attacks: &[Attack]) {
    let complaints: Vec<String> = attacks.iter().filter_map(complaint).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

#[test]
fn there_are_enough_attacks_and_none_is_there_twice() {
    let tables = [
        readers::attacks(),
        students::attacks(),
        options::attacks(),
        outputs::attacks(),
        sizes::attacks(),
    ];
    let names: Vec<&str> = tables.iter().flatten().map(|attack| attack.name).collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(distinct.len(), names.len(), "{names:?}");
    assert!(names.len() >= 100, "{}", names.len());
}
