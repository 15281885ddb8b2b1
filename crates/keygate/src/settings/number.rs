//! Whole numbers, which are text in the environment and numbers in a file.

use std::{
    fmt,
    num::{NonZeroU16, NonZeroU32},
};

use serde::{Deserializer, de};

/// From 0 to 65535.
pub(super) fn count<'de, D: Deserializer<'de>>(from: D) -> Result<u16, D::Error> {
    let number = from.deserialize_any(Range {
        least: 0,
        most: u16::MAX.into(),
    })?;
    u16::try_from(number).map_err(de::Error::custom)
}

/// From 1 to 65535.
pub(super) fn positive<'de, D: Deserializer<'de>>(from: D) -> Result<NonZeroU16, D::Error> {
    let number = from.deserialize_any(Range {
        least: 1,
        most: u16::MAX.into(),
    })?;
    let number = u16::try_from(number).map_err(de::Error::custom)?;
    NonZeroU16::try_from(number).map_err(de::Error::custom)
}

/// At least 1; a setting that is off by default.
pub(super) fn at_least_one<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<NonZeroU32>, D::Error> {
    let number = from.deserialize_any(Range {
        least: 1,
        most: u32::MAX.into(),
    })?;
    let number = u32::try_from(number).map_err(de::Error::custom)?;
    Ok(NonZeroU32::new(number))
}

/// From 1 to 4,294,967,295.
pub(super) fn large<'de, D: Deserializer<'de>>(from: D) -> Result<NonZeroU32, D::Error> {
    at_least_one(from)?.ok_or_else(|| de::Error::custom("`0` is too small: the minimum is 1"))
}

/// The numbers that a setting takes.
struct Range {
    least: u64,
    most: u64,
}

impl Range {
    fn take<E: de::Error>(
        &self,
        number: Option<u64>,
        written: impl fmt::Display,
    ) -> Result<u64, E> {
        number
            .filter(|number| (self.least..=self.most).contains(number))
            .ok_or_else(|| {
                let Self { least, most } = self;
                E::custom(format_args!(
                    "`{written}` is not a whole number from {least} to {most}"
                ))
            })
    }
}

impl de::Visitor<'_> for Range {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {} to {}", self.least, self.most)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        self.take(Some(number), number)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        self.take(u64::try_from(number).ok(), number)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<u64, E> {
        self.take(None, number)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        let number = text.bytes().all(|it| it.is_ascii_digit());
        self.take(number.then(|| text.parse().ok()).flatten(), text)
    }
}
