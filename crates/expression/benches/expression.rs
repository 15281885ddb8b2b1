//! Measures the time and the allocations of one evaluation.

#![expect(clippy::expect_used, reason = "a benchmark fails by panicking")]

use divan::{AllocProfiler, Bencher, black_box};
use keygate_expression::{Expression, Facts, User};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench(args = [
    "true",
    "clientType === 'A' || clientType === 'B'",
    "clientType == 'A' || clientType == 'B'",
    "groups.admin && isBackoffice",
    "['admin', 'user'] in groups",
    "user.tenant && user.tenant.id === 7",
    "user.tenant.regions == 'eu,us'",
])]
fn evaluate(bencher: Bencher<'_, '_>, source: &str) {
    let properties = serde_json::json!({ "tenant": { "id": 7, "regions": ["eu", "us"] } });
    let user = User {
        id: "ada".to_owned(),
        groups: ["user", "finance", "support"].into_iter().collect(),
        properties: properties.as_object().cloned().unwrap_or_default(),
        ..User::default()
    };
    let facts = Facts {
        client_type: Some("B"),
        is_backoffice: true,
        user: Some(&user),
    };
    let expression = Expression::parse(source).expect("an expression");
    bencher.bench_local(|| black_box(&expression).evaluate(black_box(&facts)));
}

#[divan::bench]
fn parse() -> Expression {
    Expression::parse(black_box("clientType === 'A' || clientType === 'B'")).expect("an expression")
}
