//! The issuer of the tests, and the table of tokens that must be rejected.
//!
//! Both the tests of the crate `keygate-users` and the system tests include this folder.

pub(crate) mod hostile;
pub(crate) mod issuer;
