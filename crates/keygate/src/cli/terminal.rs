//! Terminal output: results on standard output, reports on standard error.

use std::{
    fmt,
    io::{self, ErrorKind, Write},
    process,
};

/// Prints a part of the result. If it cannot be written the program ends with 1, and without a message
/// if the reader has closed the pipe, as in `| head`.
pub(super) fn print(text: impl fmt::Display) {
    let mut output = io::stdout().lock();
    let written = write!(output, "{text}").and_then(|()| output.flush());
    let Err(error) = written else { return };
    if error.kind() != ErrorKind::BrokenPipe {
        say(format_args!(
            "error: cannot write to standard output: {error}"
        ));
    }
    process::exit(1)
}

/// Reports to the user of the command.
pub(super) fn say(what: impl fmt::Display) {
    // A failed report cannot be reported either.
    _ = writeln!(io::stderr(), "{what}");
}
