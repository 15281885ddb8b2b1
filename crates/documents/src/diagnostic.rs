//! Errors and warnings about a text: what is wrong, where, and how to fix it.
//!
//! All files that Keygate reads report their errors in this form: the message, `file:line:column`, the
//! line with a mark below the span, and a hint. Libraries return typed errors, which become a
//! `Diagnostic` when they are shown.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// Whether a diagnostic rejects the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The text is rejected.
    Error,
    /// The text is accepted, but probably does not mean what its author intended.
    Warning,
}

/// Whether a message may repeat the text of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Messages may show the text.
    Public,
    /// The text may hold secrets: messages contain only what is expected, and the location.
    Secret,
}

/// One error or warning about a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// An error or a warning.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop, what the user wrote in backticks.
    pub message: String,
    /// The location, in bytes of the text; `None` for the whole text.
    pub span: Option<Range<usize>>,
    /// The text at the mark.
    pub label: Option<String>,
    /// A related location, e.g. the first of two equal rules.
    pub related: Vec<(Range<usize>, String)>,
    /// The hint: how to fix it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Returns an error about the whole text; [`Diagnostic::at`] narrows it.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message)
    }

    /// Returns a warning about the whole text; [`Diagnostic::at`] narrows it.
    #[must_use]
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message)
    }

    fn new(severity: Severity, message: impl Into<String>) -> Self {
        Self {
            severity,
            message: message.into(),
            span: None,
            label: None,
            related: Vec::new(),
            help: None,
        }
    }

    /// Sets the location.
    #[must_use]
    pub fn at(mut self, span: Range<usize>) -> Self {
        self.span = Some(span);
        self
    }

    /// Sets the text at the mark.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Sets a related location and the text at its mark.
    #[must_use]
    pub fn related(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    /// Sets the hint.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Removes all text in backticks, which may come from the user.
    #[must_use]
    pub fn redacted(self) -> Self {
        let related = self.related.into_iter();
        let related = related.map(|(span, label)| (span, without_quotes(&label)));
        Self {
            message: without_quotes(&self.message),
            label: self.label.as_deref().map(without_quotes),
            related: related.collect(),
            help: self.help.as_deref().map(without_quotes),
            ..self
        }
    }

    /// Returns the message for a person, with lines of `source` if they may be shown.
    #[must_use]
    pub fn show(&self, origin: &str, source: &str, content: Content) -> String {
        match content {
            Content::Public => self.render(origin, source),
            Content::Secret => self.render_without_source(origin, source),
        }
    }

    /// Returns the message for a person, with the affected lines of `source`.
    ///
    /// `origin` is the name of the text, usually the file's path.
    #[must_use]
    pub fn render(&self, origin: &str, source: &str) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()));
        if let Some(span) = &self.span {
            let mut primary = AnnotationKind::Primary.span(clamp(span, source));
            if let Some(label) = &self.label {
                primary = primary.label(label.as_str());
            }
            let related = self.related.iter().map(|(span, label)| {
                AnnotationKind::Context
                    .span(clamp(span, source))
                    .label(label.as_str())
            });
            group = group.element(
                Snippet::source(source)
                    .path(origin)
                    .annotation(primary)
                    .annotations(related),
            );
        } else {
            group = group.element(annotate_snippets::Origin::path(origin));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        Renderer::plain().render(&[group])
    }

    /// Returns the message with its location and without lines of the text, which may hold secrets.
    #[must_use]
    pub fn render_without_source(&self, origin: &str, source: &str) -> String {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let location = |span: &Range<usize>| {
            let (line, column) = line_and_column(source, span.start);
            format!("{origin}:{line}:{column}")
        };
        let at = self
            .span
            .as_ref()
            .map_or_else(|| origin.to_owned(), location);
        let mut lines = vec![format!("{severity}: {}\n --> {at}", self.message)];
        lines.extend(
            self.related
                .iter()
                .map(|(span, label)| format!(" ::: {}: {label}", location(span))),
        );
        lines.extend(self.help.iter().map(|help| format!("  = help: {help}")));
        lines.join("\n")
    }
}

