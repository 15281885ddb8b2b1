//! The environment variables of Mia-Platform's Authorization Service, so that its users can keep them.
//!
//! Source: Mia-Platform documentation, Authorization Service, "Environment variables".

use figment::value::{Dict, Value};

use super::{SettingsError, users};

/// A known name that is ignored: a gateway that requests `/auth` itself needs no service prefix.
const WITHOUT_EFFECT: [&str; 1] = ["SERVICE_PREFIX"];

/// Where the userinfo service is.
const USERINFO: &str = "USERINFO_URL";

/// The headers that are sent to it.
const HEADERS: &str = "HEADERS_TO_PROXY";

/// Whether headers of the gateway name the user.
const TRUST: &str = "TRUST_MIA_USER_HEADERS";

/// The peers that these headers are accepted from, which Mia-Platform's service does not require.
const TRUSTED_PEERS: &str = "KEYGATE_TRUSTED_PEERS";

/// The folder of the policy file.
pub(super) const FOLDER: &str = "CONFIGURATION_PATH";

/// The name of the policy file, to which Mia-Platform's service adds `.json`.
pub(super) const FILE: &str = "CONFIGURATION_FILE_NAME";

/// The port of the data listener.
pub(crate) const PORT: &str = "HTTP_PORT";

/// A setting that a variable of theirs stands for.
pub(super) struct Set {
    pub(super) variable: &'static str,
    pub(super) setting: &'static str,
    pub(super) value: Value,
}

/// The settings that the environment stands for; an empty variable is not set.
///
/// # Errors
/// A value that cannot be translated into one of ours.
pub(super) fn settings(environment: &[(String, String)]) -> Result<Vec<Set>, SettingsError> {
    let mut settings = Vec::new();
    let mut set = |variable, setting, value: &str| {
        settings.push(Set {
            variable,
            setting,
            value: value.into(),
        });
    };
    if let Some(port) = variable(environment, PORT) {
        if port.parse::<u16>().is_err() {
            return Err(bad(
                PORT,
                port,
                "write a port from 1 to 65535, such as `3000`",
            ));
        }
        // Their services listen on every address of the container.
        set(PORT, "listen", &format!("0.0.0.0:{port}"));
    }
    for (name, setting) in [
        ("LOG_LEVEL", "log-level"),
        ("BACKOFFICE_HEADER_KEY", "backoffice-header"),
        ("CLIENT_TYPE_HEADER_KEY", "client-type-header"),
        ("DELAY_SHUTDOWN_SECONDS", "shutdown-delay-seconds"),
        ("SERVICE_VERSION", "service-version"),
    ] {
        if let Some(value) = variable(environment, name) {
            set(name, setting, value);
        }
    }
    let strict = "AUTHORIZATION_STRICT_MODE_ENABLED";
    match variable(environment, strict) {
        Some("true") => set(strict, "answer-with", "status"),
        Some("false") => set(strict, "answer-with", "header"),
        Some(other) => return Err(bad(strict, other, "write `true` or `false`")),
        None => {}
    }
    if let Some(folder) = variable(environment, FOLDER) {
        let folder = folder.trim_end_matches('/');
        let file = file_name(variable(environment, FILE).unwrap_or("auth"));
        set(FOLDER, "policy", &format!("{folder}/{file}"));
    }
    Ok(settings)
}

/// Returns the sources of users that the environment stands for, if it names any; `section` is what a file says.
///
/// # Errors
/// A value that cannot be translated, or no peers for trusted headers.
pub(super) fn users(
    environment: &[(String, String)],
    section: Option<&Value>,
) -> Result<Option<Set>, SettingsError> {
    let mut value = Dict::new();
    let mut set_by = None;
    if let Some(url) = variable(environment, USERINFO) {
        let has_headers = section.is_some_and(|it| it.find_ref("userinfo.headers").is_some());
        if !has_headers && variable(environment, HEADERS).is_none() {
            return Err(SettingsError::Setting(format!(
                "`{USERINFO}` is set, but `{HEADERS}` is not: set it to the headers that identify \
                 the user to the userinfo service, such as `cookie` or `authorization`"
            )));
        }
        value.insert("userinfo".to_owned(), userinfo(environment, url).into());
        set_by = Some(USERINFO);
    }
    match variable(environment, TRUST) {
        Some("true") => {
            let has_peers =
                section.is_some_and(|it| it.find_ref("trusted-headers.peers").is_some());
            let trusted = trusted_headers(environment, has_peers)?;
            value.insert("trusted-headers".to_owned(), trusted.into());
            set_by = set_by.or(Some(TRUST));
        }
        Some("false") if section.is_some_and(|it| it.find_ref("trusted-headers").is_some()) => {
            return Err(SettingsError::Setting(format!(
                "`{TRUST}` is `false`, but the settings file contains `users.trusted-headers`: \
                 remove one of the two"
            )));
        }
        Some("false") | None => {}
        Some(other) => return Err(bad(TRUST, other, "write `true` or `false`")),
    }
    Ok(set_by.map(|variable| Set {
        variable,
        setting: "users",
        value: users::merged(section.cloned(), value),
    }))
}

