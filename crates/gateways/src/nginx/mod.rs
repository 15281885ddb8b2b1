//! nginx: the includes that a user copies, and the check of its configuration.

pub mod check;
pub mod includes;
