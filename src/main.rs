//! The program `fused-kd`.

use std::env;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    quieten_mesa();
    fused_kd::cli::main()
}

/// Mesa's Vulkan layer asks the Wayland display which of several GPUs is the default one. Where there is
/// no display, libwayland complains on standard error, several times: the layer is left out there.
fn quieten_mesa() {
    let place = env::var_os("XDG_RUNTIME_DIR");
    let has_display = place.is_some_and(|place| Path::new(&place).is_absolute());
    if cfg!(target_os = "linux") && !has_display && env::var_os("NODEVICE_SELECT").is_none() {
        // SAFETY: `main` has just begun, and no other thread is running that could read the environment.
        unsafe { env::set_var("NODEVICE_SELECT", "1") };
    }
}
