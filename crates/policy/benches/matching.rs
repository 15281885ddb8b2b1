//! The cost of a decision by the number of endpoints: `cargo bench --bench matching`.
//!
//! Fails where 10,000 endpoints cost more than one and a half times what 10 do.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::{
    fmt::Write as _,
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use keygate_policy::{Facts, Policy, Request};

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

/// Requests to endpoints all over the policy, in no order that a cache could guess.
fn targets(endpoints: usize) -> Vec<String> {
    let mut number = 1_usize;
    let mut next = || {
        // A linear congruential generator (Numerical Recipes).
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) % (1 << 32);
        (number >> 8) % endpoints
    };
    (0..1_000)
        .map(|_| format!("/service-{}/orders/{}/refund?full=1", next(), next()))
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
    let candidates = SIZES.map(|size| (size, policy(size), targets(size)));
    let mut best = [Duration::MAX; SIZES.len()];
    // Sizes in turn, and the best round of each: a machine that is busy for a while is no size.
    for _ in 0..ROUNDS {
        for ((_, policy, targets), best) in candidates.iter().zip(&mut best) {
            *best = (*best).min(round(policy, targets));
        }
    }
    let nanoseconds = best.map(|best| best.as_secs_f64() * 1e9 / f64::from(DECISIONS));
    for (size, cost) in SIZES.iter().zip(nanoseconds) {
        println!("{size:>6} endpoints: {cost:6.0} ns a decision");
    }
    let [smallest, .., largest] = nanoseconds;
    let ratio = largest / smallest;
    println!("ratio: {ratio:.2} (limit {LIMIT})");
    if ratio <= LIMIT {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
