//! Mia-Platform's formats: `auth.json` and the configurations that their Console exports.
//!
//! Each is converted to Keygate's own types: endpoints to a [`keygate_policy::Policy`] or the text of
//! an equivalent `policy.yaml`.
//!
//! *Invariant: pure.* No file and no environment variable is read here.

pub mod auth_json;
pub mod console;
mod write;
