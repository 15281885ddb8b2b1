use std::{fmt::Write, fs, process::Command};

use rstest::rstest;

use super::{Statement, parse};

/// Formats the directives of a text as lists of words, with blocks in braces.
fn shown(statements: &[Statement]) -> String {
    let mut text = String::new();
    for statement in statements {
        write!(text, "<{}", statement.name.text).unwrap();
        for argument in &statement.arguments {
            write!(text, "|{}", argument.text).unwrap();
        }
        if let Some(block) = &statement.block {
            write!(text, "{{{}}}", shown(block)).unwrap();
        }
        text.push('>');
    }
    text
}

#[rstest]
#[case::windows_line_ends("a\r\n  b;\r\nc {\r\n}\r\n", "<a|b><c{}>")]
#[case::quoted_variable("map \"$http_x\" $y { default 0; }", "<map|$http_x|$y{<default|0>}>")]
#[case::both_quoted("map '$http_x' \"$y\" { }", "<map|$http_x|$y{}>")]
#[case::a_variable_ends_no_word("proxy_pass http://b$uri;", "<proxy_pass|http://b$uri>")]
#[case::braces_of_a_variable("a ${b}c{}", "<a|${b}c{}>")]
#[case::a_quote_within_a_word("location ~ ^/a'b\"c { }", "<location|~|^/a'b\"c{}>")]
#[case::a_brace_within_a_word("a b}c;", "<a|b}c>")]
#[case::an_escaped_quote(r"a \'b;", "<a|'b>")]
#[case::other_escapes(r#"a "\d\t" \\default;"#, "<a|\\d\t|\\default>")]
#[case::a_condition("if ($x = \"\") { }", "<if|($x|=||){}>")]
#[case::a_hash_within_a_word("a b#c; # comment }", "<a|b#c>")]
#[case::a_quoted_name("'a b' c;", "<a b|c>")]
#[case::no_blank_before_a_block("a{b c;}", "<a{<b|c>}>")]
#[case::lua(
    "content_by_lua_block { x = \"}\" -- it's }\n y = [=[ }]] ]=] if z then t = {} end } a;",
    "<content_by_lua_block{}><a>"
)]
#[case::comments_alone("# a\n# b", "")]
fn words_are_split_as_in_nginx(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(shown(&parse(text).unwrap()), expected);
}

#[rstest]
#[case::byte_order_mark("\u{feff}http { }", "byte order mark", 0)]
#[case::open_block("a {\n b;", "a block is not closed", 0)]
#[case::open_string("a;\nb \"c;", "a quoted string is not closed", 5)]
#[case::open_directive("a b", "the file ends within a directive", 3)]
#[case::a_brace_too_many("a;}", "unexpected `}`", 2)]
#[case::a_brace_for_a_semicolon("a {b }", "unexpected `}`", 5)]
#[case::nothing_before("a; ;", "a directive has no name", 3)]
#[case::json("{\"secret\": \"sample-key\"}", "a directive has no name", 0)]
#[case::after_a_string("a \"b\"c;", "after a quoted string", 5)]
#[case::backslash_at_the_end("a b\\", "the file ends within a directive", 4)]
#[case::open_lua("a_by_lua_block { '}' ", "a Lua block is not closed", 0)]
fn errors_have_a_location_and_quote_nothing(
    #[case] text: &str,
    #[case] expected: &str,
    #[case] at: usize,
) {
    let error = parse(text).unwrap_err();
    assert!(error.message.contains(expected), "{error}");
    assert!(!error.message.contains("sample-key"), "{error}");
    assert_eq!(error.at, at);
}

#[test]
fn depth_and_length_are_bounded() {
    assert!(parse(&"a {".repeat(100_000)).is_err());
    assert!(parse(&format!("a {};", "b".repeat(5_000))).is_err());
    assert!(parse(&format!("a {};", "b ".repeat(500_000))).is_ok());
}

#[test]
fn the_parser_never_panics() {
    let seeds = "a{}'\";\\$ \n#é[=-\u{feff}";
    let pieces: Vec<char> = seeds.chars().collect();
    // A linear congruential generator: the same texts on every run.
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut text = String::from("x_by_lua_block");
        for _ in 0..24 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            text.push(pieces[(state >> 33) as usize % pieces.len()]);
        }
        let _ = parse(&text);
        let _ = parse(text.trim_start_matches("x_by_lua_block"));
    }
}

/// Compares the parser with `nginx -t`, if this machine has nginx.
#[rstest]
#[case::windows_line_ends("map $http_x $y {\r\n  a 1;\r\n}\r\n", true)]
#[case::quoted_variable("map \"$http_x\" $y { a 1; }", true)]
#[case::both_quoted("map '$http_x' \"$y\" { a 1; }", true)]
#[case::quoted_value("map $http_x $y { 'a' \"1\"; }", true)]
#[case::a_quote_within_a_word("map $http_x $y { a'b 1; }", true)]
#[case::after_a_string("map $http_x $y { \"a\"b 1; }", false)]
#[case::byte_order_mark("\u{feff}map $http_x $y { a 1; }", false)]
#[case::open_block("map $http_x $y { a 1;", false)]
#[case::a_brace_for_a_semicolon("map $http_x $y { a 1 }", false)]
fn the_parser_accepts_what_nginx_accepts(#[case] text: &str, #[case] is_read: bool) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("part.conf"), text).unwrap();
    let main = "pid nginx.pid; error_log stderr; events { } http { access_log off; \
                client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; \
                uwsgi_temp_path t; scgi_temp_path t; include part.conf; }";
    fs::write(path.join("nginx.conf"), main).unwrap();
    let mut nginx = Command::new("/usr/sbin/nginx");
    let run = nginx
        .args(["-t", "-c", "nginx.conf", "-p"])
        .arg(path)
        .output();
    let Ok(output) = run else {
        return;
    };
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.success(), is_read, "{text}");
    let read = fs::read_to_string(path.join("part.conf")).unwrap();
    assert_eq!(parse(&read).is_ok(), is_read);
}
