//! A question as a gateway writes it, for tests.

use keygate_http1::Head;

/// What `answer` makes of the question with this target and these header lines.
pub(crate) fn ask<T>(
    target: &str,
    lines: &[(&str, &str)],
    answer: impl FnOnce(&Head<'_>) -> T,
) -> T {
    let mut text = format!("GET {target} HTTP/1.1\r\n");
    for (name, value) in lines {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    let mut slots = Head::slots();
    answer(&Head::parse(text.as_bytes(), &mut slots).unwrap().unwrap())
}
