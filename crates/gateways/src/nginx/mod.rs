//! nginx: the includes that a user copies.

pub mod includes;
