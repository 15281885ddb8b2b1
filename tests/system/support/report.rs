//! How many cases ran on which nginx: one line a case, for `make` to count.

use std::fs::OpenOptions;
use std::io::Write;

/// Notes one case that passed.
pub(crate) fn passed(nginx: &str, case: &str) {
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/system-cases.tsv");
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    // One write, for tests run side by side.
    file.write_all(format!("{nginx}\t{case}\n").as_bytes())
        .unwrap();
}
