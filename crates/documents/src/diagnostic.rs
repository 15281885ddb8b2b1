//! What is wrong with a text, where, and what to write instead.
//!
//! Every file that Keygate reads reports its mistakes in this one form, so that a person sees the
//! same picture whatever is wrong: the message, `file:line:column`, the line with a mark under the
//! place, and a help. Libraries keep typed errors; a `Diagnostic` is what an error looks like to a
//! reader.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The text is refused.
    Error,
    /// The text is taken, but is probably not what was meant.
    Warning,
}

/// Whether a message may repeat the text of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The text may be shown.
    Public,
    /// The text holds secrets, or may hold some: messages name only what is expected, and where.
    Secret,
}

/// One mistake in one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop, what the user wrote in backticks.
    pub message: String,
    /// Where, in bytes of the text; absent where the whole text is meant.
    pub span: Option<Range<usize>>,
    /// What to say at the mark, if anything.
    pub label: Option<String>,
    /// Another place that belongs to it, e.g. the first of two equal rules.
    pub related: Vec<(Range<usize>, String)>,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error about the whole text; [`Diagnostic::at`] narrows it.
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message)
    }

    /// A warning about the whole text; [`Diagnostic::at`] narrows it.
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

    /// The same at a place.
    #[must_use]
    pub fn at(mut self, span: Range<usize>) -> Self {
        self.span = Some(span);
        self
    }

    /// The same with a word at the mark.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The same with another place that belongs to it.
    #[must_use]
    pub fn related(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    /// The same with what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same without any text between backticks, which a user may have written.
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

    /// The message for a person, with lines of `source` where they may be shown.
    #[must_use]
    pub fn show(&self, origin: &str, source: &str, content: Content) -> String {
        match content {
            Content::Public => self.render(origin, source),
            Content::Secret => self.render_without_source(origin, source),
        }
    }

    /// The message for a person, with the lines of `source` that it is about.
    ///
    /// `origin` is the name of the text, usually a file's path.
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

    /// The message with its place but without a line of the text: for texts that hold secrets.
    #[must_use]
    pub fn render_without_source(&self, origin: &str, source: &str) -> String {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let place = |span: &Range<usize>| {
            let (line, column) = line_and_column(source, span.start);
            format!("{origin}:{line}:{column}")
        };
        let at = self.span.as_ref().map_or_else(|| origin.to_owned(), place);
        let mut lines = vec![format!("{severity}: {}\n --> {at}", self.message)];
        lines.extend(
            self.related
                .iter()
                .map(|(span, label)| format!(" ::: {}: {label}", place(span))),
        );
        lines.extend(self.help.iter().map(|help| format!("  = help: {help}")));
        lines.join("\n")
    }
}

/// The 1-based line and column (in characters) of a byte offset.
#[must_use]
pub fn line_and_column(source: &str, offset: usize) -> (usize, usize) {
    let before = source.get(..offset).unwrap_or(source);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The byte offset of a 1-based line and column (in characters).
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

/// What is between backticks becomes `…`.
fn without_quotes(text: &str) -> String {
    let pieces = text.split('`').enumerate();
    let pieces = pieces.map(|(number, piece)| if number % 2 == 0 { piece } else { "`…`" });
    pieces.collect()
}

/// The known name that `name` most likely stands for, for "did you mean".
#[must_use]
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // A third of the letters may be wrong: enough for a slip, too little for another word.
    let limit = (name.chars().count() / 3).max(1);
    let folded = name.to_lowercase();
    // As many wrong letters as there are letters is another word.
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

/// Spans come from parsers that may count past the end or inside a character; a mark must not.
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
    fn an_offset_is_found_by_line_and_column() {
        let text = "aè\nbc\n";
        for offset in [0, 1, 3, 4, 5, 6] {
            let (line, column) = line_and_column(text, offset);
            assert_eq!(offset_of(text, line, column), offset);
        }
        assert_eq!(offset_of(text, 9, 9), text.len());
    }

    #[test]
    fn a_redacted_message_repeats_nothing() {
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
