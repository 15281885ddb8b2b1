//! What a command says: its answer on standard output, all else on standard error.

use std::{
    fmt,
    io::{self, ErrorKind, Write},
    process,
};

/// Prints a piece of the answer. Half an answer is none: where it cannot be written the program ends
/// with 1, without a word if nobody reads on, as behind `| head`.
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

/// Says something to whoever ran the command.
pub(super) fn say(what: impl fmt::Display) {
    // Where nobody listens there is nobody to tell that.
    _ = writeln!(io::stderr(), "{what}");
}
