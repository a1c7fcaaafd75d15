//! The `millstream` program: hands the command line to the library and ends with a documented exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    millstream::cli::main()
}
