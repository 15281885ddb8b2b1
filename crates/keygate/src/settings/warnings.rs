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
                    "`{name}` is set but has no effect, because the gateway requests `/auth` \
                     directly"
                );
            }
        }
        if role == Role::Serve {
            for name in mia::sources_of_users(environment) {
                tracing::warn!(
                    "`{name}` is set but has no effect, because `keygate serve` does not read \
                     Mia-Platform's variables: add the section `users` to a settings file"
                );
            }
        }
        if role != Role::Resolver && self.answer_with == AnswerWith::Header {
            tracing::warn!(
                "{} turns every denial into status 200 with `mia-allowed: 0`, so a gateway that \
                 does not read `mia-allowed` allows every request; Keygate's nginx includes still \
                 get 401 and 403",
                self.origins.named("answer-with")
            );
        }
        let listen = self.listen(role);
        let signs_for_anyone = role != Role::Resolver
            && self.identity_token.is_some()
            && self.handoff_secret_file.is_none();
        if signs_for_anyone && !listen.is_local() {
            tracing::warn!(
                "{}: any client of the data listener `{listen}` can get a token for any client \
                 type: allow only the gateway to connect, or set `handoff-secret-file`",
                self.origins.named("identity-token")
            );
        }
        if self.origins.is_mia("listen") && !listen.is_local() {
            tracing::warn!(
                "{} makes the data listener reachable on every address of this machine: allow only \
                 the gateway to connect, or set `KEYGATE_LISTEN` to a single address",
                self.origins.named("listen")
            );
        }
        let operations = self.operations(role);
        if !operations.is_local() {
            tracing::warn!(
                "{}, `{operations}`, is not a loopback address: everyone who can connect to the \
                 admin listener sees key ids, client types and the policy, so allow only probes \
                 and operators to connect",
                self.origins.named("operations")
            );
        }
    }
}
