//! Converts Mia-Platform's endpoints to an equivalent `policy.yaml`.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use keygate_documents::{diagnostic::Content, source::SourceError};
use keygate_mia::{auth_json::AuthJson, console::Console};
use keygate_policy::{Policy, policy::PolicyError};

use super::{ImportError, keys::Text, say, terminal};

/// The imported policy, and its sources.
pub(super) enum Found {
    /// One `auth.json`, or several merged in their order.
    AuthJson(AuthJson),
    /// The endpoints of a Console configuration.
    Console(Console),
}

/// Reads an `auth.json` and merges it into those before it.
///
/// # Errors
/// Every error in it, or it follows a Console configuration.
pub(super) fn auth_json(found: Option<Found>, text: &Text) -> Result<Found, ImportError> {
    let content = Content::of(&text.text, &AuthJson::FILE_KIND);
    let file = AuthJson::parse(&text.text).map_err(|errors| rejected(text, &errors, content))?;
    text.warn_of(&file.warnings);
    match found {
        None => Ok(Found::AuthJson(file)),
        Some(Found::AuthJson(before)) => Ok(Found::AuthJson(before.extended_by(file))),
        Some(Found::Console(_)) => Err(ImportError::TwoPolicies(text.path.clone())),
    }
}

/// The endpoints of a Console configuration.
pub(super) fn console(text: &Text) -> Result<Console, SourceError> {
    let console =
        Console::parse(&text.text).map_err(|errors| rejected(text, &errors, Content::Secret))?;
    // A text that was read as an expression is one.
    text.warn_of(&console.warnings);
    Ok(console)
}

/// Renders every error, without the file's text if it may contain keys.
fn rejected(text: &Text, errors: &[PolicyError], content: Content) -> SourceError {
    let errors = errors.iter().map(|error| error.diagnostic_for(content));
    text.rejected(&errors.collect::<Vec<_>>())
}

/// The text of the policy, which is known to load.
pub(super) fn text(found: &Found, out: Option<&Path>) -> Result<String, ImportError> {
    let text = match found {
        Found::AuthJson(file) => file.to_policy_yaml(),
        Found::Console(console) => console.to_policy_yaml(),
    };
    checked(text, out)
}

/// A text that loads as a policy, and that can be written.
pub(super) fn checked(text: String, out: Option<&Path>) -> Result<String, ImportError> {
    let origin = "the converted policy";
    Policy::from_yaml(&text).map_err(|errors| {
        let show = |error: &PolicyError| error.diagnostic().render(origin, &text);
        SourceError::Rejected(errors.iter().map(show).collect())
    })?;
    match out {
        // A file with changes by hand is not overwritten.
        Some(path) if path.exists() => Err(ImportError::Exists(path.to_owned())),
        _ => Ok(text),
    }
}

/// Writes the policy.
pub(super) fn write(text: &str, out: Option<&Path>) -> Result<(), ImportError> {
    let Some(path) = out else {
        terminal::print(text);
        return Ok(());
    };
    create_complete(path, text).map_err(|error| ImportError::Unwritable {
        path: path.to_owned(),
        error,
    })?;
    say(format_args!("wrote the endpoints to {}", path.display()));
    Ok(())
}

/// Creates a file that appears only when it is complete: a service may be waiting for it.
fn create_complete(path: &Path, text: &str) -> io::Result<()> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    let fresh = path.with_file_name(name);
    let created = File::create_new(&fresh)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        // Unlike a rename, a link does not replace a file that was created meanwhile.
        .and_then(|()| fs::hard_link(&fresh, path));
    let removed = fs::remove_file(&fresh);
    created.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_complete_and_replaces_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.yaml");
        create_complete(&path, "one\n").unwrap();
        let again = create_complete(&path, "two\n").unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
