//! Tests that compare group expressions with a JavaScript engine, and measure their allocations.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "../examples/differential/cases.rs"]
mod cases;

use std::cell::RefCell;

use boa_engine::{Context, JsString, JsValue, Source, js_string};
use cases::{Case, caller, case, expression, soup};
use keygate_expression::{Expression, Part, Warning};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

/// A JavaScript engine without inherited properties.
struct JavaScript(RefCell<Context>);

impl JavaScript {
    fn new() -> Self {
        let mut context = Context::default();
        let realm = include_str!("../../../tests/differential/expressions-realm.js");
        context.eval(Source::from_bytes(realm)).unwrap();
        Self(RefCell::new(context))
    }

    fn result(&self, case: &Case) -> String {
        let context = &mut *self.0.borrow_mut();
        let verdict = context
            .global_object()
            .get(js_string!("verdict"), context)
            .unwrap();
        let arguments = [&case.expression, &case.caller.to_json().to_string()]
            .map(|text| JsValue::from(JsString::from(text.as_str())));
        let result = verdict
            .as_callable()
            .unwrap()
            .call(&JsValue::undefined(), &arguments, context)
            .unwrap();
        result.as_string().unwrap().to_std_string_lossy()
    }
}

fn check<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value)) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&strategy, |value| {
        test(value);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

#[test]
fn ten_thousand_expressions_evaluate_as_in_javascript() {
    let javascript = JavaScript::new();
    check(10_000, case(), |case| {
        assert_eq!(case.result().unwrap(), javascript.result(&case));
    });
}

#[test]
fn accepted_expressions_evaluate_as_in_javascript() {
    let javascript = JavaScript::new();
    let accepted = RefCell::new(0);
    check(100_000, (soup(), caller()), |(expression, caller)| {
        // A list on the left of `in` is Mia-Platform's extension.
        let may_differ =
            expression.replace("includes", "").contains("in") && expression.contains('[');
        if !may_differ && Expression::parse(&expression).is_ok() {
            let case = Case { expression, caller };
            assert_eq!(case.result().unwrap(), javascript.result(&case));
            *accepted.borrow_mut() += 1;
        }
    });
    assert!(accepted.into_inner() > 1000, "too few cases");
}

#[test]
fn the_canonical_form_parses_to_the_same_tree() {
    check(5_000, expression(), |source| {
        let expression = Expression::parse(&source).unwrap();
        let canonical = expression.to_string();
        let again = Expression::parse(&canonical).unwrap();
        assert_eq!(expression, again);
        assert_eq!(canonical, again.to_string());
    });
}

#[test]
fn evaluation_allocates_nothing() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(counted.count_total, 1, "allocations are counted");
    check(5_000, case(), |case| {
        let expression = Expression::parse(&case.expression).unwrap();
        let facts = case.caller.facts();
        let counted = allocation_counter::measure(|| {
            let _ = std::hint::black_box(expression.evaluate(&facts));
        });
        assert_eq!(counted.count_total, 0);
    });
}

#[test]
fn an_explanation_has_a_result_and_one_deciding_part() {
    fn decided(part: &Part) -> usize {
        usize::from(part.decided) + part.parts.iter().map(decided).sum::<usize>()
    }
    check(5_000, case(), |case| {
        let expression = Expression::parse(&case.expression).unwrap();
        let facts = case.caller.facts();
        let explanation = expression.explain(&facts);
        assert_eq!(explanation.satisfied, expression.evaluate(&facts).ok());
        assert_eq!(decided(&explanation.root), 1);
        assert!(explanation.to_string().contains("← decided"));
        serde_json::to_string(&explanation).unwrap();
    });
}

#[test]
fn a_constant_expression_is_constant_for_every_caller() {
    let constant = RefCell::new(0);
    check(
        5_000,
        (expression(), vec(caller(), 20)),
        |(source, callers)| {
            for warning in Expression::parse(&source).unwrap().warnings(None) {
                let (part, expected): (_, &[_]) = match &warning {
                    Warning::AlwaysTrue { part, .. } => (part, &[Some(true)]),
                    Warning::NeverTrue { part, .. } => (part, &[Some(false), None]),
                    Warning::AlwaysFails { part, .. } => (part, &[None]),
                    _ => continue,
                };
                let part = Expression::parse(part).unwrap();
                for caller in &callers {
                    let result = part.evaluate(&caller.facts()).ok();
                    assert!(expected.contains(&result), "{warning} and yet {result:?}");
                }
                *constant.borrow_mut() += 1;
            }
        },
    );
    assert!(constant.into_inner() > 1000, "too few cases");
}
