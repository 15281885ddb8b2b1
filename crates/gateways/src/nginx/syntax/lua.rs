//! Finds the end of a Lua block, whose strings and comments may contain braces.

/// Returns the index after the `}` that ends a block whose content starts at `at`.
pub(super) fn end_of_block(text: &str, at: usize) -> Option<usize> {
    let mut rest = text.get(at..)?;
    let mut depth = 1_usize;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '{' => {
                depth += 1;
                1
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(text.len() - rest.len() + 1);
                }
                1
            }
            '"' | '\'' => string(rest, first)?,
            '[' if opens_long(rest) => long_string(rest)?,
            '-' if rest.starts_with("--") => {
                let comment = rest.get(2..)?;
                if opens_long(comment) {
                    2 + long_string(comment)?
                } else {
                    rest.find('\n').unwrap_or(rest.len())
                }
            }
            other => other.len_utf8(),
        };
        rest = rest.get(length..)?;
    }
    None
}

/// Returns the length of a short string.
fn string(text: &str, quote: char) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == quote {
            return Some(at + 1);
        }
    }
    None
}

/// Whether the text starts with a long string such as `[==[ … ]==]`.
fn opens_long(text: &str) -> bool {
    let inside = text.strip_prefix('[').unwrap_or_default();
    inside.trim_start_matches('=').starts_with('[')
}

/// Returns the length of a long string.
fn long_string(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('[')?;
    let level = inside.len() - inside.trim_start_matches('=').len();
    let end = format!("]{}]", "=".repeat(level));
    text.find(&end).map(|at| at + end.len())
}
