//! Any text is parsed or rejected with a message; a parsed one can be evaluated and explained.

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
            assert!(source.get(range).is_some(), "{error:?} is outside of the text");
            assert!(!diagnostic.render("expression", source).is_empty());
            return;
        }
    };
    for warning in expression.warnings(Some(&["A", "B"])) {
        assert!(source.get(warning.span()).is_some(), "{warning:?} is outside of the text");
        assert!(!warning.diagnostic().render("expression", source).is_empty());
    }
    for facts in callers::callers() {
        let result = expression.evaluate(&facts);
        if let Err(error) = &result {
            assert!(source.get(error.span()).is_some(), "{error:?} is outside of the text");
        }
        let explanation = expression.explain(&facts);
        assert_eq!(explanation.satisfied, result.ok());
        assert!(explanation.to_string().contains("decided"));
    }
});
