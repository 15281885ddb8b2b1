//! Directives that replace Keygate's denial, or send one caller's response to another.

use super::{Directive, Finding, scope::variables, server::Location, warning};

impl Location<'_> {
    pub(super) fn cache(&self) -> Option<Finding> {
        let cache = self.scope.one_effective("proxy_cache")?;
        if cache.argument(0) == "off" {
            return None;
        }
        let key = self.scope.one_effective("proxy_cache_key");
        let names: Vec<_> = key
            .into_iter()
            .flat_map(|key| &key.arguments)
            .flat_map(|it| variables(it))
            .collect();
        let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&name.as_str()));
        if !has(&["keygate_client_type"]) {
            let message = "`proxy_cache` may send the response for one client type to another";
            return Some(warning(cache, message).help(
                "add `$keygate_client_type` (and `$keygate_user_id`, if you have users) to \
                 `proxy_cache_key`, or set `proxy_cache off`",
            ));
        }
        let key = key?;
        if !has(&["request_uri", "uri", "document_uri", "request"]) {
            let message = "`proxy_cache_key` contains no path, so the response for one path is sent for \
                 another";
            return Some(warning(key, message).help("add `$request_uri`"));
        }
        let server_names = self.scope.one_effective("server_name");
        let has_names = server_names.is_some_and(|it| it.arguments.len() > 1);
        (has_names && !has(&["host", "http_host"])).then(|| {
            let message =
                "`proxy_cache_key` contains no host, so the response for one host is sent for \
                 another";
            warning(key, message).help("add `$host`")
        })
    }

    /// Reports errors of the backend that are replaced by Keygate's error pages.
    pub(super) fn intercepted_errors(&self) -> Option<Finding> {
        let intercept = self.scope.one_effective("proxy_intercept_errors")?;
        let pages = self.scope.effective("error_page");
        let is_own = |page: &&Directive| {
            let target = page.arguments.last();
            target.is_some_and(|target| target.starts_with("@keygate_"))
        };
        (intercept.argument(0) == "on" && pages.iter().any(is_own)).then(|| {
            warning(
                intercept,
                "with `proxy_intercept_errors on`, a 401, 403 or 500 from the backend looks like a \
                 denial by Keygate",
            )
            .help("turn it off in blocks with the include")
        })
    }

    pub(super) fn satisfy(&self) -> Option<Finding> {
        let satisfy = self.scope.one_effective("satisfy")?;
        (satisfy.argument(0) == "any").then(|| {
            warning(
                satisfy,
                "`satisfy any` lets another condition replace Keygate's decision",
            )
            .help("include `keygate-authorize.conf` in this block, or set `satisfy all`")
        })
    }

    /// Reports error pages that send a denial with a success status.
    pub(super) fn error_pages(&self) -> Vec<Finding> {
        let is_denial =
            |argument: &String| matches!(argument.as_str(), "401" | "403" | "500" | "503");
        let succeeds = |argument: &String| argument == "=" || argument.starts_with("=2");
        self.scope
            .effective("error_page")
            .into_iter()
            .filter(|page| {
                // The includes' own locations set the status themselves.
                let is_own = page
                    .arguments
                    .last()
                    .is_some_and(|it| it.starts_with("@keygate_"));
                !is_own
                    && page.arguments.iter().any(is_denial)
                    && page.arguments.iter().any(succeeds)
            })
            .map(|page| {
                let message = format!("`{}` sends Keygate's denial as a success", page.title());
                warning(page, message).help("remove the `=` and the status after it")
            })
            .collect()
    }
}
