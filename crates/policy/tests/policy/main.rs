//! The policy model as its users see it: text in, decisions out.

// `cfg(test)` tells the lints that these are tests.
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod generate;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod matching;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod readings;
#[cfg(test)]
mod reference;
