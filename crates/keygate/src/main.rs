//! The program: reads the command line, does what it says, and tells how it went by its exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    keygate::cli::Arguments::parse().run()
}
