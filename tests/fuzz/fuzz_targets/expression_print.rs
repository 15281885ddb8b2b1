//! A printed expression parses to the same tree, with the same results.

#![no_main]

mod callers;

use keygate_expression::{Expression, ExpressionError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &str| {
    let Ok(expression) = Expression::parse(source) else { return };
    let canonical = expression.to_string();
    let again = match Expression::parse(&canonical) {
        Ok(again) => again,
        // The canonical form may be longer, because of spaces and escapes.
        Err(ExpressionError::TooLong { .. }) if canonical.len() > source.len() => return,
        Err(error) => panic!("`{canonical}`: {error}"),
    };
    assert_eq!(again, expression);
    assert_eq!(again.to_string(), canonical);
    for facts in callers::callers() {
        assert_eq!(again.evaluate(&facts).ok(), expression.evaluate(&facts).ok());
    }
});
