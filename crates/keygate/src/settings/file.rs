//! A settings file as a layer: its values, and the lines on which they stand.

use std::{collections::HashMap, fmt, path::Path};

use figment::value::{Dict, Value};
use keygate_documents::{
    content::{FileKind, Top},
    diagnostic::{Content, line_and_column},
    source::{self, SourceError},
    yaml,
};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess},
};
use serde_saphyr::Spanned;

use super::{Settings, SettingsError};

/// Settings whose value is a text however it is spelled: `0660` and `0o660` are not numbers there.
const TEXTS: [&str; 10] = [
    "keys",
    "policy",
    "shadow-policy",
    "pepper-file",
    "handoff-secret-file",
    "listen",
    "grpc-listen",
    "operations",
    "socket-mode",
    "service-version",
];

/// The settings that a file sets.
#[derive(Debug, Default)]
pub(super) struct FileLayer {
    pub(super) settings: Dict,
    /// The line of each, counted from 1.
    pub(super) lines: HashMap<String, usize>,
}

/// Reads a settings file: first as it must be, for errors with a span, then as a layer.
pub(super) fn read(path: &Path) -> Result<FileLayer, SettingsError> {
    let text = source::read(path).map_err(SettingsError::File)?;
    if yaml::is_empty(&text) {
        return Ok(FileLayer::default());
    }
    let known = Settings::names();
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    let kind = FileKind {
        top: Top::Fields(&known),
        inner: &[],
    };
    let content = Content::of(&text, &kind);
    layer(&text, content).map_err(|diagnostic| {
        let origin = path.display().to_string();
        let shown = diagnostic.show(&origin, &text, content);
        SettingsError::File(SourceError::Rejected(vec![shown]))
    })
}

fn layer(
    text: &str,
    content: Content,
) -> Result<FileLayer, keygate_documents::diagnostic::Diagnostic> {
    yaml::from_str::<Settings>(text, content)?;
    let mut settings: Dict = yaml::from_str(text, content)?;
    let Spelled(spelled) = yaml::from_str(text, content)?;
    let mut lines = HashMap::new();
    for (name, value) in spelled {
        let (line, _) = line_and_column(text, yaml::span(name.defined, text).start);
        if let Some(value) = value {
            settings.insert(name.value.clone(), Value::from(value));
        }
        lines.insert(name.value, line);
    }
    Ok(FileLayer { settings, lines })
}

/// The names of a file with their locations, and the values that are texts as they are spelled.
struct Spelled(Vec<(Spanned<String>, Option<String>)>);

impl<'de> Deserialize<'de> for Spelled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> de::Visitor<'de> for Names {
            type Value = Spelled;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("settings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Spelled, A::Error> {
                let mut spelled = Vec::new();
                while let Some(name) = map.next_key::<Spanned<String>>()? {
                    let value = if TEXTS.contains(&name.value.as_str()) {
                        map.next_value::<Option<String>>()?
                    } else {
                        map.next_value::<IgnoredAny>()?;
                        None
                    };
                    spelled.push((name, value));
                }
                Ok(Spelled(spelled))
            }
        }

        deserializer.deserialize_map(Names)
    }
}
