//! Formats values for the page.

use jiff::{SignedDuration, Timestamp, tz::Offset};
use keygate_expression::Explanation;
use keygate_telemetry::{
    decisions::differences::Difference,
    entry::{Entry, Step},
};

use crate::debug_keys;

/// Returns how long ago a moment was, in its largest unit.
pub(super) fn ago(moment: &Timestamp) -> String {
    let elapsed = Timestamp::now().duration_since(*moment);
    format!("{} ago", roughly(elapsed))
}

/// Returns the distance to a moment in the past or the future.
pub(super) fn distance(moment: &Timestamp) -> String {
    let left = moment.duration_since(Timestamp::now());
    if left.is_negative() {
        ago(moment)
    } else {
        format!("in {}", roughly(left))
    }
}

fn roughly(duration: SignedDuration) -> String {
    const UNITS: [(i64, &str); 4] = [
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let seconds = duration.as_secs().abs();
    let unit = UNITS.into_iter().find(|(length, _)| seconds >= *length);
    match unit.map(|(length, name)| (seconds / length, name)) {
        None => "a moment".to_owned(),
        Some((1, name)) => format!("1 {name}"),
        Some((count, name)) => format!("{count} {name}s"),
    }
}

/// Returns the date of a moment, in UTC.
pub(super) fn day(moment: &Timestamp) -> String {
    Offset::UTC.to_datetime(*moment).date().to_string()
}

/// Returns the date and the time of a moment, in UTC.
pub(super) fn date_time(moment: &Timestamp) -> String {
    Offset::UTC
        .to_datetime(*moment)
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// Returns the request of a decision.
pub(super) fn request(entry: &Entry) -> String {
    let method = entry.method.as_deref().unwrap_or_default();
    let path = entry.path.as_deref().or(entry.raw_path.as_deref());
    format!("{method} {}", path.unwrap_or("–"))
        .trim()
        .to_owned()
}

/// Returns the link to a decision's explanation, if its request is known completely.
pub(super) fn explanation_of(entry: &Entry) -> Option<String> {
    if entry.step != Step::Authorize {
        return None;
    }
    let uri = entry.path.as_ref().or(entry.raw_path.as_ref())?;
    let method = entry.method.as_deref().unwrap_or_default();
    Some(link(&[
        ("method", method),
        ("uri", uri),
        ("host", entry.host.as_deref().unwrap_or_default()),
        (
            "client-type",
            entry.client_type.as_deref().unwrap_or_default(),
        ),
        ("user-id", entry.user_id.as_deref().unwrap_or_default()),
    ]))
}

/// Returns one character that identifies a key's state without colour.
pub(super) fn mark(key: &debug_keys::Row<'_>) -> &'static str {
    match key.state.as_str() {
        "valid" => "✓",
        "not-yet-valid" => "…",
        _ => "✗",
    }
}

/// A line of an explanation.
pub(super) struct Line {
    /// The CSS class for the outcome of the part.
    pub(super) class: &'static str,
    pub(super) text: String,
}

/// Returns the tree of an explanation; its marks have the same meaning as its colours.
pub(super) fn lines(explanation: &Explanation) -> Vec<Line> {
    let text = explanation.to_string();
    let class = |line: &str| {
        let mark = line.chars().find(|it| "✓✗!·".contains(*it));
        match mark {
            _ if line.ends_with("← decided") => "decided",
            Some('✓') => "true",
            Some('✗') => "false",
            Some('!') => "error",
            _ => "skipped",
        }
    };
    text.lines()
        .map(|line| Line {
            class: class(line),
            text: line.to_owned(),
        })
        .collect()
}

/// Returns the link to the explanation of a request, on this page.
pub(super) fn link(fields: &[(&str, &str)]) -> String {
    format!("{}#explanation", query(fields))
}

/// Returns the link to the JSON list of the decisions that a line of the summary counts.
pub(super) fn decisions_of(difference: &Difference) -> String {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let query = query(&[
        ("endpoint", &text(&difference.endpoint)),
        ("client-type", &text(&difference.client_type)),
    ]);
    format!("decisions{query}")
}

/// Returns a query string of the fields that are filled in.
pub(super) fn query(fields: &[(&str, &str)]) -> String {
    let fields: Vec<_> = fields
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    format!("?{}", fields.join("&"))
}

/// Percent-encodes all characters except those of RFC 3986, section 2.3, and slashes, which are
/// allowed in a query.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, "a moment")]
    #[case(1, "1 second")]
    #[case(119, "1 minute")]
    #[case(-7200, "2 hours")]
    #[case(40 * 86_400, "40 days")]
    fn a_duration_is_shown_in_its_largest_unit(#[case] seconds: i64, #[case] expected: &str) {
        assert_eq!(roughly(SignedDuration::from_secs(seconds)), expected);
    }

    #[test]
    fn a_link_encodes_any_path() {
        assert_eq!(
            link(&[("uri", "/a b?c&d=\"#é"), ("client-type", "")]),
            "?uri=/a%20b%3Fc%26d%3D%22%23%C3%A9#explanation"
        );
    }
}
