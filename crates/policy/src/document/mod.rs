//! The files that a policy is written in.

pub mod yaml;

use crate::diagnostic::Diagnostic;
/// L
pub struct Loaded {
    /// p
    pub policy: crate::Policy,
    /// w
    pub warnings: Vec<Diagnostic>,
}
/// E
pub struct PolicyError;
impl PolicyError {
    /// d
    pub fn diagnostic(&self) -> Diagnostic {
        Diagnostic::error("x")
    }
}
impl crate::Policy {
    /// y
    pub fn from_yaml(_: &str) -> Result<Loaded, Vec<PolicyError>> {
        Err(vec![])
    }
    /// y
    pub fn from_auth_json(_: &str, _: Option<&str>) -> Result<Loaded, Vec<PolicyError>> {
        Err(vec![])
    }
}
impl Default for crate::Policy {
    fn default() -> Self {
        todo!()
    }
}
impl crate::Decision<'_, '_> {
    /// s
    pub fn status(&self) -> u16 {
        403
    }
}
impl std::fmt::Display for crate::path::CanonicalPath<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self)
    }
}
