//! The `millstream` program: hands the command line to the library and ends with a documented exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    share_arenas();
    millstream::cli::main()
}

/// glibc gives each thread a heap of its own, up to eight for each core, and what one of them frees another cannot use.
/// Compiling plugins leaves them in pieces: 50 KiB more with each swap, and next to nothing where there are two of them.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn share_arenas() {
    const ARENAS: libc::c_int = 2;
    // SAFETY: it takes numbers, and no other thread runs yet that could allocate meanwhile. What it answers, whether the
    // setting is known, is of no use: without it memory is used less well.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, ARENAS) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn share_arenas() {}
