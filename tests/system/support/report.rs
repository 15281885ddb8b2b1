//! The cases that ran on each nginx: one line per case, which `make` counts.

use std::fs::OpenOptions;
use std::io::Write;

/// Records a case that passed.
pub(crate) fn passed(nginx: &str, case: &str) {
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/system-cases.tsv");
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    // A single write, because tests run in parallel.
    file.write_all(format!("{nginx}\t{case}\n").as_bytes())
        .unwrap();
}
