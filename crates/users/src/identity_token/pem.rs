//! Blocks of a PEM file (RFC 7468), one by one, so that an error can say which of them is wrong.

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

const DASHES: &str = "-----";

/// A block between its `BEGIN` and `END` lines.
pub(super) struct Block<'t> {
    /// The line of its `BEGIN`, counted from 1.
    pub(super) line: usize,
    /// What it says that it is, e.g. `PRIVATE KEY`.
    pub(super) label: &'t str,
    content: Vec<&'t str>,
}

/// The error for a block that is not between `BEGIN` and `END` lines of one label.
pub(super) struct BrokenBlock {
    /// Its first line, counted from 1.
    pub(super) line: usize,
}

impl Block<'_> {
    /// Returns the bytes of the block.
    pub(super) fn decode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let base64 = Zeroizing::new(self.content.concat());
        STANDARD.decode(base64.as_bytes()).ok().map(Zeroizing::new)
    }
}

/// Returns the blocks of a text. Text around them is ignored, as RFC 7468 has it.
pub(super) fn blocks(text: &str) -> Result<Vec<Block<'_>>, BrokenBlock> {
    let mut lines = (1..).zip(text.lines().map(str::trim_ascii));
    let mut blocks = Vec::new();
    while let Some((line, begin)) = lines.find(|(_, it)| it.starts_with(DASHES)) {
        let broken = || BrokenBlock { line };
        let label = label(begin, "-----BEGIN ").ok_or_else(broken)?;
        let mut content = Vec::new();
        let end = loop {
            match lines.next() {
                Some((_, it)) if it.starts_with(DASHES) => break it,
                Some((_, it)) => content.push(it),
                None => return Err(broken()),
            }
        };
        if self::label(end, "-----END ") != Some(label) {
            return Err(broken());
        }
        blocks.push(Block {
            line,
            label,
            content,
        });
    }
    Ok(blocks)
}

fn label<'t>(line: &'t str, start: &str) -> Option<&'t str> {
    line.strip_prefix(start)?.strip_suffix(DASHES)
}
