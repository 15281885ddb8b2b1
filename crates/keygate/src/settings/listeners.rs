//! The addresses of a role's listeners: each has one of its own.

use keygate_telemetry::role::Role;

use super::{Settings, SettingsError};
use crate::{addresses, listener::Address};

impl Settings {
    /// The data listener of a role.
    #[must_use]
    pub fn listen(&self, role: Role) -> Address {
        self.listen.clone().unwrap_or_else(|| addresses::data(role))
    }

    /// Returns the admin listener of a role.
    #[must_use]
    pub fn operations(&self, role: Role) -> Address {
        self.operations
            .clone()
            .unwrap_or_else(|| addresses::operations(role))
    }

    /// Makes sure that a role's listeners have an address each.
    ///
    /// # Errors
    /// Two of them have the same one.
    pub fn with_different_addresses(self, role: Role) -> Result<Self, SettingsError> {
        let listeners = self.listeners(role);
        for (at, (second, address)) in listeners.iter().enumerate() {
            let mut before = listeners.iter().take(at);
            let other = before.find(|(_, other)| other == address && !other.may_be_shared());
            if let Some((first, _)) = other {
                return Err(self.same_address(role, first, second));
            }
        }
        Ok(self)
    }

    /// Returns the address of each listener of a role, with its setting, in the order in which they are bound.
    #[must_use]
    pub fn listeners(&self, role: Role) -> Vec<(&'static str, Address)> {
        let grpc = self.grpc_listen.clone().map(|it| ("grpc-listen", it));
        let data = ("listen", self.listen(role));
        let operations = ("operations", self.operations(role));
        [Some(data), grpc, Some(operations)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// The error that the listeners of two settings have one address.
    #[must_use]
    pub fn same_address(
        &self,
        role: Role,
        first: &'static str,
        second: &'static str,
    ) -> SettingsError {
        let listeners = self.listeners(role);
        let is_taken = |address: &Address| {
            let mut others = listeners.iter().filter(|(setting, _)| *setting != second);
            others.any(|(_, other)| other.port() == address.port())
        };
        let mut examples = addresses::examples(role, second).into_iter();
        let address = listeners.iter().find(|(setting, _)| *setting == second);
        SettingsError::SameAddress {
            first: self.origins.named(first),
            second: self.origins.named(second),
            flag: second,
            address: address.map(|(_, it)| it.to_string()).unwrap_or_default(),
            example: examples.find(|it| !is_taken(it)),
        }
    }
}

#[cfg(test)]
mod tests {
    use figment::value::Value;
    use rstest::rstest;

    use super::*;

    fn with(flags: &[(&str, &str)]) -> Result<Settings, String> {
        let flags = flags.iter();
        let flags = flags.map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
        Settings::layered(Role::Serve, None, flags.collect(), [])
            .and_then(|settings| settings.with_different_addresses(Role::Serve))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn there_is_no_listener_for_grpc_by_default() {
        let names: fn(&Settings) -> Vec<_> = |settings| {
            let listeners = settings.listeners(Role::Serve).into_iter();
            listeners.map(|(name, _)| name).collect()
        };
        let settings = with(&[]).unwrap();
        assert_eq!(names(&settings), ["listen", "operations"]);
        let settings = with(&[("grpc-listen", "unix:/run/grpc.sock")]).unwrap();
        assert_eq!(names(&settings), ["listen", "grpc-listen", "operations"]);
    }

    #[rstest]
    #[case::data(
        &[("grpc-listen", "127.0.0.1:7080")],
        "the default of `listen` and `--grpc-listen` are both `127.0.0.1:7080`: each listener \
         needs its own address, such as `--grpc-listen 127.0.0.1:7084`"
    )]
    #[case::operations(
        &[("grpc-listen", "127.0.0.1:7090"), ("listen", "127.0.0.1:7000")],
        "`--grpc-listen` and the default of `operations` are both `127.0.0.1:7090`: each listener \
         needs its own address, such as `--operations 127.0.0.1:7080`"
    )]
    #[case::both_examples_are_taken(
        &[("grpc-listen", "127.0.0.1:7080"), ("listen", "127.0.0.1:7090"), ("operations", "127.0.0.1:7090")],
        "`--listen` and `--operations` are both `127.0.0.1:7090`: each listener needs its own \
         address"
    )]
    #[case::sockets(
        &[("listen", "unix:/run/a"), ("grpc-listen", "unix:/run/a")],
        "`--listen` and `--grpc-listen` are both `unix:/run/a`: each listener needs its own \
         address, such as `--grpc-listen 127.0.0.1:7084`"
    )]
    fn two_listeners_cannot_have_one_address(
        #[case] flags: &[(&str, &str)],
        #[case] expected: &str,
    ) {
        assert_eq!(with(flags).unwrap_err(), expected);
    }

    #[test]
    fn an_address_must_be_one() {
        let error = with(&[("grpc-listen", "7084")]).unwrap_err();
        assert!(
            error.contains("`--grpc-listen`") && error.contains("HOST:PORT"),
            "{error}"
        );
    }

    #[test]
    fn each_listener_may_take_a_free_port() {
        let any = "127.0.0.1:0";
        assert!(with(&[("listen", any), ("grpc-listen", any), ("operations", any)]).is_ok());
    }
}
