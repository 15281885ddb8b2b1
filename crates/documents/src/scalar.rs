//! Texts inside a file, such as group expressions, and locations inside them.

use std::ops::Range;

use serde_saphyr::Spanned;

use crate::{
    diagnostic::{Diagnostic, line_and_column},
    yaml,
};

/// Where a string of a file stands.
#[derive(Debug, Clone)]
pub struct Scalar {
    /// The scalar, with its quotes.
    at: Range<usize>,
    /// Where its text starts, if the file holds it letter for letter: in one line, without escapes.
    text_start: Option<usize>,
}

impl Scalar {
    /// The scalar that a value of `file` was read from.
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

    /// A warning where ` #` makes a comment of what looks like the rest of the expression.
    #[must_use]
    pub fn comment_with_operators(&self, file: &str) -> Option<Diagnostic> {
        // In quotes it is plain where the text ends.
        self.text_start.filter(|start| *start == self.at.start)?;
        let rest = file.get(self.at.end..)?.lines().next()?;
        let comment = rest.trim_start();
        let has_operator = comment.contains("&&") || comment.contains("||");
        if !comment.starts_with('#') || !has_operator {
            return None;
        }
        let start = self.at.end + rest.len() - comment.len();
        let warning = Diagnostic::warning("YAML ends the expression here: this is a comment")
            .at(start..self.at.end + rest.trim_end().len())
            .help("write the whole expression in quotes, or the comment on a line of its own");
        Some(warning)
    }

    /// The whole scalar.
    #[must_use]
    pub fn place(&self) -> Range<usize> {
        self.at.clone()
    }

    /// A mistake in `text`, this scalar's value, as a mistake in the file.
    #[must_use]
    pub fn shift(&self, diagnostic: Diagnostic, text: &str) -> Diagnostic {
        let Some(span) = &diagnostic.span else {
            return diagnostic.at(self.place());
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
        // Folded lines and escapes: name the place inside the text, and mark the whole.
        let (line, column) = line_and_column(text, span.start);
        let inside = format!("line {line}, column {column} of this text");
        let label = match &diagnostic.label {
            Some(label) => format!("{label} ({inside})"),
            None => inside,
        };
        let related = Vec::new();
        Diagnostic {
            span: Some(self.place()),
            label: Some(label),
            related,
            ..diagnostic
        }
    }
}
