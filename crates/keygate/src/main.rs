//! The program: runs the command line, and returns its exit code.

use std::{alloc::System, process::ExitCode};

use clap::Parser;
use zeroizing_alloc::ZeroAlloc;

/// Clears what is freed: buffers of the HTTP and YAML libraries have held keys.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    keygate::cli::Arguments::parse().run()
}
