//! `keygate import nginx-map`

use std::path::PathBuf;

use jiff::Timestamp;
use keygate_documents::{diagnostic::Diagnostic, source::SourceError};
use keygate_gateways::nginx::syntax::{self, Statement};
use zeroize::Zeroizing;

use super::{
    ImportError,
    keys::{self, FoundKey, OutArguments, Text},
    say,
};

pub(super) const EXAMPLES: &str = "Examples:
  keygate import nginx-map /etc/nginx/api-keys.conf --keys-out keys.yaml
  keygate import nginx-map nginx.conf --variable '$http_x_api_key' --keys-out keys.yaml

nginx compares the keys of a map without regard to case, Keygate byte for byte: a client that sends
its key in another case than the map has it is refused.

A map such as `default 0; \"key\" 1;` says which keys are valid, and not whose they are. Then
`--client-type partner` gives all of them one client type, and `--client-type 'partner-{n}'` each its own.";

/// The parameters of a map, which are not keys.
const PARAMETERS: [&str; 2] = ["default", "volatile"];

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// File that has the `map` blocks
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Variable that the maps look up, if another one
    #[arg(
        long = "variable",
        value_name = "VARIABLE",
        default_values = ["$http_client_key", "$http_secret", "$cookie_mia_client_key"]
    )]
    variables: Vec<String>,
    /// Client type of keys that a map only marks as valid, by `1`; in it, `{n}` numbers the keys
    #[arg(long, value_name = "TYPE")]
    client_type: Option<String>,
    #[command(flatten)]
    keys: OutArguments,
}

pub(super) fn run(arguments: &Arguments, now: Timestamp) -> Result<(), ImportError> {
    let text = Text::read(&arguments.file)?;
    let (keys, unassigned) = read(&text, arguments)?;
    if keys.is_empty() && unassigned == 0 {
        return Err(ImportError::Nothing {
            path: text.path,
            wanted: format!("a block `map {} …`", arguments.variables.join("` or `map ")),
        });
    }
    if unassigned > 0 {
        say(format_args!(
            "ignored: {unassigned} entries with an empty value or `0`, which have no client type"
        ));
    }
    keys::write(&keys, &arguments.keys, now)
}

/// Returns the keys of a file's maps, and how many entries have no client type.
fn read<'t>(
    text: &'t Text,
    arguments: &Arguments,
) -> Result<(Vec<FoundKey<'t>>, usize), SourceError> {
    let statements = syntax::parse(&text.text).map_err(|error| {
        let problem = Diagnostic::error(format!("not an nginx configuration: {error}"))
            .at(error.at..error.at)
            .help("run `nginx -t`: it reports the same file and line");
        text.rejected(&[problem])
    })?;
    let (mut keys, mut errors, mut unassigned) = (Vec::new(), Vec::new(), 0);
    let mut marked = Marked {
        client_type: arguments.client_type.as_deref(),
        count: 0,
    };
    for entry in entries(&statements, &arguments.variables) {
        match key(entry, text, &mut marked) {
            Ok(Some(key)) => keys.push(key),
            Ok(None) => unassigned += usize::from(!PARAMETERS.contains(&entry.name.text.as_str())),
            Err(message) => errors.push(Diagnostic::error(message).at(entry.name.span.clone())),
        }
    }
    if errors.is_empty() {
        Ok((keys, unassigned))
    } else {
        Err(text.rejected(&errors))
    }
}

/// The lines of the maps that look up one of these variables.
fn entries<'s>(statements: &'s [Statement], variables: &[String]) -> Vec<&'s Statement> {
    let (mut entries, mut blocks) = (Vec::new(), vec![statements]);
    while let Some(block) = blocks.pop() {
        for statement in block {
            let Some(inner) = &statement.block else {
                continue;
            };
            match statement.arguments.first() {
                Some(looked_up) if statement.name.text == "map" => {
                    if variables.iter().any(|it| is_same(it, &looked_up.text)) {
                        entries.extend(inner);
                    }
                }
                _ => blocks.push(inner),
            }
        }
    }
    entries.sort_by_key(|entry| entry.name.span.start);
    entries
}

/// Whether both are one variable: nginx takes `${name}` for `$name`, and compares without case.
fn is_same(one: &str, other: &str) -> bool {
    let name = |text: &str| text.replace(['{', '}'], "");
    name(one).eq_ignore_ascii_case(&name(other))
}

/// Returns the key of a map's line; `None` if it has no client type.
fn key<'t>(
    entry: &Statement,
    text: &'t Text,
    marked: &mut Marked<'_>,
) -> Result<Option<FoundKey<'t>>, String> {
    let value = entry.arguments.first().map_or("", |it| it.text.as_str());
    // `0` means no client type in the usual `if ($client_type = 0)`.
    let is_nobody = value.is_empty() || value == "0";
    match entry.name.text.as_str() {
        "volatile" => return Ok(None),
        "default" if is_nobody => return Ok(None),
        "default" => {
            let message =
                "the default allows callers without a valid key, which cannot be imported";
            return Err(message.to_owned());
        }
        "hostnames" => return Err("host names are not keys".to_owned()),
        "include" => return Err("replace it by the lines of the included file".to_owned()),
        name if name.starts_with('~') => {
            return Err("a regular expression is no key".to_owned());
        }
        _ => {}
    }
    if is_nobody {
        return Ok(None);
    }
    if value.contains('$') {
        return Err("the client type of this key is made of a variable".to_owned());
    }
    // A backslash keeps a key that is called like a special word from being one.
    let name = entry
        .name
        .text
        .strip_prefix('\\')
        .unwrap_or(&entry.name.text);
    let secret = Zeroizing::new(name.to_owned());
    let at = entry.name.span.start;
    if !is_mark(value) {
        return FoundKey::new(secret, value, text, at).map(Some);
    }
    let client_type = marked.next(value)?;
    say(format_args!(
        "{}: `{value}` is imported as the client type `{client_type}`",
        text.location(at)
    ));
    FoundKey::new(secret, &client_type, text, at).map(Some)
}

/// Whether a value only marks a key as valid, without a client type.
fn is_mark(value: &str) -> bool {
    let marks = [
        "1", "true", "yes", "on", "y", "ok", "allow", "allowed", "valid", "enabled", "active",
    ];
    marks.iter().any(|mark| value.eq_ignore_ascii_case(mark))
}

/// The client types for keys that a map only marks as valid.
struct Marked<'a> {
    /// As it was given; `{n}` stands for a number.
    client_type: Option<&'a str>,
    count: usize,
}

impl Marked<'_> {
    fn next(&mut self, value: &str) -> Result<String, String> {
        self.count += 1;
        let number = self.count.to_string();
        let given = self.client_type.map(|it| it.replace("{n}", &number));
        given.ok_or_else(|| {
            format!(
                "`{value}` only marks the key as valid: replace it by a client type, \
                 or set one with `--client-type TYPE` (`--client-type 'partner-{{n}}'` \
                 numbers them)"
            )
        })
    }
}
