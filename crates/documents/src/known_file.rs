//! Recognizes the kind of a file by its fields, for hints if it is given instead of another kind.

/// A kind of file that commands read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownFile {
    /// A Console configuration of Mia-Platform.
    Console,
    /// A policy, or an `auth.json`.
    Policy,
    /// A keys file.
    Keys,
    /// The cases of `keygate test`.
    Cases,
}

impl KnownFile {
    /// Returns the kind of a file with these fields at its top.
    #[must_use]
    pub fn of(fields: &[String]) -> Option<Self> {
        let has = |name: &str| fields.iter().any(|field| field == name);
        if has("secrets") || has("services") {
            Some(Self::Console)
        } else if has("endpoints") || fields.iter().any(|field| field.starts_with('/')) {
            Some(Self::Policy)
        } else if has("keys") {
            Some(Self::Keys)
        } else if has("cases") {
            Some(Self::Cases)
        } else {
            None
        }
    }

    /// Returns what to do with such a file.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Console => {
                "this looks like a Console configuration: convert it with `keygate import mia`"
            }
            Self::Policy => "this looks like a policy file: pass it with `--policy`",
            Self::Keys => "this looks like a keys file: pass it with `--keys`",
            Self::Cases => "this looks like a file of test cases: pass it to `keygate test`",
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&["version", "endpoints"], Some(KnownFile::Policy))]
    #[case(&["/orders"], Some(KnownFile::Policy))]
    #[case(&["version", "keys"], Some(KnownFile::Keys))]
    #[case(&["version", "cases"], Some(KnownFile::Cases))]
    #[case(&["endpoints", "secrets"], Some(KnownFile::Console))]
    #[case(&["endpoints", "services"], Some(KnownFile::Console))]
    #[case(&["version"], None)]
    #[case(&[], None)]
    fn a_file_is_recognized_by_its_fields(
        #[case] fields: &[&str],
        #[case] expected: Option<KnownFile>,
    ) {
        let fields: Vec<_> = fields.iter().map(|it| (*it).to_owned()).collect();
        assert_eq!(KnownFile::of(&fields), expected);
    }
}
