//! A tree of path segments with allocation-free search.

use std::{collections::HashMap, hash::BuildHasherDefault};

use rustc_hash::FxHasher;

use crate::path::{Segment, Segments};

/// Values by [`Pattern`](crate::path::Pattern).
///
/// Lookup follows the path's segments: its cost depends on the path's length, not on the number of
/// patterns. At each node a literal segment is tried before a placeholder, and a placeholder before
/// the rest of the path, so the first match is the most specific one.
///
/// The recursion depth is that of the longest pattern, and [`Pattern`](crate::path::Pattern) bounds it.
#[derive(Debug)]
pub(super) struct Trie<T> {
    // The keys come from the policy's author, and requests only look up: a hash that resists hostile
    // keys would cost more without a benefit.
    literals: HashMap<Box<[u8]>, Trie<T>, BuildHasherDefault<FxHasher>>,
    parameter: Option<Box<Trie<T>>>,
    value: Option<Box<T>>,
    rest: Option<Box<T>>,
}

impl<T> Default for Trie<T> {
    fn default() -> Self {
        Self {
            literals: HashMap::default(),
            parameter: None,
            value: None,
            rest: None,
        }
    }
}

impl<T: Default> Trie<T> {
    /// The value of a pattern, inserted if there is none.
    pub(super) fn entry(&mut self, pattern: &[Segment]) -> &mut T {
        match pattern.split_first() {
            None => self.value.get_or_insert_default(),
            Some((Segment::Literal(text), below)) => {
                self.literals.entry(text.clone()).or_default().entry(below)
            }
            Some((Segment::Parameter(_), below)) => {
                self.parameter.get_or_insert_default().entry(below)
            }
            Some((Segment::Rest(_), _)) => self.rest.get_or_insert_default(),
        }
    }
}

impl<T> Trie<T> {
    /// Returns the first result of `accept` over the values whose patterns match all `segments`, the
    /// most specific first.
    pub(super) fn find<'t, R>(
        &'t self,
        mut segments: Segments<'_>,
        accept: &impl Fn(&'t T) -> Option<R>,
    ) -> Option<R> {
        let Some(segment) = segments.next() else {
            return self.value.as_deref().and_then(accept);
        };
        let literal = self
            .literals
            .get(segment)
            .and_then(|below| below.find(segments.clone(), accept));
        if literal.is_some() || segment.is_empty() {
            return literal;
        }
        let parameter = self
            .parameter
            .as_ref()
            .and_then(|below| below.find(segments, accept));
        parameter.or_else(|| self.rest.as_deref().and_then(accept))
    }

    /// Returns the result of `accept` over the values whose patterns match the start of `segments`, the
    /// longest first, and the rest of the path.
    pub(super) fn find_longest<'t, 's, R>(
        &'t self,
        segments: Segments<'s>,
        accept: &impl Fn(&'t T) -> Option<R>,
    ) -> Option<(R, Segments<'s>)> {
        let mut longest = None;
        self.find_longer(0, segments, accept, &mut longest);
        longest.map(|Found { result, left, .. }| (result, left))
    }

    fn find_longer<'t, 's, R>(
        &'t self,
        depth: usize,
        mut segments: Segments<'s>,
        accept: &impl Fn(&'t T) -> Option<R>,
        longest: &mut Option<Found<'s, R>>,
    ) {
        // Of two equally long patterns the first one wins, since it is the more specific.
        if longest.as_ref().is_none_or(|found| depth > found.depth)
            && let Some(result) = self.value.as_deref().and_then(accept)
        {
            *longest = Some(Found {
                depth,
                result,
                left: segments.clone(),
            });
        }
        let Some(segment) = segments.next() else {
            return;
        };
        if let Some(below) = self.literals.get(segment) {
            below.find_longer(depth + 1, segments.clone(), accept, longest);
        }
        if let (Some(below), false) = (&self.parameter, segment.is_empty()) {
            below.find_longer(depth + 1, segments, accept, longest);
        }
    }
}

/// The longest match so far.
struct Found<'s, R> {
    depth: usize,
    result: R,
    left: Segments<'s>,
}
