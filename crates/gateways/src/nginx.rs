//! nginx: its configuration language, the includes that a user copies, and the check of a
//! configuration.

pub mod check;
pub mod includes;
pub mod syntax;
