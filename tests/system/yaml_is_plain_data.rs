//! YAML files contain only plain data: tags, anchors, aliases, merge keys and directives are
//! rejected everywhere, with a hint. YAML drops most of them silently, so `!isBackoffice && …` would
//! load without its tag.

use std::{fs, path::Path};

use rstest::rstest;

use crate::support::gateway::corpus_file;
use crate::support::yaml_file::{DIGEST, FILES, File};

#[rstest]
#[case::tag("@F: !x @V", "tag")]
#[case::tag_with_a_property("@F: !groups.blocked && @V", "tag")]
#[case::tag_of_a_group("@F: !('x' in groups) && @V", "tag")]
#[case::tag_in_brackets("@F: !groups[\"x\"] && @V", "tag")]
#[case::string_tag("@F: !!str @V", "tag")]
#[case::lone_tag("@F: ! @V", "tag")]
#[case::verbatim_tag("@F: !<tag:yaml.org,2002:str> @V", "tag")]
#[case::open_verbatim_tag("@F: !<x @V", "tag")]
#[case::named_tag("@F: !e!x @V", "tag")]
#[case::tag_before_quotes("@F: !x \"a\"", "tag")]
#[case::tag_before_a_block("@F: !x |\n          a", "tag")]
#[case::tag_of_a_name("!x @F: @V", "tag")]
#[case::string_tag_of_a_name("!!str @F: @V", "tag")]
#[case::explicit_name("? !x @F\n@I: @V", "tag")]
#[case::anchor("@F: &x @V", "anchor")]
#[case::operator("@F: && @V", "anchor")]
#[case::anchor_of_a_name("&x @F: @V", "anchor")]
#[case::alias("@F: *x", "alias")]
#[case::wildcard("@F: *.example.com", "alias")]
#[case::alias_as_a_name("*x : @V", "alias")]
#[case::merge_key("<<: {@F: @V}", "merge key")]
#[case::list_of_tags("@F: [!x a]", "tag")]
#[case::list_of_anchors("@F: [&x a]", "anchor")]
#[case::list_of_aliases("@F:\n@I  - *x", "alias")]
#[case::tag_in_braces("@F: {a: !x b}", "tag")]
#[case::merge_key_in_braces("@F: {<<: {a: b}}", "merge key")]
fn yaml_features_are_rejected_in_every_file(#[case] spelling: &str, #[case] what: &str) {
    for file in FILES {
        let text = file.with(|field, value| {
            let indent = match file {
                File::Settings => "",
                File::AuthJson => "      ",
                _ => "    ",
            };
            spelling
                .replace("@F", field)
                .replace("@V", value)
                .replace("@I", indent)
        });
        assert_rejected(file, &text, what);
    }
}

#[rstest]
#[case::tag("--- !x\n", "tag")]
#[case::mapping_tag("--- !!map\n", "tag")]
#[case::anchor("--- &x\n", "anchor")]
#[case::tag_directive("%TAG ! tag:example.com,2000:\n---\n", "directive")]
#[case::version_directive("%YAML 1.1\n---\n", "directive")]
#[case::unknown_directive("%FOO bar\n---\n", "directive")]
fn yaml_features_are_rejected_at_the_document_start(#[case] start: &str, #[case] what: &str) {
    for file in FILES {
        assert_rejected(file, &format!("{start}{}", file.plain()), what);
    }
}

fn assert_rejected(file: File, text: &str, what: &str) {
    let said = file.is_accepted(text).expect_err(text);
    assert!(said.contains(what), "{file:?}\n{text}\n{said}");
    assert!(said.contains(file.name()), "{file:?}\n{text}\n{said}");
    assert!(said.contains("help: "), "{file:?}\n{text}\n{said}");
    // One digit each for line and column, because the texts are short.
    let place = said.split(file.name()).nth(1).unwrap();
    assert!(place.starts_with(':'), "{file:?}\n{text}\n{said}");
}

#[rstest]
#[case::in_double_quotes("description: \"!x &y *z << %TAG\"")]
#[case::in_single_quotes("description: '!x &y *z <<'")]
#[case::inside_a_plain_text("description: a !x && b &y c *z * << %TAG d")]
#[case::literal_block(
    "description: |\n        !x\n        &y\n        *z\n        <<: 1\n        %TAG"
)]
#[case::folded_block("description: >-\n        !x\n        &y *z")]
#[case::comment("description: a # !x &y *z <<: %TAG")]
#[case::comment_line("# !x &y *z\n    description: a")]
#[case::quoted_name("'description': a")]
fn plain_data_is_accepted_unchanged(#[case] field: &str) {
    let policy = format!("version: 1\nendpoints:\n  - path: /a\n    {field}\n");
    File::Policy.is_accepted(&policy).unwrap();
    let keys = format!(
        "version: 1\nkeys:\n  - id: a\n    {field}\n    clientType: A\n    digest: {DIGEST}\n"
    );
    File::Keys.is_accepted(&keys).unwrap();
}

