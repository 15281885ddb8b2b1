//! HTTP/1.1 as gateways speak it with an authorization service: a question is a head, and so is its
//! answer (RFC 9112).
//!
//! Pure: bytes in, bytes out. The grammar is `httparse`'s; what is decided here is where a message
//! ends. A question has no body: after a head that announces one, nothing more is read as a question
//! (see [`Head::is_last`]), so that no two parties can disagree about where the next one begins.
//!
//! Nothing is copied out of the buffer that a head was read into, and nothing is allocated: who wipes
//! that buffer has wiped every key that stood in it.

mod head;
mod headers;
mod response;

pub use head::{Head, LONGEST_HEAD, MOST_HEADERS, Malformed, Slots};
pub use headers::{Doubled, Headers, Value};
pub use response::Response;
