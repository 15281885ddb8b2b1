//! Random policies and requests from a small alphabet, so that requests match rules.

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{select, subsequence},
};

use crate::reference::{Endpoint, Entry, Model, Segment};

pub(crate) const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "OPTIONS", "PURGE"];
pub(crate) const HOSTS: [&str; 6] = ["a.x", "b.a.x", "c.b.a.x", "x", "a.y", "z"];

fn segment() -> impl Strategy<Value = Segment> {
    prop_oneof![
        3 => select(&["a", "b"][..]).prop_map(Segment::Text),
        1 => Just(Segment::One),
    ]
}

fn methods() -> impl Strategy<Value = Option<Vec<&'static str>>> {
    option::of(subsequence(vec!["GET", "HEAD", "POST"], 1..=3))
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let hosts = prop_oneof![
        3 => Just(Vec::new()),
        1 => subsequence(vec!["a.x", "b.a.x", "*.x", "*.a.x", "x"], 1..=2),
    ];
    (vec(segment(), 0..3), methods(), hosts, vec(route(), 0..4)).prop_map(
        |(path, methods, hosts, routes)| Endpoint {
            entry: Entry {
                path,
                slash: false,
                methods,
            },
            hosts,
            routes,
        },
    )
}

fn route() -> impl Strategy<Value = Entry> {
    (
        vec(segment(), 0..3),
        prop::bool::weighted(0.2),
        any::<bool>(),
        methods(),
    )
        .prop_map(|(mut path, rest, slash, methods)| {
            if rest {
                path.push(Segment::Rest);
            }
            // `/` is how the route to the base itself is written.
            let slash = (slash || path.is_empty()) && !rest;
            Entry {
                path,
                slash,
                methods,
            }
        })
}

pub(crate) fn model() -> impl Strategy<Value = Model> {
    (prop::bool::weighted(0.3), vec(endpoint(), 1..6))
        .prop_map(|(strict, endpoints)| Model { strict, endpoints })
}

/// A canonical path.
pub(crate) fn path() -> impl Strategy<Value = String> {
    (vec(select(&["a", "b", "d"][..]), 0..6), any::<bool>()).prop_map(|(segments, slash)| {
        let path: String = segments.iter().flat_map(|segment| ["/", segment]).collect();
        if slash || path.is_empty() {
            path + "/"
        } else {
            path
        }
    })
}
