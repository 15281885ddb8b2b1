//! `keygate import mia`

use std::path::PathBuf;

use jiff::Timestamp;

use super::{
    ImportError,
    keys::{self, OutArguments, Text},
    say, secrets,
};

pub(super) const EXAMPLES: &str = "Examples:
  keygate import mia console.json --keys-out keys.yaml
  keygate import mia console.json --keys-out keys.yaml --pepper-file pepper";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Files as the Console exports them, each taken for what it holds
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    keys: OutArguments,
}

pub(super) fn run(arguments: &Arguments, now: Timestamp) -> Result<(), ImportError> {
    let texts = arguments.files.iter().map(|path| Text::read(path));
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    let mut keys = Vec::new();
    for text in &texts {
        let found = secrets::read(text)?;
        for passed_over in &found.passed_over {
            let path = text.path.display();
            say(format_args!("{path}: `{passed_over}` is passed over"));
        }
        let Some(mut found) = found.keys else {
            return Err(ImportError::Nothing {
                path: text.path.clone(),
                wanted: format!(
                    "a list of API keys, or an object that has one as `{}`",
                    secrets::NAMES.join("` or `")
                ),
            });
        };
        keys.append(&mut found);
    }
    keys::write(&keys, &arguments.keys, now)
}
