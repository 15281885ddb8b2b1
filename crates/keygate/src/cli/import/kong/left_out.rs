//! Paths of routes that are left out, and the endpoints that would decide their requests in Kong's place.

use super::routes::{Callers, Endpoint};

/// A path of Kong that a policy cannot have.
pub(super) struct LeftOut {
    route: String,
    /// What each of its requests begins with.
    prefix: String,
    callers: Callers,
}

impl LeftOut {
    pub(super) fn new(route: &str, path: &str, callers: Callers) -> Self {
        Self {
            route: route.to_owned(),
            prefix: path
                .strip_prefix('~')
                .map_or_else(|| path.to_owned(), literal_prefix),
            callers,
        }
    }

    /// Whether a request of this path may match the endpoint.
    fn overlaps(&self, endpoint: &Endpoint) -> bool {
        let base = endpoint.kong_path.trim_end_matches('/');
        self.prefix.starts_with(base) || base.starts_with(&self.prefix)
    }
}

/// Denies each endpoint that would allow more callers than Kong does for a path that is left out.
pub(super) fn close(endpoints: &mut [Endpoint], left_out: &[LeftOut], notes: &mut Vec<String>) {
    for endpoint in endpoints {
        let more = |path: &&LeftOut| {
            path.overlaps(endpoint) && !endpoint.callers.are_within(&path.callers)
        };
        if let Some(path) = left_out.iter().find(more) {
            notes.push(format!(
                "the route `{}` denies all requests, because requests to its path might belong to \
                 the route `{}`, which is not imported and allows fewer callers: set who can call \
                 both in the policy",
                endpoint.route, path.route
            ));
            endpoint.callers = Callers::Nobody;
        }
    }
}

/// Returns the text that everything begins with that the regular expression matches.
fn literal_prefix(regex: &str) -> String {
    if regex.contains(['|', '\n']) || regex.contains("(?") {
        return String::new();
    }
    let regex = regex.strip_prefix('^').unwrap_or(regex);
    let end = regex.find(|it: char| !it.is_ascii_alphanumeric() && !"/-_~".contains(it));
    let (literal, rest) = regex.split_at(end.unwrap_or(regex.len()));
    let mut literal = literal.to_owned();
    if rest.starts_with(['?', '*', '{', '+']) {
        literal.pop();
    }
    literal
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::literal_prefix;

    #[rstest]
    #[case(r"/orders/\d+$", "/orders/")]
    #[case("^/orders/[0-9]+", "/orders/")]
    #[case("/orders?/x", "/order")]
    #[case("/a{0}b", "/")]
    #[case("/v1.1/x", "/v1")]
    #[case("/a|/b", "")]
    #[case("(?i)/a", "")]
    #[case("/a(?i)b", "")]
    fn literal_prefix_ends_at_the_first_operator(#[case] regex: &str, #[case] expected: &str) {
        assert_eq!(literal_prefix(regex), expected);
    }
}
