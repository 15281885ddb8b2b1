//! Character classes: names and white space.

/// Whether a name may start with this character. JavaScript's `ID_Start` has a few more.
pub(super) fn is_name_start(character: char) -> bool {
    character == '$' || character == '_' || unicode_ident::is_xid_start(character)
}

/// Whether a name may contain this character after its start.
pub(super) fn is_name_part(character: char) -> bool {
    character == '$' || unicode_ident::is_xid_continue(character)
}

/// Whether the text is valid after a dot.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(is_name_start) && text.chars().all(is_name_part)
}

/// White space and line endings of JavaScript (ECMA-262, `WhiteSpace` and `LineTerminator`).
pub(super) const fn is_space(character: char) -> bool {
    matches!(
        character,
        '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}'
                | '\u{2028}'
                | '\u{2029}'
                | '\u{202f}'
                | '\u{205f}'
                | '\u{3000}'
                | '\u{feff}'
    )
}
