//! A CUDA emulator (`emulator/`) and a stand-in `libcuda.so.1` over it (`driver/`), for tests on
//! machines without a GPU. This crate only builds them, with g++ (12 or newer, x86-64):
//!
//! - `cargo run -- DIR` puts `libcuda.so.1`, with every kernel of `kernels/` in it, into `DIR`. Then
//!   `LD_LIBRARY_PATH=DIR cargo test --features cuda` in the root runs the CUDA engine on it.
//!   With `SIMT_QUICK=1` it compiles in two thirds of the time, and runs 1.4 times as long; the programs
//!   leave f16 out, whose kernels are those of bf16.
//! - What has not changed is not compiled again.
//! - `cargo test` shows that the emulator finds what it is there to find: `programs/defects.cpp` is
//!   full of defects. `programs/rows.cpp` and `programs/operations.cpp` run the kernels under
//!   AddressSanitizer and ThreadSanitizer, `programs/far.cpp` what reads and writes a row at both ends of
//!   rows of almost 2³¹ classes.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the kernels are compiled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sanitizer {
    /// Nothing: the emulator's own checks.
    None,
    /// AddressSanitizer: accesses beyond an object, or to the target of a copy under way.
    Address,
    /// ThreadSanitizer: accesses that no barrier orders.
    Thread,
    /// UndefinedBehaviorSanitizer: sums, differences and products that no int holds.
    Overflow,
}

impl Sanitizer {
    /// What the emulator, which is compiled without sanitizers, has to know.
    fn define(self) -> Option<&'static str> {
        match self {
            Self::None | Self::Overflow => None,
            Self::Address => Some("-DSIMT_ASAN"),
            Self::Thread => Some("-DSIMT_TSAN"),
        }
    }

    fn flag(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Address => Some("-fsanitize=address"),
            Self::Thread => Some("-fsanitize=thread"),
            Self::Overflow => Some("-fsanitize=signed-integer-overflow"),
        }
    }
}

const EMULATOR: [&str; 4] = ["block.cpp", "cluster.cpp", "async.cpp", "fiber.cpp"];

/// This crate's directory. Cargo tells it to what it runs; what is compiled in may be that of a copy,
/// built into the same target directory.
#[must_use]
pub fn home() -> PathBuf {
    let told = std::env::var_os("CARGO_MANIFEST_DIR");
    PathBuf::from(told.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()))
}

/// The root's `kernels/`.
#[must_use]
pub fn kernels() -> PathBuf {
    home().join("../../kernels")
}

fn compile(source: &Path, object: &Path, flags: &[&str]) -> io::Result<()> {
    let mut command = Command::new("g++");
    // Fused multiply-adds and vectors wherever they fit, as the CUDA compiler has them.
    command.args(["-std=c++20", "-g1", "-march=x86-64-v3", "-fPIC"]);
    match std::env::var_os("SIMT_QUICK") {
        // Without the second, products are not fused.
        Some(_) => command.args(["-O1", "-fexpensive-optimizations", "-DSIMT_QUICK"]),
        None => command.arg("-O2"),
    };
    command.args(["-ftls-model=initial-exec", "-fvisibility=hidden"]);
    command.args([
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-unknown-pragmas",
        "-DSIMT",
    ]);
    command.arg("-I").arg(home().join("emulator"));
    command.arg("-I").arg(kernels());
    // What it was made from is written beside it.
    command.args(flags).args(["-MD", "-c"]).arg(source);
    command.arg("-o").arg(object);
    let (made_by, text) = (object.with_extension("command"), format!("{command:?}"));
    if std::fs::read_to_string(&made_by).is_ok_and(|old| old == text) && is_current(object) {
        return Ok(());
    }
    run(&mut command)?;
    std::fs::write(made_by, text)
}

/// Whether nothing that the object was made from is newer.
fn is_current(object: &Path) -> bool {
    let modified = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    let rule = std::fs::read_to_string(object.with_extension("d"));
    let (Some(made), Ok(rule)) = (modified(object), rule) else {
        return false;
    };
    let mut sources = rule.split_whitespace().skip(1).filter(|&word| word != "\\");
    sources.all(|source| modified(source.as_ref()).is_some_and(|changed| changed < made))
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("{command:?}\n{text}")))
}

/// Compiles the emulator and these sources of this crate, and links them into `output`; in
/// parallel, object by object, in a directory beside it.
///
/// # Errors
/// What g++ says.
pub fn build(
    output: &Path,
    sources: &[&str],
    sanitizer: Sanitizer,
    link: &[&str],
) -> io::Result<()> {
    let objects = output.with_extension("objects");
    std::fs::create_dir_all(&objects)?;
    let plain: Vec<&str> = sanitizer.define().into_iter().collect();
    let checked: Vec<&str> = plain.iter().copied().chain(sanitizer.flag()).collect();
    let emulator = EMULATOR
        .iter()
        .map(|name| (format!("emulator/{name}"), &plain));
    let given = sources.iter().map(|name| ((*name).to_owned(), &checked));
    let units: Vec<_> = emulator.chain(given).collect();
    let results: Vec<io::Result<PathBuf>> = std::thread::scope(|scope| {
        let handles: Vec<_> = units
            .iter()
            .map(|(source, flags)| {
                let object = objects.join(source.replace('/', "-")).with_extension("o");
                scope.spawn(move || compile(&home().join(source), &object, flags).map(|()| object))
            })
            .collect();
        let join =
            |handle: std::thread::ScopedJoinHandle<_>| handle.join().expect("a thread ended");
        handles.into_iter().map(join).collect()
    });
    let objects = results.into_iter().collect::<io::Result<Vec<_>>>()?;
    let mut linker = Command::new("g++");
    linker.args(link).args(sanitizer.flag()).args(objects);
    run(linker.arg("-o").arg(output))
}

/// Builds `libcuda.so.1` in `directory`.
///
/// # Errors
/// What g++ says, or why the directory cannot be made.
pub fn build_driver(directory: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(directory)?;
    let library = directory.join("libcuda.so.1");
    let sources = ["driver/driver.cpp", "driver/kernels.cpp"];
    let link = ["-shared", "-Wl,-soname,libcuda.so.1", "-ldl"];
    build(&library, &sources, Sanitizer::None, &link)?;
    Ok(library)
}
