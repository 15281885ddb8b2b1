//! Any bytes are a question, the beginning of one, or none; and where one ends does not depend on how
//! much of what follows has come.

#![no_main]

use keygate_http1::Head;
use libfuzzer_sys::fuzz_target;

/// Where the question ends, and whether it is the last.
fn end(bytes: &[u8]) -> Option<(usize, bool)> {
    let mut slots = Head::slots();
    let head = Head::parse(bytes, &mut slots).ok()??;
    for (name, value) in head.headers.iter() {
        let is_whole = |text: &[u8]| !text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        assert!(!name.is_empty() && is_whole(name.as_bytes()) && is_whole(value.as_bytes()));
    }
    assert!(!head.target.is_empty() && !head.method.is_empty());
    Some((head.length, head.is_last))
}

fuzz_target!(|bytes: &[u8]| {
    let Some(found) = end(bytes) else { return };
    let (question, rest) = bytes.split_at(found.0);
    assert_eq!(end(question), Some(found));
    for missing in 1..=question.len().min(4) {
        assert_eq!(end(&question[..question.len() - missing]), None);
    }
    // Whoever reads on after it reads what comes behind, and no byte of it.
    let _ = end(rest);
});
