//! `keygate keys list`

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use keygate_documents::source;
use keygate_keys::Key;
use keygate_keys::keys_file::{self, Entry};
use serde::Serialize;

use super::{KeysError, say, terminal};

pub(super) const EXAMPLES: &str = "Examples:
  keygate keys list --keys keys.yaml
  keygate keys list --keys keys.yaml --output json | jq -r '.[] | select(.expiresSoon) | .id'";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Path to the keys file
    #[arg(long, env = "KEYGATE_KEYS", value_name = "FILE")]
    keys: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Output {
    /// Human-readable text
    #[default]
    Text,
    /// JSON
    Json,
}

/// One key, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'e> {
    id: &'e str,
    client_type: &'e str,
    state: String,
    active: bool,
    /// `sha256`, `hmac-sha256` or `clear`.
    stored: String,
    description: Option<&'e str>,
    created_at: Option<Timestamp>,
    age_days: Option<i64>,
    not_before: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    expires_in_days: Option<i64>,
    expires_soon: bool,
}

pub(super) fn run(arguments: &Arguments, now: Timestamp) -> Result<(), KeysError> {
    let text = source::read(&arguments.keys)?;
    let contents = keys_file::contents(&arguments.keys, &text)?;
    let rows: Vec<_> = contents
        .entries
        .iter()
        .map(|entry| Row::of(entry, now))
        .collect();
    match arguments.output {
        Output::Text => terminal::print(table(&rows)),
        Output::Json => terminal::print(format_args!("{:#}\n", serde_json::json!(rows))),
    }
    contents.warnings.iter().for_each(say);
    let keys = contents.entries.iter().map(|Entry { key, .. }| {
        let id = key.id.as_str();
        (id, &key.client_type, key.validity())
    });
    keys_file::expiring_soon(keys, now).for_each(say);
    Ok(())
}

impl<'e> Row<'e> {
    fn of(entry: &'e Entry, now: Timestamp) -> Self {
        let Key {
            id,
            client_type,
            digest,
            active,
            not_before,
            expires_at,
        } = &entry.key;
        let validity = entry.key.validity();
        let stored = match entry.clear {
            Some(_) => "clear".to_owned(),
            None => digest.scheme().to_string(),
        };
        Self {
            id: id.as_str(),
            client_type: client_type.as_str(),
            state: validity.state(now).to_string(),
            active: *active,
            stored,
            description: entry.description.as_deref(),
            created_at: entry.created_at,
            age_days: entry.created_at.map(|made| days(now.duration_since(made))),
            not_before: *not_before,
            expires_at: *expires_at,
            expires_in_days: validity.time_left(now).map(days),
            expires_soon: validity.expires_soon(now),
        }
    }
}

fn days(time: SignedDuration) -> i64 {
    time.as_hours() / 24
}

/// Columns as wide as their widest cell.
fn table(rows: &[Row<'_>]) -> String {
    let head = [
        "ID",
        "CLIENT TYPE",
        "STATE",
        "AGE",
        "EXPIRES",
        "DESCRIPTION",
    ]
    .map(str::to_owned);
    let cells = rows.iter().map(|row| {
        [
            row.id.to_owned(),
            row.client_type.to_owned(),
            row.state.clone(),
            row.age_days
                .map_or_else(|| "-".to_owned(), |days| format!("{days}d")),
            end(row),
            // A description is any text: it must not move the cursor of a terminal.
            row.description
                .unwrap_or_default()
                .replace(char::is_control, " "),
        ]
    });
    let lines: Vec<_> = std::iter::once(head).chain(cells).collect();
    let mut widths = [0; 6];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let padded = lines.iter().map(|line| {
        let cells = line.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    });
    padded.collect::<Vec<_>>().concat()
}

fn end(row: &Row<'_>) -> String {
    match (row.expires_at, row.expires_in_days) {
        (None, _) => "never".to_owned(),
        (Some(end), None) => format!("{end} (expired)"),
        (Some(end), Some(0)) => format!("{end} (in less than a day)"),
        (Some(end), Some(days)) => format!("{end} (in {days}d)"),
    }
}
