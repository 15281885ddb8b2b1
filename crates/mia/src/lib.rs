//! Mia-Platform's formats: `auth.json` and the configurations that their Console exports.
//!
//! Each is read into what Keygate has of its own: endpoints into a [`keygate_policy::Policy`] or the
//! text of a `policy.yaml` that decides the same.
//!
//! *Invariant: pure.* Text goes in, values come out; nothing here opens a file or reads the environment.

pub mod auth_json;
pub mod console;
mod write;
