//! The default listeners of each role.

use keygate_telemetry::role::Role;

use crate::listener::Address;

/// The default data listener.
#[must_use]
pub fn data(role: Role) -> Address {
    Address::Tcp(format!("127.0.0.1:{}", 7080 + offset(role)))
}

/// The default operations listener.
#[must_use]
pub fn operations(role: Role) -> Address {
    Address::Tcp(format!("127.0.0.1:{}", 7090 + offset(role)))
}

fn offset(role: Role) -> u16 {
    match role {
        Role::Serve => 0,
        Role::Resolver => 1,
        Role::Authorizer => 2,
    }
}
