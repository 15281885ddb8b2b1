//! An nginx configuration as one tree of directives, whatever files it stands in.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use keygate_documents::{
    diagnostic::Diagnostic,
    source::{self, SourceError},
};
use nginx_lint_parser::{ast, error::ParseError};

/// Includes inside includes; nginx's own files have two or three.
const DEEPEST_INCLUDE: usize = 16;

/// A configuration and the texts that it was read from.
#[derive(Debug)]
pub(super) struct Configuration {
    files: Vec<File>,
    pub(super) directives: Vec<Directive>,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    text: String,
}

/// A file's place in the configuration.
pub(super) type FileId = usize;

/// One directive, with what stands in its block; includes have been put in their places.
#[derive(Debug)]
pub(super) struct Directive {
    pub(super) name: String,
    /// Without the quotes.
    pub(super) arguments: Vec<String>,
    pub(super) block: Option<Vec<Directive>>,
    pub(super) file: FileId,
    /// The name and the arguments, in bytes of the file.
    pub(super) span: Range<usize>,
}

impl Configuration {
    /// Reads a file and what it includes.
    ///
    /// # Errors
    /// A file cannot be read, or is no nginx configuration.
    pub(super) fn load(path: &Path) -> Result<Self, SourceError> {
        let mut configuration = Self {
            files: Vec::new(),
            directives: Vec::new(),
        };
        // nginx looks for relative names beside its main file (`ngx_conf_full_name`).
        let folder = path.parent().unwrap_or(Path::new(""));
        configuration.directives = configuration.read(path, folder, 0)?;
        Ok(configuration)
    }

    /// The diagnostic for a person, with its lines of the file.
    pub(super) fn render(&self, file: FileId, diagnostic: &Diagnostic) -> String {
        let (origin, text) = self.files.get(file).map_or_else(Default::default, |file| {
            (file.path.display().to_string(), file.text.as_str())
        });
        diagnostic.render(&origin, text)
    }

    fn read(
        &mut self,
        path: &Path,
        folder: &Path,
        depth: usize,
    ) -> Result<Vec<Directive>, SourceError> {
        let text = source::read(path)?.to_string();
        let parsed = nginx_lint_parser::parse_string(&text);
        let file = self.files.len();
        self.files.push(File {
            path: path.to_owned(),
            text,
        });
        match parsed {
            Ok(config) => self.convert(&config.items, file, folder, depth),
            Err(error) => Err(SourceError::Rejected(vec![
                self.render(file, &no_configuration(&error)),
            ])),
        }
    }

    fn convert(
        &mut self,
        items: &[ast::ConfigItem],
        file: FileId,
        folder: &Path,
        depth: usize,
    ) -> Result<Vec<Directive>, SourceError> {
        let mut directives = Vec::new();
        for item in items {
            let ast::ConfigItem::Directive(parsed) = item else {
                continue;
            };
            let end = parsed
                .args
                .last()
                .map_or(parsed.name_span, |last| last.span);
            let span = parsed.name_span.start.offset..end.end.offset;
            if let ("include", Some(pattern)) = (parsed.name.as_str(), parsed.args.first()) {
                let included = self.include(&text_of(pattern), folder, depth);
                directives.extend(included.map_err(|error| self.at_include(error, file, span))?);
                continue;
            }
            let block = match &parsed.block {
                Some(block) => Some(self.convert(&block.items, file, folder, depth)?),
                None => None,
            };
            directives.push(Directive {
                name: parsed.name.clone(),
                arguments: parsed.args.iter().map(text_of).collect(),
                block,
                file,
                span,
            });
        }
        Ok(directives)
    }

    /// What an `include` stands for; a pattern may stand for no file at all, a name may not.
    fn include(
        &mut self,
        pattern: &str,
        folder: &Path,
        depth: usize,
    ) -> Result<Vec<Directive>, SourceError> {
        let path = folder.join(pattern);
        if depth == DEEPEST_INCLUDE {
            let error = Diagnostic::error(format!("`{pattern}` includes itself"));
            return Err(SourceError::Rejected(vec![error.message]));
        }
        if !pattern.contains(['*', '?', '[']) {
            return self.read(&path, folder, depth + 1);
        }
        let paths = path.to_str().and_then(|pattern| glob::glob(pattern).ok());
        let mut directives = Vec::new();
        for path in paths.into_iter().flatten().flatten() {
            directives.extend(self.read(&path, folder, depth + 1)?);
        }
        Ok(directives)
    }

    /// A file that cannot be read, shown where it is included.
    fn at_include(&self, error: SourceError, file: FileId, span: Range<usize>) -> SourceError {
        match error {
            SourceError::Unreadable { .. } => {
                let diagnostic = Diagnostic::error(error.to_string()).at(span).help(
                    "give the main file, e.g. `/etc/nginx/nginx.conf`: nginx looks beside it",
                );
                SourceError::Rejected(vec![self.render(file, &diagnostic)])
            }
            SourceError::Rejected(_)
            | SourceError::NotAFile { .. }
            | SourceError::Unfinished { .. } => error,
        }
    }
}

fn no_configuration(error: &ParseError) -> Diagnostic {
    let what = match error {
        ParseError::UnexpectedToken { found, .. } => found,
        ParseError::UnclosedBlock { .. } => "a block has no end",
        ParseError::IoError(error) => error,
    };
    let diagnostic = Diagnostic::error(format!("this is no nginx configuration: {what}"))
        .help("`nginx -t` says whether nginx takes it");
    match error.position() {
        Some(position) => diagnostic.at(position.offset..position.offset),
        None => diagnostic,
    }
}

fn text_of(argument: &ast::Argument) -> String {
    if argument.is_quoted() {
        argument.as_str().to_owned()
    } else {
        argument.raw.clone()
    }
}

impl Directive {
    /// The n-th argument.
    pub(super) fn argument(&self, n: usize) -> &str {
        self.arguments.get(n).map_or("", String::as_str)
    }

    /// What stands in its block.
    pub(super) fn children(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }

    /// The directive as a person would write it, e.g. `location ~ \.php$`.
    pub(super) fn title(&self) -> String {
        let mut words = vec![self.name.as_str()];
        words.extend(self.arguments.iter().map(String::as_str));
        words.join(" ")
    }
}
