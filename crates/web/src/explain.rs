//! Explains a described request by the active policy, and by what else the process knows.

use keygate_authorizer::Authorizer;
use keygate_explain::{Context, ExplainedDecision, RequestDescription, UserSettings};
use keygate_telemetry::operations::Operations;

/// Returns the decision on a described request.
pub(crate) fn explain(
    request: &RequestDescription,
    authorizer: &Authorizer,
    operations: &Operations,
) -> ExplainedDecision {
    let keys = operations.resolver.as_ref().map(|resolver| resolver.keys());
    authorizer.look(|policy, shadow_policy| {
        let context = Context {
            policy,
            shadow_policy,
            keys: keys.as_deref(),
            users: Some(UserSettings {
                sources: &operations.user_sources,
                identity_limit: operations.identity_limit,
            }),
        };
        ExplainedDecision::to(request, &context)
    })
}
