//! Lengths of time on the command line: `90d`, `12h`, `2w`, `1y 6mo`.

use jiff::{Span, Timestamp, tz::TimeZone};

/// A length of time that is not negative.
#[derive(Debug, Clone)]
pub(super) struct Period(Span);

impl std::str::FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_ambiguous(text) {
            return Err("`m` could mean minutes or months: write `30min` or `3mo`".to_owned());
        }
        match text.parse::<Span>() {
            Ok(span) if !span.is_negative() => Ok(Self(span)),
            _ => Err("write a duration such as `90d`, `12h` or `2w`".to_owned()),
        }
    }
}

/// Returns whether a number is followed by `m` alone: months or minutes. In ISO 8601 (`P3M`, `PT30M`)
/// the position decides.
fn is_ambiguous(text: &str) -> bool {
    let mut before = ' ';
    let mut rest = text.trim().chars().peekable();
    if matches!(rest.peek(), Some('P' | 'p')) {
        return false;
    }
    while let Some(character) = rest.next() {
        let stands_alone = rest.peek().is_none_or(|next| !next.is_alphabetic());
        let after_number = before.is_ascii_digit() || before == ' ';
        if matches!(character, 'm' | 'M') && after_number && stands_alone {
            return true;
        }
        before = character;
    }
    false
}

impl Period {
    /// Whether it is no time at all.
    pub(super) fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// The moment that lies this far ahead, in days and months of UTC.
    pub(super) fn after(&self, now: Timestamp) -> Option<Timestamp> {
        let now = now.to_zoned_datetime(TimeZone::UTC);
        now.checked_add(self.0).ok().map(|then| then.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("90d", "2027-03-01T12:00:00Z")]
    #[case("12h", "2026-12-02T00:00:00Z")]
    #[case("2w", "2026-12-15T12:00:00Z")]
    #[case("30min", "2026-12-01T12:30:00Z")]
    #[case("3mo", "2027-03-01T12:00:00Z")]
    #[case("P3M", "2027-03-01T12:00:00Z")]
    #[case("PT30M", "2026-12-01T12:30:00Z")]
    #[case("1y 6mo", "2028-06-01T12:00:00Z")]
    #[case("0d", "2026-12-01T12:00:00Z")]
    fn a_period_is_days_hours_and_weeks(#[case] text: &str, #[case] then: &str) {
        let now = "2026-12-01T12:00:00Z".parse().unwrap();
        let period: Period = text.parse().unwrap();
        assert_eq!(period.after(now), Some(then.parse().unwrap()));
    }

    #[test]
    fn m_alone_is_rejected_as_ambiguous() {
        for text in ["3m", "30m", "3 m", "1h 30m", "1h30m", "3M"] {
            let error = text.parse::<Period>().unwrap_err();
            assert!(error.contains("`30min` or `3mo`"), "{text}: {error}");
        }
    }

    #[test]
    fn other_periods_are_rejected() {
        for text in ["", "90", "d", "-1d", "1d ago", "tomorrow", "90 dogs"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
        let far: Period = "9000y".parse().unwrap();
        assert_eq!(far.after(Timestamp::now()), None);
    }
}
