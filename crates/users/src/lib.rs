//! Who is logged in: a user from a JWT, a userinfo response or trusted headers, and the identity headers
//! that backends get.
//!
//! Each source of users is one module: [`jwt`] verifies tokens with the keys of a [`jwks`] set,
//! [`userinfo`] reads the response of a userinfo service, [`trusted`] reads headers that a gateway is
//! trusted with. All of them give a [`Found`] user; [`mapping`] says where in a JSON document its parts
//! are. [`lookup`] is their input and result. [`identity`] turns a user into header values, and
//! [`identity_token`] signs who it is. [`settings`] is the section `users` of a settings file.
//!
//! *Invariant: pure.* Bytes, headers and the time go in, a user or an error comes out: no I/O, no async,
//! no clock. No error and no warning repeats a token or a part of one.

pub mod crypto;
pub mod identity;
pub mod identity_token;
mod json;
pub mod jwks;
pub mod jwt;
pub mod lookup;
pub mod mapping;
pub mod peers;
pub mod pointer;
pub mod settings;
pub mod token_from;
pub mod trusted;
pub mod userinfo;

pub use identity::Identity;
pub use identity_token::{IdentityToken, IdentityTokens, SigningKeys};
pub use json::JsonError;
pub use jwks::KeySet;
pub use jwt::{Issuer, Refusal, Unverified, Verified};
pub use keygate_expression::User;
pub use lookup::{FindUser, Lookup, Outcome, Unavailable};
pub use mapping::{Found, Mapping, Warning};
pub use pointer::Pointer;
pub use token_from::TokenFrom;
