//! The stack after a secret was on it.

use std::hint::black_box;

/// More than the parser of any file uses.
const DEPTH: usize = 256 * 1024;

/// Overwrites what the calls before this one have left on this thread's stack.
///
/// A digest is computed over a copy of the key on the stack, and a parser may keep short texts there.
#[inline(never)]
#[expect(
    clippy::large_stack_arrays,
    reason = "it is as large as what it overwrites; threads have 2 MiB or more"
)]
pub(crate) fn wipe() {
    black_box(&mut [0_u8; DEPTH]);
}
