//! `keygate import nginx-map`

use std::{collections::BTreeSet, path::PathBuf};

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

An nginx map is case-insensitive, whereas Keygate compares keys byte by byte. A client that sends its key in a
different case from the map gets 401.

A map such as `default 0; \"key\" 1;` marks keys as valid, but gives them no client type. To give all of these keys
the same client type, use `--client-type partner`, for example. To number the client types instead, end the value
of `--client-type` with the letter n in curly braces, which the import replaces with a number.";

/// The parameters of a map, which are not keys.
const PARAMETERS: [&str; 2] = ["default", "volatile"];

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Path to the file that contains the `map` blocks
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Source variable of the maps, which contains the key
    #[arg(
        long = "variable",
        value_name = "VARIABLE",
        default_values = ["$http_client_key", "$http_secret", "$cookie_mia_client_key"]
    )]
    variables: Vec<String>,
    /// Client type for keys to which a map assigns no client type, but only a value such as `1`
    #[arg(long, value_name = "TYPE")]
    client_type: Option<String>,
    #[command(flatten)]
    keys: OutArguments,
}

pub(super) fn run(arguments: &Arguments, now: Timestamp) -> Result<(), ImportError> {
    let text = Text::read(&arguments.file)?;
    let statements = parse(&text)?;
    let (keys, unassigned) = read(&text, &statements, arguments)?;
    if keys.is_empty() && unassigned == 0 {
        return Err(ImportError::Nothing {
            path: text.path,
            wanted: format!("a block `map {} …`", arguments.variables.join("` or `map ")),
        });
    }
    if unassigned > 0 {
        say(format_args!(
            "ignored {unassigned} entries without a client type (the value is empty or `0`)"
        ));
    }
    keys::write(&keys, &arguments.keys, now)?;
    say_what_is_left(&text, &maps(&statements, &arguments.variables), &statements);
    Ok(())
}

fn parse(text: &Text) -> Result<Vec<Statement>, SourceError> {
    syntax::parse(&text.text).map_err(|error| {
        let problem = Diagnostic::error(format!("not an nginx configuration: {error}"))
            .at(error.at..error.at)
            .help("run `nginx -t`, which reports the same file and line");
        text.rejected(&[problem])
    })
}

/// Names the settings that the maps stand for, and the rules by their results, which the policy replaces.
fn say_what_is_left(text: &Text, maps: &[&Statement], statements: &[Statement]) {
    let sources: BTreeSet<_> = maps
        .iter()
        .filter_map(|map| map.arguments.first())
        .map(|it| {
            it.text
                .trim_start_matches(['$', '{'])
                .trim_end_matches('}')
                .to_ascii_lowercase()
        })
        .collect();
    for source in &sources {
        if let Some(header) = source.strip_prefix("http_") {
            let header = header.replace('_', "-");
            say(format_args!(
                "clients send keys in the header `{header}`: add it to the setting `key-headers` \
                 if it is not there yet"
            ));
        } else if let Some(cookie) = source.strip_prefix("cookie_") {
            say(format_args!(
                "clients send keys in the cookie `{cookie}`: add it to the setting `key-cookies` \
                 if it is not there yet"
            ));
        }
    }
    let results: Vec<_> = maps.iter().filter_map(|map| map.arguments.get(1)).collect();
    for rule in all(statements)
        .into_iter()
        .filter(|it| it.name.text == "if")
    {
        let condition = rule.arguments.iter().flat_map(|it| variables(&it.text));
        let decides = |name: &str| results.iter().any(|result| is_same(&result.text, name));
        if let Some(variable) = condition.into_iter().find(|name| decides(name)) {
            say(format_args!(
                "{}: this `if` decides on `{variable}`: move the rule to the policy, and remove \
                 the `if`",
                text.location(rule.name.span.start)
            ));
        }
    }
}

/// All statements, in blocks too, in the order of the file.
fn all(statements: &[Statement]) -> Vec<&Statement> {
    let mut left: Vec<_> = statements.iter().rev().collect();
    let mut found = Vec::new();
    while let Some(statement) = left.pop() {
        found.push(statement);
        left.extend(statement.block.iter().flatten().rev());
    }
    found
}

/// The variables in a condition, with their dollar sign.
fn variables(text: &str) -> impl Iterator<Item = String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let names = text.split('$').skip(1).map(move |rest| {
        let rest = rest.trim_start_matches('{');
        rest.split(|c| !is_name(c)).next().unwrap_or_default()
    });
    names.map(|name| format!("${name}"))
}

/// Returns the keys of a file's maps, and how many entries have no client type.
fn read<'t>(
    text: &'t Text,
    statements: &[Statement],
    arguments: &Arguments,
) -> Result<(Vec<FoundKey<'t>>, usize), SourceError> {
    let (mut keys, mut errors, mut unassigned) = (Vec::new(), Vec::new(), 0);
    let mut marked = Marked {
        client_type: arguments.client_type.as_deref(),
        count: 0,
    };
    let maps = maps(statements, &arguments.variables);
    for entry in maps.iter().flat_map(|map| map.block.iter().flatten()) {
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

/// The maps that look up one of these variables.
fn maps<'s>(statements: &'s [Statement], variables: &[String]) -> Vec<&'s Statement> {
    let is_looked_up = |text: &str| variables.iter().any(|it| is_same(it, text));
    all(statements)
        .into_iter()
        .filter(|it| it.name.text == "map" && it.block.is_some())
        .filter(|it| {
            it.arguments
                .first()
                .is_some_and(|it| is_looked_up(&it.text))
        })
        .collect()
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
        "include" => return Err("replace it with the contents of the included file".to_owned()),
        name if name.starts_with('~') => {
            return Err("a regular expression is not a key".to_owned());
        }
        _ => {}
    }
    if is_nobody {
        return Ok(None);
    }
    if value.contains('$') {
        return Err("the client type of this key contains a variable".to_owned());
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
        "{}: imported `{value}` as the client type `{client_type}`",
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

/// The client types for keys to which a map assigns none.
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
                "`{value}` only marks the key as valid: replace it with a client type, or set one \
                 with `--client-type TYPE` (`--client-type 'partner-{{n}}'` creates numbered \
                 client types)"
            )
        })
    }
}
