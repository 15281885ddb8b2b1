//! The tables of docs/reference/ have every reason and every class of ambiguous paths.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use keygate_policy::Reason;
use keygate_policy::path::{Ambiguity, Treatment};
use keygate_resolver::ResolutionReason;

use crate::support::gateway::ROOT;

/// The cells of the tables below a heading.
fn rows(page: &str, title: &str) -> Vec<Vec<String>> {
    let page = Path::new(ROOT).join("docs/reference").join(page);
    let text = fs::read_to_string(page).unwrap();
    let (_, section) = text.split_once(&format!("\n## {title}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| `"));
    lines
        .map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

#[test]
fn the_documentation_has_each_reason_with_its_status() {
    let of_authorizer = Reason::ALL.map(|it| (it.as_str(), Some(it.status(true).code())));
    let of_resolver = ResolutionReason::ALL.map(|it| (it.as_str(), None));
    let mut existing = BTreeMap::new();
    for (from, reasons) in [
        ("authorizer", of_authorizer.as_slice()),
        ("resolver", of_resolver.as_slice()),
    ] {
        for (reason, status) in reasons {
            let entry = existing
                .entry((*reason).to_owned())
                .or_insert((*status, from));
            if entry.1 != from {
                entry.1 = "both";
            }
        }
    }
    for row in rows("headers.md", "Reasons") {
        let [_, reason, status, from, ..] = row.as_slice() else {
            panic!("{row:?}")
        };
        let (expected, source) = existing
            .remove(reason.trim_matches('`'))
            .unwrap_or_else(|| panic!("{reason} does not exist"));
        assert_eq!(from, source, "{reason}");
        if let Some(expected) = expected {
            assert_eq!(*status, expected.to_string(), "{reason}");
        }
    }
    assert!(existing.is_empty(), "not documented: {existing:?}");
}

#[test]
fn the_documentation_has_each_class_of_ambiguous_paths() {
    let documented: Vec<Vec<_>> = rows("policy-file.md", "Paths")
        .iter()
        .map(|row| {
            row[1]
                .split(", ")
                .map(|it| it.trim_matches('`').to_owned())
                .collect()
        })
        .collect();
    let existing = [Treatment::Refused, Treatment::Compared, Treatment::NoPath].map(|treatment| {
        Ambiguity::ALL
            .into_iter()
            .filter(|it| it.treatment() == treatment)
            .map(|it| it.as_str().to_owned())
            .collect::<Vec<_>>()
    });
    assert_eq!(documented, existing);
}
