//! The threads that compile plugins. They yield to everything else in the process: what is compiled while records flow is
//! the next version of a plugin, which can wait, and the records cannot.

use rayon_core::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Under load the threads of the stages get nine tenths of a core that they share with one of these (`sched(7)`: each step
/// of niceness is a factor of 1.25); on an idle machine it costs nothing.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Makes the threads, one for each core.
pub(super) fn pool() -> Result<ThreadPool, ThreadPoolBuildError> {
    ThreadPoolBuilder::new()
        .thread_name(|number| format!("compiler-{number}"))
        .start_handler(|_| yield_to_others())
        .build()
}

/// Elsewhere niceness is of the whole process.
#[cfg(target_os = "linux")]
fn yield_to_others() {
    // Without it compiling only takes a larger share.
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

#[cfg(not(target_os = "linux"))]
fn yield_to_others() {}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_the_threads_that_compile_are_nice() {
        let of_this_thread = || rustix::process::getpriority_process(None).unwrap();
        let before = of_this_thread();
        assert_eq!(pool().unwrap().install(of_this_thread), NICENESS);
        assert_eq!(of_this_thread(), before);
    }
}
