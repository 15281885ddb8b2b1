//! The program: runs the command line, and returns its exit code.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use zeroizing_alloc::ZeroAlloc;

/// Clears what is freed: buffers of the HTTP and YAML libraries have held keys.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

fn main() -> ExitCode {
    keygate::cli::Arguments::parse().run()
}
