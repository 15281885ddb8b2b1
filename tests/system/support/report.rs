//! The cases that ran behind each gateway: one line per case, which `make` counts.

use std::fs::OpenOptions;
use std::io::Write;

/// Records a case that passed on a version of nginx.
pub(crate) fn passed(nginx: &str, case: &str) {
    passed_at(&format!("nginx {nginx}"), case);
}

/// Records a case that passed behind a gateway.
pub(crate) fn passed_at(gateway: &str, case: &str) {
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/system-cases.tsv");
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    // A single write, because tests run in parallel.
    file.write_all(format!("{gateway}\t{case}\n").as_bytes())
        .unwrap();
}
