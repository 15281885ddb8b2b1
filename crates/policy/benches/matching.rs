//! The cost of a decision by the number of endpoints: `cargo bench --bench matching`.
//!
//! Two columns: requests to ten of the endpoints, and requests to all of them. The first is the cost
//! of finding a rule; the bench fails if it is more than one and a half times as high with 10,000
//! endpoints as with 10. The second adds the cost of fetching rules that are in none of the
//! processor's caches.

#![expect(clippy::print_stdout, reason = "a bench prints its measurements")]

use std::{
    fmt::Write as _,
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use keygate_expression::Facts;
use keygate_policy::{Policy, Request};

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
const ROUNDS: usize = 30;
const DECISIONS: u32 = 20_000;
const LIMIT: f64 = 1.5;

fn policy(endpoints: usize) -> Policy {
    let mut text = "version: 1\nendpoints:\n".to_owned();
    for number in 0..endpoints {
        let _ = write!(
            text,
            "  - path: /service-{number}/orders
    methods: [GET, POST]
    groupExpression: clientType === 'A' || clientType === 'B'
    routes:
      - path: /{{id}}/refund
        methods: [POST]
        groupExpression: clientType === 'A'
"
        );
    }
    Policy::from_yaml(&text).map_or_else(|_| Policy::default(), |loaded| loaded.policy)
}

/// Requests to `requested` endpoints across the policy, in an order that a cache cannot predict.
fn targets(endpoints: usize, requested: usize) -> Vec<String> {
    let mut number = 1_usize;
    let mut next = || {
        // A linear congruential generator (Numerical Recipes).
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) % (1 << 32);
        number >> 8
    };
    let service = |number: usize| number % requested * (endpoints / requested);
    let target = |service, id| format!("/service-{service}/orders/{id}/refund?full=1");
    (0..1_000)
        .map(|_| target(service(next()), next() % 10_000))
        .collect()
}

fn round(policy: &Policy, targets: &[String]) -> Duration {
    let facts = Facts {
        client_type: Some("A"),
        ..Facts::default()
    };
    let start = Instant::now();
    for target in targets.iter().cycle().take(DECISIONS as usize) {
        let target = black_box(target.as_bytes());
        let request = Request {
            method: "POST",
            target,
            host: None,
            is_cors_preflight: false,
            facts,
        };
        black_box(policy.decide(&request));
    }
    start.elapsed()
}

fn main() -> ExitCode {
    let candidates = SIZES.map(|size| {
        let columns = [SIZES[0], size].map(|requested| targets(size, requested));
        (size, policy(size), columns)
    });
    let mut best = [[Duration::MAX; 2]; SIZES.len()];
    // The sizes alternate and the best round counts, so that a busy moment affects no single size.
    for _ in 0..ROUNDS {
        for ((_, policy, columns), best) in candidates.iter().zip(&mut best) {
            for (targets, best) in columns.iter().zip(best) {
                // Warms the caches; with requests to all endpoints, it has no effect.
                round(policy, targets);
                *best = (*best).min(round(policy, targets));
            }
        }
    }
    let nanoseconds = best.map(|best| best.map(|it| it.as_secs_f64() * 1e9 / f64::from(DECISIONS)));
    println!("endpoints  ns per decision: ten requested  all requested");
    for (size, [ten, all]) in SIZES.iter().zip(nanoseconds) {
        println!("{size:>9}  {ten:>30.0}  {all:>13.0}");
    }
    let [[smallest, _], .., [largest, _]] = nanoseconds;
    let ratio = largest / smallest;
    println!("ratio: {ratio:.2} (limit {LIMIT})");
    if ratio <= LIMIT {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
