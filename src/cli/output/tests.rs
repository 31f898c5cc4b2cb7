//! Nothing is lost, and nothing is mixed.

use super::*;

fn names(directory: &Path) -> Vec<String> {
    let entries = directory.read_dir().unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

fn hold(path: &Path, force: bool) -> Result<OutputDirectory, String> {
    OutputDirectory::hold(path, force, "train", &[]).map_err(|report| format!("{report:?}"))
}

/// A run of one file.
fn run(path: &Path, force: bool, text: &str) {
    let output = hold(path, force).unwrap();
    output
        .fill(|directory| fs::write(directory.join("a"), text))
        .unwrap();
}

#[test]
fn a_failure_on_the_way_leaves_nothing_and_the_old_run() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("out");
    let full = |directory: &Path| {
        fs::write(directory.join("a"), "half")?;
        Err(io::Error::other("the disk is full"))
    };
    hold(&path, false).unwrap().fill(full).unwrap_err();
    assert_eq!(names(parent.path()), [""; 0]);
    run(&path, false, "old");
    hold(&path, true).unwrap().fill(full).unwrap_err();
    assert_eq!(fs::read_to_string(path.join("a")).unwrap(), "old");
    run(&path, true, "new");
    assert_eq!(fs::read_to_string(path.join("a")).unwrap(), "new");
    assert_eq!(names(parent.path()), ["out"]);
    assert_eq!(names(&path), ["a", "run.json"]);
}

#[test]
fn results_stay_where_their_place_was_taken_in_between() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("out");
    let output = hold(&path, false).unwrap();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("theirs"), "").unwrap();
    let failure = output.fill(|directory| fs::write(directory.join("a"), "ours"));
    let kept = format!("out-{}", std::process::id());
    assert!(format!("{:?}", failure.unwrap_err()).contains(&kept));
    assert_eq!(names(&path), ["theirs"]);
    assert_eq!(names(&parent.path().join(kept)), ["a", "run.json"]);
}

#[test]
fn a_place_is_held_by_one_run() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("out");
    let first = hold(&path, false).unwrap();
    let refused = hold(&path, false).err().unwrap();
    let rival = format!("process {}, `fused-kd train`", std::process::id());
    assert!(refused.contains(&rival), "{refused}");
    // Another name beside it is free.
    drop(hold(&parent.path().join("other"), false).unwrap());
    drop(first);
    assert_eq!(names(parent.path()), [""; 0]);
    hold(&path, false).unwrap();
}

#[test]
fn what_killed_runs_left_is_removed() {
    let parent = tempfile::tempdir().unwrap();
    let at = |name: &str| parent.path().join(name);
    // One that was writing, one that had set the older run aside, and one that had only begun.
    for (place, inside) in [(".a.fused-kd", "results"), (".b.fused-kd", "old")] {
        fs::create_dir_all(at(place).join(inside)).unwrap();
        fs::write(at(place).join(inside).join("x"), inside).unwrap();
        fs::write(at(place).join("lock"), "process 1").unwrap();
    }
    fs::create_dir(at(".c.fused-kd")).unwrap();
    fs::create_dir(at(".mine")).unwrap();
    let output = hold(&at("out"), false).unwrap();
    assert_eq!(names(parent.path()), [".mine", ".out.fused-kd", "b"]);
    assert_eq!(names(&at("b")), ["x"]);
    drop(output);
    assert_eq!(names(parent.path()), [".mine", "b"]);
}

#[test]
fn only_a_run_of_the_same_command_is_replaced() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("out");
    fs::create_dir(&path).unwrap();
    // An empty directory has nothing to lose.
    run(&path, false, "old");
    let words = |force| hold(&path, force).err().unwrap();
    assert!(words(false).contains("--force"));
    fs::write(path.join("notes"), "").unwrap();
    assert!(words(true).contains("`notes`"));
    fs::remove_file(path.join("notes")).unwrap();
    fs::write(
        path.join("run.json"),
        r#"{"command": "loss", "files": ["a"]}"#,
    )
    .unwrap();
    assert!(words(true).contains("`fused-kd loss`"));
    fs::write(path.join("run.json"), "{").unwrap();
    assert!(words(true).contains("no run"));
    assert_eq!(fs::read_to_string(path.join("a")).unwrap(), "old");
    assert_eq!(names(parent.path()), ["out"]);
}

#[test]
fn no_output_takes_the_place_of_an_input() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("out");
    run(&path, false, "old");
    let inputs = [path.join("../out/a")];
    assert!(OutputDirectory::hold(&path, true, "train", &inputs).is_err());
    assert!(OutputFile::hold(&path.join("a"), true, "predict", &inputs).is_err());
    OutputFile::hold(&path.join("b"), true, "predict", &inputs).unwrap();
    assert!(OutputFile::hold(&path, true, "predict", &[]).is_err());
    #[cfg(unix)]
    assert!(OutputFile::hold(Path::new("/dev/null"), true, "predict", &[]).is_err());
    assert_eq!(names(&path), ["a", "run.json"]);
}
