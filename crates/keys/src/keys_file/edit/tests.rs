use proptest::prelude::*;
use rstest::rstest;

use super::*;

const A: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// Returns the file after an edit, or the error.
fn edited(
    text: &str,
    change: impl FnOnce(&mut Edit<'_>) -> Result<(), EditError>,
) -> Result<String, EditError> {
    let path = Path::new("keys.yaml");
    let mut edit = Edit::begin(path, text)?;
    change(&mut edit)?;
    edit.finish().map(|text| text.to_string())
}

fn entry(id: &str) -> Entry {
    Entry {
        key: Key {
            id: id.parse().unwrap(),
            client_type: "A".parse().unwrap(),
            digest: Digest::sha256(id.as_bytes()),
            active: true,
            not_before: None,
            expires_at: None,
        },
        clear: None,
        description: None,
        created_at: None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a change as `edited` takes it")]
fn add(edit: &mut Edit<'_>, entry: Entry) -> Result<(), EditError> {
    edit.add(entry);
    Ok(())
}

fn moment() -> Timestamp {
    "2027-01-01T00:00:00Z".parse().unwrap()
}

const COMMENTED: &str = "\
# Keys of the shop.
version: 1

keys:
  # The front end.
  - id: cms   # since 2024
    clientType: A
    key: first-key # still plaintext
    description: |
      Front end:
        - id: not an entry
      # not a comment

  # The app: \"B\".
  - {id: app, clientType: 'B', active: true, key: \"second\"} # flow
  -   id: old
      # out of order
      expiresAt: 2027-11-01T00:00:00Z
      digest: sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
      clientType: A

# The end.
";

#[test]
fn every_command_leaves_the_rest_of_the_file_as_written() {
    let path = Path::new("keys.yaml");
    let mut edit = Edit::begin(path, COMMENTED).unwrap();
    for id in ["cms", "app", "old"] {
        edit.set_active(id, false).unwrap();
        edit.set_expiry(id, moment()).unwrap();
    }
    let hashed = edit.hash_keys(Digest::sha256).unwrap();
    assert_eq!(hashed, 2);
    edit.add(Entry {
        description: Some("made \"today\": # no comment".to_owned()),
        created_at: Some(moment()),
        ..entry("new")
    });
    insta::assert_snapshot!(edit.finish().unwrap().as_str());
}

#[test]
fn deleting_a_key_removes_its_own_lines_only() {
    let without = |id: &str| edited(COMMENTED, |edit| edit.remove(id).map(drop)).unwrap();
    insta::assert_snapshot!(without("cms"));
    insta::assert_snapshot!(without("old"));
    assert_eq!(
        without("app"),
        COMMENTED.replace(
            "  - {id: app, clientType: 'B', active: true, key: \"second\"} # flow\n",
            ""
        )
    );
}

#[test]
fn deleting_the_last_key_leaves_an_empty_list() {
    let text = "version: 1\nkeys: # ours\n- id: a\n  clientType: A\n  key: x\n# end\n";
    let empty = edited(text, |edit| edit.remove("a").map(drop)).unwrap();
    assert_eq!(empty, "version: 1\nkeys: [] # ours\n# end\n");
    let filled = edited(&empty, |edit| {
        edit.add(entry("b"));
        edit.add(entry("c"));
        Ok(())
    });
    insta::assert_snapshot!(filled.unwrap());
    assert_eq!(
        edited(NEW_FILE, |edit| add(edit, entry("b")))
            .unwrap()
            .lines()
            .count(),
        5
    );
}

#[rstest]
#[case::dash_in_the_first_column("version: 1\nkeys:\n- id: a\n  clientType: A\n  digest: @\n")]
#[case::no_line_end("keys:\n    - id: a\n      digest: @\n      clientType: A")]
#[case::version_after_the_keys("keys:\n  - id: a\n    clientType: A\n    digest: @\n")]
#[case::windows("version: 1\r\nkeys:\r\n  - id: a\r\n    clientType: A\r\n    digest: @\r\n")]
#[case::quoted_names(
    "version: 1\nkeys:\n  - \"id\": \"a\"\n    'clientType': A\n    digest: \"@\"\n"
)]
#[case::document_marks("---\nversion: 1\nkeys:\n- id: a\n  digest: @\n  clientType: A\n...\n")]
#[case::braces_over_lines(
    "version: 1\nkeys:\n  - {\n      id: a,\n      clientType: A, digest: '@'\n    }\n"
)]
#[case::null_end(
    "version: 1\nkeys:\n  - id: a\n    expiresAt: null\n    digest: @\n    clientType: A\n"
)]
#[case::folded("version: 1\nkeys:\n  - id: a\n    clientType:\n      A\n    digest:\n      @\n")]
fn every_common_list_style_can_be_edited(#[case] text: &str) {
    let mut text = text.replace('@', A);
    if !text.contains("version") {
        text.push_str("\nversion: 1\n");
    }
    let changed = edited(&text, |edit| {
        edit.set_active("a", false)?;
        edit.set_expiry("a", moment())?;
        edit.add(entry("b"));
        edit.add(entry("c"));
        Ok(())
    });
    let changed = changed.unwrap();
    let removed = edited(&changed, |edit| {
        edit.remove("b")?;
        edit.remove("c").map(drop)
    });
    assert!(
        removed.unwrap().starts_with(
            changed
                .split("id: b")
                .next()
                .unwrap()
                .trim_end_matches([' ', '-', '\r', '\n'])
        )
    );
    edited(&changed, |edit| edit.remove("a").map(drop)).unwrap();
    if text.contains("\r\n") {
        assert!(!changed.replace("\r\n", "").contains('\n'));
    }
}

