//! Settings that work and that an operator may not have meant.

use keygate_authorizer::AnswerWith;
use keygate_telemetry::role::Role;

use super::{Settings, mia};

impl Settings {
    /// Logs what an operator may not have meant.
    pub fn warn(&self, role: Role, environment: &[(String, String)]) {
        if role == Role::Authorizer {
            for name in mia::without_effect(environment) {
                tracing::warn!(
                    "`{name}` is set and has no effect: the gateway requests `/auth` itself"
                );
            }
        }
        if role == Role::Serve {
            for name in mia::sources_of_users(environment) {
                tracing::warn!(
                    "`{name}` is set and has no effect: `keygate serve` does not read Mia-Platform's names; \
                     write the section `users` into a settings file"
                );
            }
        }
        if role != Role::Resolver && self.answer_with == AnswerWith::Header {
            tracing::warn!(
                "{} makes every denial a response 200 with `mia-allowed: 0`: a gateway that does not read \
                 `mia-allowed` lets every request pass. Requests of Keygate's nginx includes get 401 and \
                 403 all the same",
                self.origins.named("answer-with")
            );
        }
        let listen = self.listen(role);
        let signs_for_anyone = role != Role::Resolver
            && self.identity_token.is_some()
            && self.handoff_secret_file.is_none();
        if signs_for_anyone && !listen.is_local() {
            tracing::warn!(
                "{}: any client of the data listener `{listen}` can get a token of any client type: let \
                 only the gateway reach it, or set `handoff-secret-file`",
                self.origins.named("identity-token")
            );
        }
        if self.origins.is_mia("listen") && !listen.is_local() {
            tracing::warn!(
                "{} makes the data listener reachable on every address of this machine: let only the \
                 gateway reach it, or set `KEYGATE_LISTEN` to one address",
                self.origins.named("listen")
            );
        }
        let operations = self.operations(role);
        if !operations.is_local() {
            tracing::warn!(
                "{}, `{operations}`, is not a loopback address: everyone who reaches the admin listener \
                 sees key ids, client types and the policy, so let only probes and operators reach it",
                self.origins.named("operations")
            );
        }
    }
}
