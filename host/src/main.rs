//! The program `portcullis`; everything it does is in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    portcullis::cli::main()
}
