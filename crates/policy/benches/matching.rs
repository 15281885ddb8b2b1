//! The cost of a decision by the number of endpoints: `cargo bench --bench matching`.
//!
//! Two columns: requests to ten endpoints, wherever among the others they are, and to all of them
//! alike. The first is what finding a rule costs; fails where that is more than one and a half times
//! as much among 10,000 endpoints as among 10. The second adds what it costs to fetch rules that
//! are in none of the processor's caches, because nobody has asked for them lately.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

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

/// Requests to some endpoints, spread over the policy, in no order that a cache could guess.
fn targets(endpoints: usize, asked: usize) -> Vec<String> {
    let mut number = 1_usize;
    let mut next = || {
        // A linear congruential generator (Numerical Recipes).
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) % (1 << 32);
        number >> 8
    };
    let service = |number: usize| number % asked * (endpoints / asked);
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
        let asked = [SIZES[0], size].map(|asked| targets(size, asked));
        (size, policy(size), asked)
    });
    let mut best = [[Duration::MAX; 2]; SIZES.len()];
    // Sizes in turn, and the best round of each: a machine that is busy for a while is no size.
    for _ in 0..ROUNDS {
        for ((_, policy, asked), best) in candidates.iter().zip(&mut best) {
            for (targets, best) in asked.iter().zip(best) {
                // The first turn warms up; where everything is asked, that changes nothing.
                round(policy, targets);
                *best = (*best).min(round(policy, targets));
            }
        }
    }
    let nanoseconds = best.map(|best| best.map(|it| it.as_secs_f64() * 1e9 / f64::from(DECISIONS)));
    println!("endpoints  ns a decision: ten asked  all asked");
    for (size, [ten, all]) in SIZES.iter().zip(nanoseconds) {
        println!("{size:>9}  {ten:>24.0}  {all:>9.0}");
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
