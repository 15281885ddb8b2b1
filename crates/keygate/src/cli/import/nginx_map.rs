//! `keygate import nginx-map`

use std::path::PathBuf;

use jiff::Timestamp;
use keygate_documents::{diagnostic::Diagnostic, source::SourceError};
use nginx_lint_parser::ast::{Argument, Directive};
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
its key in another case than the map has it is refused.";

/// What stands in a map beside its keys, and does no harm.
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
    #[command(flatten)]
    keys: OutArguments,
}

pub(super) fn run(arguments: &Arguments, now: Timestamp) -> Result<(), ImportError> {
    let text = Text::read(&arguments.file)?;
    let (keys, nobodys) = read(&text, &arguments.variables)?;
    if keys.is_empty() && nobodys == 0 {
        return Err(ImportError::Nothing {
            path: text.path,
            wanted: format!("a block `map {} …`", arguments.variables.join("` or `map ")),
        });
    }
    if nobodys > 0 {
        say(format_args!(
            "passed over: {nobodys} with an empty value or `0`, which are nobody's"
        ));
    }
    keys::write(&keys, &arguments.keys, now)
}

/// The keys of a file's maps, and how many lead to nobody.
fn read<'t>(
    text: &'t Text,
    variables: &[String],
) -> Result<(Vec<FoundKey<'t>>, usize), SourceError> {
    // What the parser says may quote the file.
    let parsed = nginx_lint_parser::parse_string(&text.text).map_err(|error| {
        let at = error.position().map_or(0, |position| position.offset);
        let mistake = Diagnostic::error("this is no nginx configuration")
            .at(at..at)
            .help("`nginx -t` says whether nginx takes it");
        text.rejected(&[mistake])
    })?;
    let is_wanted = |map: &&Directive| {
        let source = map.args.first();
        map.name == "map" && source.is_some_and(|it| variables.contains(&it.raw))
    };
    let (mut keys, mut mistakes, mut nobodys) = (Vec::new(), Vec::new(), 0);
    for map in parsed.all_directives().filter(is_wanted) {
        for entry in map
            .block
            .iter()
            .flat_map(nginx_lint_parser::ast::Block::directives)
        {
            match key(entry, text) {
                Ok(Some(key)) => keys.push(key),
                Ok(None) => nobodys += usize::from(!PARAMETERS.contains(&entry.name.as_str())),
                Err(message) => {
                    let at = entry.name_span.start.offset..entry.name_span.end.offset;
                    mistakes.push(Diagnostic::error(message).at(at));
                }
            }
        }
    }
    if mistakes.is_empty() {
        Ok((keys, nobodys))
    } else {
        Err(text.rejected(&mistakes))
    }
}

/// The key that one line of a map stands for; `None` where it stands for nobody's.
fn key<'t>(entry: &Directive, text: &'t Text) -> Result<Option<FoundKey<'t>>, String> {
    let value = entry.args.first().map(value).unwrap_or_default();
    // `0` is nobody in the usual `if ($client_type = 0)`.
    let is_nobody = value.is_empty() || value == "0";
    match entry.name.as_str() {
        "volatile" => return Ok(None),
        "default" if is_nobody => return Ok(None),
        "default" => {
            let message =
                "the default lets in whoever has no key, or a wrong one: that cannot be imported";
            return Err(message.to_owned());
        }
        "hostnames" => return Err("host names are no keys".to_owned()),
        "include" => return Err("put the lines of the included file here".to_owned()),
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
    let name = entry.name.strip_prefix('\\').unwrap_or(&entry.name);
    let secret = Zeroizing::new(name.to_owned());
    FoundKey::new(secret, &value, text, entry.name_span.start.offset).map(Some)
}

fn value(argument: &Argument) -> String {
    if argument.is_quoted() {
        argument.as_str().to_owned()
    } else {
        argument.raw.clone()
    }
}
