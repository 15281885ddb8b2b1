//! Shared by the tests: the gateway under test, the program, callers and backends, and the search for
//! keys in all output.

pub(crate) mod backend;
pub(crate) mod caller;
pub(crate) mod configured;
pub(crate) mod example;
pub(crate) mod gateway;
pub(crate) mod http_message;
pub(crate) mod impostor;
pub(crate) mod nginx;
pub(crate) mod openid;
pub(crate) mod operations;
pub(crate) mod problem;
pub(crate) mod program;
pub(crate) mod report;
pub(crate) mod secrets;
pub(crate) mod signing;
pub(crate) mod table;
pub(crate) mod token_issuer;
pub(crate) mod userinfo;
pub(crate) mod yaml_file;