#[rstest]
#[case("groupExpression: \"!isBackoffice && clientType === 'A'\"")]
#[case("groupExpression: '!groups.blocked && clientType === \"A\"'")]
#[case("groupExpression: clientType === 'A' && !isBackoffice")]
#[case("groupExpression: clientType === 'A'\n      && !groups.blocked")]
#[case("groupExpression: >-\n      !isBackoffice\n      && clientType === 'A'")]
#[case("groupExpression: |\n      !isBackoffice &&\n      clientType === 'A'\n")]
#[case("groupExpression: |+\n      !isBackoffice\n\n\n")]
#[case("hosts: ['*.example.com']")]
#[case("methods: [GET] # all but the others")]
fn expressions_in_quotes_and_blocks_are_accepted(#[case] field: &str) {
    File::Policy
        .is_accepted(&format!(
            "version: 1\nendpoints:\n  - path: /a\n    {field}\n"
        ))
        .unwrap();
}

#[test]
fn every_valid_file_is_accepted() {
    for file in FILES {
        file.is_accepted(&file.plain()).unwrap();
        file.is_accepted(&format!("\u{feff}{}", file.plain()))
            .unwrap();
        file.is_accepted(&format!("---\n{}", file.plain())).unwrap();
        file.is_accepted(&file.plain().replace('\n', "\r\n"))
            .unwrap();
    }
    File::Keys
        .is_accepted(&fs::read_to_string(corpus_file("keys.yaml")).unwrap())
        .unwrap();
}

#[test]
fn the_hint_is_the_value_in_quotes() {
    for (value, quoted) in [
        (
            "!isBackoffice && clientType === 'A'",
            "`\"!isBackoffice && clientType === 'A'\"`",
        ),
        (
            "! isBackoffice && groups[\"a\"]",
            "`'! isBackoffice && groups[\"a\"]'`",
        ),
        (
            "!groups['a'] && groups[\"b\"]",
            "`\"!groups['a'] && groups[\\\"b\\\"]\"`",
        ),
        ("\"admin\" in groups", "`'\"admin\" in groups'`"),
        ("[\"a\", \"b\"] in groups", "`'[\"a\", \"b\"] in groups'`"),
        ("!isBackoffice # in the shop", "`\"!isBackoffice\"`"),
    ] {
        let text = format!("version: 1\nendpoints:\n  - path: /a\n    groupExpression: {value}\n");
        let said = File::Policy.is_accepted(&text).unwrap_err();
        assert!(said.contains(quoted), "{said}");
        assert!(said.contains("policy.yaml:4:"), "{said}");
    }
}

#[test]
fn a_field_without_a_value_is_rejected() {
    for (file, empty) in [
        (File::Keys, "clientType: A\n    expiresAt:"),
        (File::Keys, "clientType: A\n    notBefore: # later"),
        (File::Settings, "failed-keys-per-minute:"),
        (File::Cases, "name: one\n    endpoint:"),
        (File::Policy, "groupExpression:"),
    ] {
        let text = file.with(|_, _| empty.to_owned());
        let said = file.is_accepted(&text).expect_err(empty);
        assert!(said.contains("has no value"), "{said}");
    }
}

/// Returns the expressions of the examples in the docs.
fn documented_expressions() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/expressions.md");
    let page = fs::read_to_string(page).unwrap();
    let mut examples = Vec::new();
    for block in page.split("```yaml\n").skip(1) {
        for line in block.split("```").next().unwrap().lines() {
            if line.starts_with(' ') {
                let last: &mut String = examples.last_mut().unwrap();
                last.extend(["\n    ", line]);
            } else {
                examples.push(line.to_owned());
            }
        }
    }
    examples
}

#[test]
fn every_documented_expression_loads_as_printed() {
    let examples = documented_expressions();
    assert!(examples.len() > 7, "{examples:?}");
    for example in examples {
        let (field, _) = example.split_once(':').unwrap();
        assert!(
            ["groupExpression", "backofficeExpression"].contains(&field),
            "{example}"
        );
        let text = format!("version: 1\nendpoints:\n  - path: /a\n    {example}\n");
        File::Policy.is_accepted(&text).unwrap();
    }
}

#[test]
fn a_comment_that_contains_operators_is_a_warning() {
    let text = "version: 1\nendpoints:\n  - path: /a\n    groupExpression: clientType === 'A' # && groups.x\n";
    let (output, said) = File::Policy.load(text);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("warning: YAML treats the rest of this line as a comment"),
        "{said}"
    );
    let plain = text.replace("&& groups.x", "the shop");
    assert!(!File::Policy.load(&plain).1.contains("warning"));
}
