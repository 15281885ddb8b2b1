//! Clears secrets from the stack.

use std::hint::black_box;

/// More than the parser of any file uses.
const DEPTH: usize = 256 * 1024;

/// Overwrites what earlier calls left on this thread's stack.
///
/// Digests are computed from a copy of the key on the stack, and parsers may keep short texts there.
#[inline(never)]
#[expect(
    clippy::large_stack_arrays,
    reason = "it is as large as what it overwrites; threads have 2 MiB or more"
)]
pub(crate) fn wipe() {
    black_box(&mut [0_u8; DEPTH]);
}
