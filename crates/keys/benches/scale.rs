//! The cost of a lookup, and of a key's memory, by the number of keys: `make bench-scale`.
//!
//! Two kinds of callers: a hundred keys that are spread over the table, and all keys equally. The
//! first measures the lookup; the second adds the cost of fetching a key that is not in the
//! processor's cache. Half of the presented keys are unknown, and no order is predictable for a
//! cache. Sizes take turns in each round; the result is the ratio to the smallest table in the same
//! round.

#![expect(clippy::print_stdout, reason = "a bench prints its measurements")]

use std::hint::black_box;

use jiff::Timestamp;
use keygate_keys::{
    Digest, Key, KeyTable,
    table::{Builder, TableError},
};

const SIZES: [u64; 4] = [100, 10_000, 1_000_000, 5_000_000];
const CLIENT_TYPES: u64 = 100;
const ROUNDS: u64 = 9;
/// The scheduler updates its account every few milliseconds: this many lookups take a hundred of them.
const LOOK_UPS: u32 = 1_000_000;
const HUNDRED: u64 = 100;
/// The length of a key.
const SECRET: usize = 46;

/// Numbers in a pseudo-random order (splitmix64).
fn scattered(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A key of about the length of a generated one.
fn secret(number: u64) -> String {
    let [a, b] = [scattered(number), scattered(!number)];
    format!("kg_{a:016x}{b:016x}{:011x}", a >> 20)
}

/// A table of this size, and the bytes for each key.
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

/// The keys that one round presents to a table, of which half are known.
fn presented_keys(size: u64, used: u64, round: u64) -> String {
    let presented = |turn| {
        let any = scattered(round * u64::from(LOOK_UPS) + turn);
        let number = any % used * (size / used);
        secret(if any >> 63 == 0 {
            number
        } else {
            number + size
        })
    };
    (0..LOOK_UPS.into()).map(presented).collect()
}

/// The nanoseconds of one lookup.
fn look_up(table: &KeyTable, presented: &str, now: Timestamp) -> f64 {
    let start = on_processor();
    for key in presented.as_bytes().chunks_exact(SECRET) {
        let _ = black_box(table.find(black_box(key), now));
    }
    (on_processor() - start) / f64::from(LOOK_UPS)
}

/// The nanoseconds that this thread ran on a processor: more precise than a clock on a busy machine.
fn on_processor() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split(' ').next().and_then(|it| it.parse().ok());
    first.unwrap_or(f64::NAN)
}

/// The nanoseconds of one lookup: of a hundred keys, and of all keys, by size.
fn round(tables: &[KeyTable], round: u64) -> Vec<[f64; 2]> {
    let now = Timestamp::now();
    let one = |(table, size): (&KeyTable, u64)| {
        [HUNDRED, size].map(|used| {
            let presented = presented_keys(size, used, round);
            look_up(table, &presented, now)
        })
    };
    tables.iter().zip(SIZES).map(one).collect()
}

/// Minimum, median and maximum.
fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    let last = values.len().saturating_sub(1);
    [at(0), at(last / 2), at(last)]
}

fn main() -> Result<(), TableError> {
    let tables: Vec<_> = SIZES.into_iter().map(table).collect::<Result<_, _>>()?;
    let (tables, bytes): (Vec<_>, Vec<_>) = tables.into_iter().unzip();
    let rounds: Vec<_> = (0..ROUNDS).map(|number| round(&tables, number)).collect();
    for ((index, size), bytes) in SIZES.into_iter().enumerate().zip(bytes) {
        print!("{{\"keys\": {size}, \"bytes_per_key\": {bytes:.1}");
        for (name, kind) in [("hundred_asked", 0), ("all_asked", 1)] {
            let of = |round: &Vec<[f64; 2]>, index| Some(*round.get::<usize>(index)?.get(kind)?);
            let own = rounds.iter().filter_map(|round| of(round, index));
            let ratio = |round| Some(of(round, index)? / of(round, 0)?);
            let nanoseconds = spread(own.collect());
            let ratio = spread(rounds.iter().filter_map(ratio).collect());
            print!(", \"{name}\": {{\"nanoseconds\": {nanoseconds:.1?}, \"ratio\": {ratio:.3?}}}");
        }
        println!("}}");
    }
    Ok(())
}
