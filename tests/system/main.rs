//! System tests: callers, nginx, the program, and a backend that records the requests that reach it.
//!
//! Cases with a gateway run on each nginx that Keygate supports (`support::nginx::each_nginx`);
//! `support::report` counts them. Requests and their expected results are data:
//! `tests/corpus/*.yaml`. Code tests what a row cannot describe: services that stop, long bodies,
//! connections that change protocol.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod alerts;
mod authorization_requests;
mod bearer_keys;
mod beside_other_settings;
mod bodies_and_upgrades;
mod changes;
mod check_nginx;
mod check_users;
mod colliding_names;
mod command_line;
mod corpus;
mod data_limits;
mod debug_page;
mod decision_log;
mod demo;
mod descriptors;
mod error_pages_of_servers;
mod explain_hints;
mod explain_users;
mod explanations;
mod failed_key_limit;
mod files_being_written;
mod gateways;
mod grpc_listener;
mod half_renamed_pair;
mod health;
mod identity_token_examples;
mod identity_tokens;
mod includes;
mod issuer_outages;
mod key_pitfalls;
mod keys_command;
mod keys_crash;
mod keys_import;
mod keys_live;
mod kong_import;
mod log_reader;
mod memory;
mod metrics;
mod mia_environment;
mod nginx_includes;
mod operations_hosts;
mod operations_limits;
mod outages;
mod path_differential;
mod policy_import;
mod probe_command;
mod probes;
mod reference_pages;
mod replicas;
mod settings_in_pairs;
mod shadow;
mod shutdown;
mod signed_hand_off;
mod socket_files;
mod start_up;
mod support;
#[path = "../tokens/mod.rs"]
mod tokens;
mod traces;
mod unreadable_requests;
mod users_by_token;
mod users_by_trusted_headers;
mod users_by_userinfo;
mod users_of_mia_platform;
mod users_on_debug_page;
mod wrong_files;
mod wrong_spellings;
mod yaml_is_plain_data;
