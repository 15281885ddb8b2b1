//! nginx: its configuration syntax, the includes for users, and the check of a configuration.

pub mod check;
pub mod includes;
pub mod syntax;
