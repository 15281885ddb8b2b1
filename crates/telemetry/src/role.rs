//! The three roles of the program.

/// The role of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The client-type resolver.
    Resolver,
    /// The authorization service.
    Authorizer,
    /// Both in one process, one hop.
    Serve,
}

impl Role {
    /// Returns the role's name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolver => "resolver",
            Self::Authorizer => "authorizer",
            Self::Serve => "serve",
        }
    }
}
