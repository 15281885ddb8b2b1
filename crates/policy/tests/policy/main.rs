//! The policy model as its users see it: text in, decisions out.

mod decisions;
mod generate;
mod matching;
mod reference;