fn userinfo(environment: &[(String, String)], url: &str) -> Dict {
    let mut section = Dict::from([("url".to_owned(), url.into())]);
    let mut set = |name: &str, value: Value| {
        section.insert(name.to_owned(), value);
    };
    if let Some(url) = variable(environment, "BACKOFFICE_USERINFO_URL") {
        set("backoffice-url", url.into());
    }
    if let Some(names) = variable(environment, HEADERS) {
        set("headers", sent_on(names));
    }
    if let Some(names) = variable(environment, "AUTHORIZATION_HEADERS_TO_PROXY") {
        set("only-with", sent_on(names));
    }
    if let Some(name) = variable(environment, "CUSTOM_USER_ID_KEY") {
        set("id", pointer(name).into());
    }
    if let Some(name) = variable(environment, "CUSTOM_PERMISSIONS_KEY") {
        set("permissions", vec![pointer(name)].into());
    }
    if let Some(names) = variable(environment, "USER_PROPERTIES_TO_PROXY") {
        set(
            "properties",
            list(names).map(pointer).collect::<Vec<_>>().into(),
        );
    }
    section
}

fn trusted_headers(
    environment: &[(String, String)],
    has_peers: bool,
) -> Result<Dict, SettingsError> {
    let mut section = Dict::new();
    for (name, field) in [
        ("USERID_HEADER_KEY", "id"),
        ("GROUPS_HEADER_KEY", "groups"),
        ("USER_PROPERTIES_HEADER_KEY", "properties"),
    ] {
        if let Some(header) = variable(environment, name) {
            section.insert(field.to_owned(), header.into());
        }
    }
    if let Some(peers) = variable(environment, TRUSTED_PEERS) {
        let peers: Vec<_> = list(peers).map(str::to_owned).collect();
        section.insert("peers".to_owned(), peers.into());
    } else if !has_peers {
        return Err(SettingsError::Setting(format!(
            "`{TRUST}` is set, but the gateways that can send these headers are not, so any client \
             of this service could choose a user: set `{TRUSTED_PEERS}`, for example to `unix` or \
             `10.1.0.0/16`, or `users.trusted-headers.peers` in a settings file"
        )));
    }
    Ok(section)
}

/// The headers that are sent on to the userinfo service; `host`, which their examples name, is that of the
/// service itself.
fn sent_on(names: &str) -> Value {
    let names = list(names).filter(|name| !name.eq_ignore_ascii_case("host"));
    names.map(str::to_owned).collect::<Vec<_>>().into()
}

/// The JSON Pointer (RFC 6901) to a member by its name.
fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
}

/// Returns the variables that name sources of users, and are set.
pub(crate) fn sources_of_users(
    environment: &[(String, String)],
) -> impl Iterator<Item = &'static str> {
    let is_set = |name: &&str| variable(environment, name).is_some();
    [USERINFO, TRUST].into_iter().filter(is_set)
}

/// Whether a variable of ours belongs to one of theirs that is set, and is no setting by itself.
pub(super) fn is_companion(name: &str, environment: &[(String, String)]) -> bool {
    name == TRUSTED_PEERS && variable(environment, TRUST) == Some("true")
}

/// The file's name: theirs has no suffix, and one that has is taken as it is.
fn file_name(name: &str) -> String {
    if [".json", ".yaml", ".yml"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
    {
        name.to_owned()
    } else {
        format!("{name}.json")
    }
}

fn bad(variable: &str, value: &str, help: &str) -> SettingsError {
    SettingsError::Setting(format!("`{variable}` is `{value}`: {help}"))
}

pub(super) fn variable<'e>(environment: &'e [(String, String)], name: &str) -> Option<&'e str> {
    let (_, value) = environment.iter().find(|(set, _)| set == name)?;
    Some(value.as_str()).filter(|value| !value.is_empty())
}

/// The names in the environment that are known and change nothing.
pub(crate) fn without_effect(environment: &[(String, String)]) -> impl Iterator<Item = &str> {
    let is_set = |name: &&str| variable(environment, name).is_some();
    WITHOUT_EFFECT.into_iter().filter(move |name| is_set(name))
}
