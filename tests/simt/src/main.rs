//! `cargo run -- DIR` builds the stand-in driver in `DIR`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let Some(directory) = std::env::args().nth(1) else {
        return Err(std::io::Error::other(
            "say where libcuda.so.1 shall be built: cargo run -- DIR",
        ));
    };
    let library = fused_kd_simt::build_driver(Path::new(&directory))?;
    println!("{}", library.display());
    Ok(())
}
