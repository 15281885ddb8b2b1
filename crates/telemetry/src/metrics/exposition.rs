//! Writes the metrics text, in either of its two formats.
//!
//! Prometheus: "Exposition formats", text format 0.0.4. OpenMetrics: RFC-style specification 1.0.0.
//! They differ in the name of a counter's family and in the end of the text. `prometheus-client`
//! writes only the second format, and needs counters of its own type.

use std::fmt::{Display, Write};

/// The format of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text.
    Prometheus,
    /// OpenMetrics text.
    OpenMetrics,
}

/// The type of a metric family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only increases.
    Counter,
    /// It increases and decreases.
    Gauge,
    /// It counts observations below several bounds.
    Histogram,
}

/// A metrics text under construction.
#[derive(Debug)]
pub struct Exposition {
    format: Format,
    text: String,
}

/// A metric family whose samples are being written.
#[derive(Debug)]
pub struct Family<'e> {
    text: &'e mut String,
    name: String,
}

impl Format {
    /// Returns the format for an `accept` header: OpenMetrics if it is named, else Prometheus text.
    #[must_use]
    pub fn negotiate(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    /// Returns the media type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Exposition {
    /// Returns an empty text.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            format,
            text: String::new(),
        }
    }

    /// Starts a family. The name of a counter is passed without `_total`, which is added to its samples.
    pub fn family(&mut self, kind: Kind, name: &str, help: &str) -> Family<'_> {
        let (kind, suffix) = match kind {
            Kind::Counter => ("counter", "_total"),
            Kind::Gauge => ("gauge", ""),
            Kind::Histogram => ("histogram", ""),
        };
        let samples = format!("{name}{suffix}");
        let family = match self.format {
            Format::Prometheus => &samples,
            Format::OpenMetrics => name,
        };
        // Writing to a string cannot fail.
        let _ = write!(
            self.text,
            "# HELP {family} {help}\n# TYPE {family} {kind}\n"
        );
        Family {
            text: &mut self.text,
            name: samples,
        }
    }

    /// Returns the complete text.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

impl Family<'_> {
    /// Writes a sample.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.suffixed("", labels, value);
    }

    /// Writes a sample with a suffix to the family's name, as a histogram's.
    pub fn suffixed(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(&self.name);
        self.text.push_str(suffix);
        for (index, (name, value)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.text.extend(value.chars().flat_map(escape));
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

/// Escapes a character of a label's value: both formats escape the same three.
fn escape(character: char) -> impl Iterator<Item = char> {
    let (first, second) = match character {
        '\n' => ('\\', Some('n')),
        '\\' | '"' => ('\\', Some(character)),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(format: Format) -> String {
        let mut text = Exposition::new(format);
        let mut family = text.family(Kind::Counter, "decisions", "Decisions.");
        family.sample(&[("endpoint", "GET /a\\b\"c"), ("reason", "ok")], 3);
        text.family(Kind::Gauge, "generation", "Generation.")
            .sample(&[], 1.5);
        text.finish()
    }

    #[test]
    fn the_formats_differ_in_counter_names_and_the_end() {
        insta::assert_snapshot!(text(Format::Prometheus), @r#"
        # HELP decisions_total Decisions.
        # TYPE decisions_total counter
        decisions_total{endpoint="GET /a\\b\"c",reason="ok"} 3
        # HELP generation Generation.
        # TYPE generation gauge
        generation 1.5
        "#);
        insta::assert_snapshot!(text(Format::OpenMetrics), @r#"
        # HELP decisions Decisions.
        # TYPE decisions counter
        decisions_total{endpoint="GET /a\\b\"c",reason="ok"} 3
        # HELP generation Generation.
        # TYPE generation gauge
        generation 1.5
        # EOF
        "#);
    }

    #[test]
    fn a_scraper_gets_openmetrics_if_it_accepts_it() {
        // The headers of Prometheus 2.42 and of a browser.
        let prometheus =
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
        assert_eq!(Format::negotiate(prometheus), Format::OpenMetrics);
        assert_eq!(Format::negotiate("text/html,*/*;q=0.8"), Format::Prometheus);
        assert_eq!(Format::negotiate(""), Format::Prometheus);
    }
}
