//! Any text is parsed or refused with a message, and what is parsed can be asked everything.

#![no_main]

mod callers;

use keygate_expression::Expression;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &str| {
    let expression = match Expression::parse(source) {
        Ok(expression) => expression,
        Err(error) => {
            let diagnostic = error.diagnostic();
            let range = diagnostic.span.clone().unwrap_or_default();
            assert!(source.get(range).is_some(), "{error:?} is off the text");
            assert!(!diagnostic.render("expression", source).is_empty());
            return;
        }
    };
    for warning in expression.warnings(Some(&["A", "B"])) {
        assert!(source.get(warning.span()).is_some(), "{warning:?} is off the text");
        assert!(!warning.diagnostic().render("expression", source).is_empty());
    }
    for facts in callers::callers() {
        let answer = expression.evaluate(&facts);
        if let Err(error) = &answer {
            assert!(source.get(error.span()).is_some(), "{error:?} is off the text");
        }
        let explanation = expression.explain(&facts);
        assert_eq!(explanation.satisfied, answer.ok());
        assert!(explanation.to_string().contains("decided"));
    }
});