#[test]
fn a_list_in_brackets_is_edited_but_not_extended() {
    let text = format!(
        "{{\"version\": 1, \"keys\": [{{\"id\": \"a\", \"clientType\": \"A\", \"digest\": \"{A}\"}}]}}"
    );
    let off = edited(&text, |edit| {
        edit.set_active("a", false)?;
        edit.set_expiry("a", moment())
    });
    assert_eq!(
        off.unwrap(),
        text.replace(
            "}]",
            ", \"active\": false, \"expiresAt\": \"2027-01-01T00:00:00Z\"}]"
        )
    );
    let added = edited(&text, |edit| add(edit, entry("b")));
    assert!(matches!(added, Err(EditError::NotAList)));
    let removed = edited(&text, |edit| edit.remove("a").map(drop));
    assert!(matches!(removed, Err(EditError::NotAList)));
}

#[test]
fn an_edit_that_would_change_more_is_rejected() {
    let text = "version: 1\nkeys:\n- id: a\n  key: >-\n    abc\n  clientType: A\n";
    let changed = edited(text, |edit| {
        edit.hash_keys(Digest::sha256)?;
        edit.set_active("a", false)
    });
    assert!(matches!(changed, Err(EditError::GivenUp)), "{changed:?}");
}

#[test]
fn an_edit_that_would_not_load_is_rejected() {
    let text = format!(
        "version: 1\nkeys:\n  - id: a\n    clientType: A\n    digest: {A}\n    \
         notBefore: 2027-06-01T00:00:00Z\n"
    );
    let refused = |change: fn(&mut Edit<'_>) -> Result<(), EditError>| {
        edited(&text, change).unwrap_err().to_string()
    };
    assert_eq!(
        refused(|edit| add(edit, entry("a"))),
        "two keys have the id `a`"
    );
    let abc = |id| Entry {
        key: Key {
            digest: Digest::sha256(b"abc"),
            ..entry(id).key
        },
        ..entry(id)
    };
    let mut edit = Edit::begin(Path::new("keys.yaml"), &text).unwrap();
    edit.add(abc("b"));
    assert_eq!(
        edit.finish().unwrap_err().to_string(),
        "the entries `a` and `b` contain the same key"
    );
    assert_eq!(
        refused(|edit| edit.set_expiry("a", moment())),
        "the key `a` expires before it becomes valid"
    );
    assert_eq!(
        refused(|edit| edit.set_active("aa", false)),
        "no key has the id `aa`: did you mean `a`?"
    );
    assert_eq!(
        refused(|edit| edit.remove("zebra").map(drop)),
        "no key has the id `zebra`"
    );
    assert!(Edit::begin(Path::new("keys.yaml"), "version: 1\nkeys: 7\n").is_err());
}

proptest! {
    #[test]
    fn any_text_survives_as_a_description(description in "\\PC{0,40}", words in "[a-zA-Z0-9 :#\"'\\\\{}-]{0,20}") {
        for description in [description, words] {
            let described = Entry { description: Some(description.clone()), ..entry("b") };
            let text = edited(NEW_FILE, |edit| add(edit, described));
            prop_assert!(text.is_ok(), "{description:?}: {text:?}");
        }
    }

    /// Random entry styles and edits: comments outside deleted entries and unaffected lines stay.
    #[test]
    fn a_change_leaves_everything_else_untouched(
        styles in proptest::collection::vec(0..4_usize, 1..6),
        changes in proptest::collection::vec((0..4_usize, 0..6_usize), 1..5),
    ) {
        let mut text = "# head\nversion: 1\nkeys:\n".to_owned();
        let mut written = Vec::new();
        for (n, style) in styles.iter().enumerate() {
            let entry = match style {
                0 => format!("  - id: k{n}\n    clientType: A\n    key: key-{n}\n"),
                1 => format!("  - {{ id: k{n}, key: 'key-{n}', clientType: A }} # {n}\n\n"),
                2 => format!("  -  clientType: \"A\"\n     key: key-{n} # {n}\n     active: true\n     id: k{n}\n"),
                _ => format!("  - id: k{n}\n    key: \"key-{n}\"\n    clientType: A\n    description: >\n      d\n\n"),
            };
            text.extend(["  # about ", &n.to_string(), "\n", &entry]);
            written.push(entry);
        }
        text.push_str("# tail\n");
        let path = Path::new("keys.yaml");
        let mut touched = BTreeSet::new();
        for (kind, of) in changes {
            let n = of % styles.len();
            let mut edit = Edit::begin(path, &text).unwrap();
            let id = format!("k{n}");
            if edit.entry(&id).is_err() {
                continue;
            }
            if kind < 3 {
                touched.insert(n);
            }
            match kind {
                0 => edit.set_active(&id, false).unwrap(),
                1 => edit.set_expiry(&id, moment()).unwrap(),
                2 => drop(edit.remove(&id).unwrap()),
                _ => edit.add(entry(&format!("new-{}", text.len()))),
            }
            let next = edit.finish();
            prop_assert!(next.is_ok(), "{kind} {id} of\n{text}");
            text = next.unwrap().to_string();
        }
        for (n, entry) in written.iter().enumerate() {
            let about = format!("  # about {n}\n");
            prop_assert!(text.contains(&about), "{about} in\n{text}");
            if !touched.contains(&n) {
                let untouched = format!("{about}{}", entry.trim_end());
                prop_assert!(text.contains(&untouched), "{untouched} in\n{text}");
            }
        }
        prop_assert!(text.starts_with("# head\n") && text.contains("# tail\n"), "{text}");
    }
}
