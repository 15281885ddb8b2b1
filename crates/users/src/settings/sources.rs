//! The sources of users, in words.

use http::HeaderName;

use super::{TrustedHeaders, Userinfo, Users};

impl Users {
    /// Returns each source of users in words, in the order in which they are tried.
    #[must_use]
    pub fn sources(&self) -> Vec<String> {
        let trusted = self.trusted_headers.as_ref().map(of_headers);
        let userinfo = self.userinfo.as_ref().map(of_userinfo);
        let tokens = (!self.jwt.is_empty()).then(|| self.of_tokens());
        [trusted, tokens, userinfo].into_iter().flatten().collect()
    }

    fn of_tokens(&self) -> String {
        let issuers = alternatives(self.jwt.iter().map(|it| format!("`{}`", it.issuer.name)));
        let places = alternatives(self.token_from.iter().map(ToString::to_string));
        format!("a token from {issuers} in {places}")
    }
}

fn of_headers(trusted: &TrustedHeaders) -> String {
    let names = &trusted.names;
    format!(
        "the headers `{}`, `{}` and `{}` from a trusted gateway",
        names.id, names.groups, names.properties
    )
}

fn of_userinfo(userinfo: &Userinfo) -> String {
    let url = &userinfo.url;
    let headers = alternatives(userinfo.only_with.iter().map(in_backticks));
    format!("the userinfo service `{url}`, for requests with {headers}")
}

fn in_backticks(name: &HeaderName) -> String {
    format!("`{name}`")
}

fn alternatives(all: impl Iterator<Item = String>) -> String {
    all.collect::<Vec<_>>().join(" or ")
}
