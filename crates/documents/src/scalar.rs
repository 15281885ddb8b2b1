//! Strings inside a file, such as group expressions, and locations inside them.

use std::ops::Range;

use serde_saphyr::Spanned;

use crate::{
    diagnostic::{Diagnostic, line_and_column},
    yaml,
};

/// The location of a string in a file.
#[derive(Debug, Clone)]
pub struct Scalar {
    /// The scalar, including its quotes.
    at: Range<usize>,
    /// The start of its text, if the file contains it literally: on one line, without escapes.
    text_start: Option<usize>,
}

impl Scalar {
    /// Returns the scalar that a value of `file` was read from.
    #[must_use]
    pub fn new(value: &Spanned<String>, file: &str) -> Self {
        let at = yaml::span(value.defined, file);
        let raw = file.get(at.clone()).unwrap_or_default();
        let is_quoted = |quote| {
            raw.strip_prefix(quote)
                .and_then(|raw| raw.strip_suffix(quote))
                == Some(&value.value)
        };
        let text_start = if raw == value.value {
            Some(at.start)
        } else if is_quoted('"') || is_quoted('\'') {
            Some(at.start + 1)
        } else {
            None
        };
        Self { at, text_start }
    }

    /// Returns a warning if ` #` starts a comment that looks like the rest of the expression.
    #[must_use]
    pub fn comment_with_operators(&self, file: &str) -> Option<Diagnostic> {
        // In quotes, the end of the text is clear.
        self.text_start.filter(|start| *start == self.at.start)?;
        let rest = file.get(self.at.end..)?.lines().next()?;
        let comment = rest.trim_start();
        let has_operator = comment.contains("&&") || comment.contains("||");
        if !comment.starts_with('#') || !has_operator {
            return None;
        }
        let start = self.at.end + rest.len() - comment.len();
        let warning = Diagnostic::warning(
            "YAML treats the rest of this line as a comment, so the \
                                           expression ends here",
        )
        .at(start..self.at.end + rest.trim_end().len())
        .help("put the whole expression in quotes, or move the comment to its own line");
        Some(warning)
    }

    /// Returns the span of the whole scalar, including its quotes.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.at.clone()
    }

    /// Converts a diagnostic about `text`, this scalar's value, to one about the file.
    #[must_use]
    pub fn shift(&self, diagnostic: Diagnostic, text: &str) -> Diagnostic {
        let Some(span) = &diagnostic.span else {
            return diagnostic.at(self.span());
        };
        if let Some(start) = self.text_start {
            let shift = |span: &Range<usize>| start + span.start..start + span.end;
            let related = &diagnostic.related;
            let related = related
                .iter()
                .map(|(span, label)| (shift(span), label.clone()));
            let related = related.collect();
            return Diagnostic {
                span: Some(shift(span)),
                related,
                ..diagnostic
            };
        }
        // Folded lines and escapes: report the location inside the text, and mark the whole scalar.
        let (line, column) = line_and_column(text, span.start);
        let inside = format!("line {line}, column {column} of this string");
        let label = match &diagnostic.label {
            Some(label) => format!("{label} ({inside})"),
            None => inside,
        };
        let related = Vec::new();
        Diagnostic {
            span: Some(self.span()),
            label: Some(label),
            related,
            ..diagnostic
        }
    }
}
