//! The cost of a look-up, and of a key's place in memory, by the number of keys: `make bench-scale`.
//!
//! Every key is as likely to be asked for as any other, in no order that a cache could guess, and
//! half of what is asked for is no key at all. Sizes take turns in each round; what counts is the
//! ratio to the smallest table in the same round.

#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use keygate_resolver::{
    Digest, Key, KeyTable,
    table::{Builder, TableError},
};

const SIZES: [u64; 4] = [100, 10_000, 1_000_000, 5_000_000];
const CLIENT_TYPES: u64 = 100;
const ROUNDS: u64 = 21;
const ASKED: u64 = 100_000;

/// Numbers in no order (splitmix64).
fn scattered(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A key as long as those that Keygate makes.
fn secret(number: u64) -> String {
    let [a, b] = [scattered(number), scattered(!number)];
    format!("kg_{a:016x}{b:016x}{:011x}", a >> 20)
}

/// A table of so many keys, and the bytes that each takes.
fn table(size: u64) -> Result<(KeyTable, f64), TableError> {
    let mut table = Ok(KeyTable::default());
    let allocations = allocation_counter::measure(|| table = filled(size));
    #[expect(clippy::cast_precision_loss, reason = "of some hundred million bytes")]
    let bytes = allocations.bytes_current as f64 / size as f64;
    Ok((table?, bytes))
}

fn filled(size: u64) -> Result<KeyTable, TableError> {
    let mut builder = Builder::default();
    for number in 0..size {
        let client_type = format!("client-{}", number % CLIENT_TYPES);
        let (Ok(id), Ok(client_type)) = (format!("key-{number:08}").parse(), client_type.parse())
        else {
            continue;
        };
        builder.add(&Key {
            id,
            client_type,
            digest: Digest::sha256(secret(number).as_bytes()),
            active: true,
            not_before: None,
            expires_at: Some(Timestamp::MAX),
        })?;
    }
    builder.finish(None)
}

/// What one round asks of a table: half of it is known.
fn questions(size: u64, round: u64) -> Vec<String> {
    let question = |turn| {
        let number = scattered(round * ASKED + turn) % size;
        secret(if turn % 2 == 0 { number } else { number + size })
    };
    let mut questions: Vec<_> = (0..ASKED).map(question).collect();
    questions.sort_by_cached_key(|it| scattered(it.bytes().map(u64::from).sum()));
    questions
}

fn ask(table: &KeyTable, questions: &[String], now: Timestamp) -> Duration {
    let start = Instant::now();
    for question in questions {
        let _ = black_box(table.find(black_box(question.as_bytes()), now));
    }
    start.elapsed()
}

/// The nanoseconds of one look-up, by round and size.
fn rounds(tables: &[KeyTable]) -> Vec<Vec<f64>> {
    let now = Timestamp::now();
    let round = |round: u64| {
        let one = |(table, size): (&KeyTable, u64)| {
            let questions = questions(size, round);
            ask(table, &questions, now).as_secs_f64() * 1e9 / ASKED as f64
        };
        tables.iter().zip(SIZES).map(one).collect()
    };
    (0..ROUNDS).map(round).collect()
}

/// Minimum, median and maximum.
fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let at = |place: usize| values.get(place).copied().unwrap_or(f64::NAN);
    let last = values.len().saturating_sub(1);
    [at(0), at(last / 2), at(last)]
}

fn main() -> Result<(), TableError> {
    let (tables, bytes): (Vec<_>, Vec<_>) = SIZES
        .into_iter()
        .map(table)
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .unzip();
    let rounds = rounds(&tables);
    for ((place, size), bytes) in SIZES.into_iter().enumerate().zip(bytes) {
        let of = |value: fn(f64, f64) -> f64| {
            let pairs = rounds
                .iter()
                .filter_map(|round| Some((*round.get(place)?, *round.first()?)));
            spread(pairs.map(|(own, smallest)| value(own, smallest)).collect())
        };
        let [nanoseconds, ratio] = [of(|own, _| own), of(|own, smallest| own / smallest)];
        println!(
            "{{\"keys\": {size}, \"nanoseconds\": {nanoseconds:.1?}, \"ratio\": {ratio:.3?}, \
             \"bytes_per_key\": {bytes:.1}}}"
        );
    }
    Ok(())
}
