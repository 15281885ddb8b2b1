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

/// Returns addresses for the listener of a setting whose address is taken.
#[must_use]
pub fn examples(role: Role, setting: &str) -> [Address; 2] {
    match setting {
        "grpc-listen" => [7084, 7085].map(|port| Address::Tcp(format!("127.0.0.1:{port}"))),
        _ => [operations(role), data(role)],
    }
}

fn offset(role: Role) -> u16 {
    match role {
        Role::Serve => 0,
        Role::Resolver => 1,
        Role::Authorizer => 2,
    }
}
