//! `keygate schema`: JSON Schemas of the files that people write, for editors and pipelines.
//!
//! They describe only the structure of a file; `keygate check` validates the content.

use std::process::ExitCode;

use clap::ValueEnum;

use super::terminal;

pub(super) const EXAMPLE: &str = "Example:
  keygate schema policy > policy.schema.json

To validate policy.yaml in an editor, add this as its first line:
  # yaml-language-server: $schema=policy.schema.json";

/// `keygate schema`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// File that the schema describes
    file: File,
}

/// A file that people write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum File {
    /// The keys file, keys.yaml
    Keys,
    /// The policy file, policy.yaml
    Policy,
    /// The file of test cases for `keygate test`
    Cases,
    /// The settings file for `--config`
    Settings,
}

impl File {
    /// JSON Schema, draft 2020-12.
    const fn schema(self) -> &'static str {
        match self {
            Self::Keys => include_str!("../../schemas/keys.json"),
            Self::Policy => include_str!("../../schemas/policy.json"),
            Self::Cases => include_str!("../../schemas/cases.json"),
            Self::Settings => include_str!("../../schemas/settings.json"),
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    terminal::print(arguments.file.schema());
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests;
