//! Prints random cases with Keygate's results as JSON lines, for
//! `tests/differential/expressions.mjs`, which compares them with Node's.
//!
//! `differential COUNT [SEED]`; the seed goes to standard error, so that a run can be repeated.

mod cases;

use std::{
    error::Error,
    io::{self, BufWriter, Write as _},
    time::SystemTime,
};

use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments
        .next()
        .ok_or("usage: differential COUNT [SEED]")?
        .parse()?;
    let seed: u128 = match arguments.next() {
        Some(seed) => seed.parse()?,
        None => SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)?
            .as_nanos(),
    };
    writeln!(io::stderr(), "seed {seed}")?;

    let mut bytes = [0; 32];
    bytes
        .iter_mut()
        .zip(seed.to_le_bytes())
        .for_each(|(to, from)| *to = from);
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let strategy = cases::case();
    let mut output = BufWriter::new(io::stdout().lock());
    for _ in 0..count {
        let case = strategy
            .new_tree(&mut runner)
            .map_err(|reason| reason.to_string())?
            .current();
        let result = case.result()?;
        let line = json!({
            "expression": case.expression,
            "facts": case.caller.to_json(),
            "result": result,
        });
        writeln!(output, "{line}")?;
    }
    output.flush()?;
    Ok(())
}
