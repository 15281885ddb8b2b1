//! The format of Kong's declarative configuration (Kong Gateway documentation, "Declarative configuration").
//!
//! Entities are nested in the one that they belong to, or stand at the top and name it.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;
use zeroize::Zeroizing;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct Document {
    #[serde(rename = "_format_version")]
    pub(super) format_version: Option<String>,
    pub(super) consumers: Vec<Consumer>,
    pub(super) services: Vec<Service>,
    pub(super) routes: Vec<Route>,
    pub(super) plugins: Vec<Plugin>,
    pub(super) keyauth_credentials: Vec<Spanned<Credential>>,
    pub(super) acls: Vec<Group>,
}

#[derive(Deserialize)]
pub(super) struct Consumer {
    id: Option<String>,
    username: Option<String>,
    custom_id: Option<String>,
    #[serde(default)]
    pub(super) keyauth_credentials: Vec<Spanned<Credential>>,
    #[serde(default)]
    pub(super) acls: Vec<Group>,
    #[serde(default)]
    pub(super) plugins: Vec<Plugin>,
}

#[derive(Deserialize)]
pub(super) struct Credential {
    pub(super) key: Zeroizing<String>,
    pub(super) consumer: Option<Reference>,
}

/// A group of a consumer, by which the plugin `acl` decides.
#[derive(Deserialize)]
pub(super) struct Group {
    pub(super) group: String,
    pub(super) consumer: Option<Reference>,
}

#[derive(Deserialize)]
pub(super) struct Service {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) enabled: Option<bool>,
    #[serde(default)]
    pub(super) routes: Vec<Route>,
    #[serde(default)]
    pub(super) plugins: Vec<Plugin>,
}

#[derive(Deserialize)]
pub(super) struct Route {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) service: Option<Reference>,
    pub(super) paths: Option<Vec<String>>,
    pub(super) methods: Option<Vec<String>>,
    pub(super) hosts: Option<Vec<String>>,
    /// Conditions that a policy does not have.
    pub(super) headers: Option<Value>,
    pub(super) snis: Option<Vec<String>>,
    pub(super) sources: Option<Value>,
    pub(super) destinations: Option<Value>,
    pub(super) expression: Option<String>,
    #[serde(default)]
    pub(super) plugins: Vec<Plugin>,
}

#[derive(Deserialize)]
pub(super) struct Plugin {
    pub(super) name: String,
    pub(super) enabled: Option<bool>,
    #[serde(default)]
    pub(super) config: Config,
    pub(super) service: Option<Reference>,
    pub(super) route: Option<Reference>,
    pub(super) consumer: Option<Reference>,
    pub(super) consumer_group: Option<Reference>,
}

/// The parts of `key-auth`'s and `acl`'s configuration that decide who may call a route.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Config {
    pub(super) key_names: Option<Vec<String>>,
    pub(super) anonymous: Option<String>,
    #[serde(alias = "whitelist")]
    pub(super) allow: Option<Vec<String>>,
    #[serde(alias = "blacklist")]
    pub(super) deny: Option<Vec<String>>,
    /// The groups of consumers count too, which are not converted.
    pub(super) include_consumer_groups: Option<bool>,
}

/// The entity that another one belongs to: its name or id, or an object with one of them.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Reference {
    Name(String),
    Object {
        id: Option<String>,
        name: Option<String>,
        username: Option<String>,
    },
}

impl Reference {
    /// Whether it names the entity that has these names.
    pub(super) fn is(&self, names: &[&Option<String>]) -> bool {
        let known = |wanted: &String| names.iter().any(|name| name.as_ref() == Some(wanted));
        match self {
            Self::Name(name) => known(name),
            Self::Object { id, name, username } => {
                [id, name, username].into_iter().flatten().any(known)
            }
        }
    }
}

impl Document {
    /// The error for a format in which paths have another meaning.
    pub(super) fn other_format(&self) -> Option<String> {
        let version = self.format_version.as_ref()?;
        (!version.starts_with('3')).then(|| {
            "the format is not 3.0, so any path could be a regular expression: convert the file \
             with `deck file convert --from kong-gateway-2.x --to kong-gateway-3.x`"
                .to_owned()
        })
    }

    /// Errors for consumers that would have one client type.
    pub(super) fn shared_names(&self) -> Vec<String> {
        let mut names = BTreeSet::new();
        let all = self.consumers.iter().filter_map(Consumer::name);
        let shared = all.filter(|name| !names.insert(*name));
        shared
            .map(|name| {
                format!(
                    "two consumers would get the client type `{name}`: give each of them a \
                         unique `username`"
                )
            })
            .collect()
    }

    /// The consumer that is referred to.
    pub(super) fn consumer(&self, reference: &Reference) -> Option<&Consumer> {
        let mut consumers = self.consumers.iter();
        consumers.find(|it| reference.is(&it.names()))
    }

    /// The groups of a consumer.
    pub(super) fn groups_of<'d>(&'d self, consumer: &'d Consumer) -> impl Iterator<Item = &'d str> {
        let flat = self.acls.iter().filter(move |group| {
            let owner = group.consumer.as_ref();
            owner.is_some_and(|owner| owner.is(&consumer.names()))
        });
        let all = consumer.acls.iter().chain(flat);
        all.map(|group| group.group.as_str())
    }
}

impl Consumer {
    /// What other entities may call it: a `custom_id` may be another consumer's `username`.
    fn names(&self) -> [&Option<String>; 2] {
        [&self.id, &self.username]
    }

    /// The name that becomes the client type.
    pub(super) fn name(&self) -> Option<&str> {
        let name = self.username.as_ref().or(self.custom_id.as_ref());
        name.map(String::as_str)
    }
}