/// Returns the 1-based line and column (in characters) of a byte offset.
#[must_use]
pub fn line_and_column(source: &str, offset: usize) -> (usize, usize) {
    let before = source.get(..offset).unwrap_or(source);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// Returns the byte offset of a 1-based line and column (in characters).
#[must_use]
pub fn offset_of(source: &str, line: usize, column: usize) -> usize {
    let mut lines = source.split_inclusive('\n');
    let before: usize = lines
        .by_ref()
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let line = lines.next().unwrap_or_default();
    let letters = line.char_indices().map(|(at, _)| at);
    before + letters.chain([line.len()]).take(column).last().unwrap_or(0)
}

/// Replaces the text in backticks by `…`.
fn without_quotes(text: &str) -> String {
    let pieces = text.split('`').enumerate();
    let pieces = pieces.map(|(number, piece)| if number % 2 == 0 { piece } else { "`…`" });
    pieces.collect()
}

/// Returns the known name that `name` was probably meant to be, for "did you mean".
#[must_use]
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // Up to a third of the letters may differ: enough for a typo, too little for another word.
    let limit = (name.chars().count() / 3).max(1);
    let folded = name.to_lowercase();
    // If all letters differ, it is another word.
    let limit = limit.min(folded.chars().count().saturating_sub(1));
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&folded, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Spans come from parsers and may end after the text or inside a character.
fn clamp(span: &Range<usize>, source: &str) -> Range<usize> {
    let floor = |offset: usize| {
        let mut offset = offset.min(source.len());
        while !source.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_below_its_span() {
        let text = "version: 1\nendpoint: []\n";
        let diagnostic = Diagnostic::error("unknown field `endpoint`")
            .at(11..19)
            .help("did you mean `endpoints`?");
        insta::assert_snapshot!(diagnostic.render("policy.yaml", text), @r"
        error: unknown field `endpoint`
         --> policy.yaml:2:1
          |
        2 | endpoint: []
          | ^^^^^^^^
          |
          = help: did you mean `endpoints`?
        ");
        insta::assert_snapshot!(diagnostic.render_without_source("policy.yaml", text), @r"
        error: unknown field `endpoint`
         --> policy.yaml:2:1
          = help: did you mean `endpoints`?
        ");
    }

    #[test]
    fn a_typo_gets_a_suggestion_and_another_word_gets_none() {
        let known = ["clientType", "groups", "permissions"];
        assert_eq!(nearest("clienttype", known), Some("clientType"));
        assert_eq!(nearest("group", known), Some("groups"));
        assert_eq!(nearest("tenant", known), None);
        assert_eq!(nearest("C", ["A", "c"]), Some("c"));
        assert_eq!(nearest("C", ["A"]), None);
    }

    #[test]
    fn line_and_column_convert_back_to_the_offset() {
        let text = "aè\nbc\n";
        for offset in [0, 1, 3, 4, 5, 6] {
            let (line, column) = line_and_column(text, offset);
            assert_eq!(offset_of(text, line, column), offset);
        }
        assert_eq!(offset_of(text, 9, 9), text.len());
    }

    #[test]
    fn a_redacted_message_contains_no_user_text() {
        let diagnostic = Diagnostic::error("unknown name `abc` here").help("did you mean `abd`?");
        let redacted = diagnostic.redacted();
        assert_eq!(redacted.message, "unknown name `…` here");
        assert_eq!(redacted.help.as_deref(), Some("did you mean `…`?"));
    }

    #[test]
    fn spans_beyond_the_text_are_clamped_to_it() {
        assert_eq!(clamp(&(5..99), "aè"), 3..3);
        assert_eq!(clamp(&(2..3), "aè"), 1..3);
    }
}
