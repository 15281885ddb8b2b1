//! An nginx configuration as one tree of directives, whatever files it stands in.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use keygate_documents::{diagnostic::Diagnostic, source::SourceError};

use crate::nginx::syntax::{self, Statement, SyntaxError, Word};

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
    secrets: Vec<Range<usize>>,
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
        let folder = path.parent().unwrap_or(Path::new(""));
        let main = Includes::of(folder, path);
        configuration.directives = configuration.read(path, &main)?;
        Ok(configuration)
    }

    /// The diagnostic for a person, with its lines of the file, unless one of them may hold a key.
    pub(super) fn render(&self, file: FileId, diagnostic: &Diagnostic) -> String {
        let Some(file) = self.files.get(file) else {
            return diagnostic.render_without_source("", "");
        };
        let origin = file.path.display().to_string();
        let span = diagnostic.span.clone().unwrap_or_default();
        let line = line_around(&file.text, &span);
        if file.secrets.iter().any(|secret| overlaps(secret, &line)) {
            diagnostic.render_without_source(&origin, &file.text)
        } else {
            diagnostic.render(&origin, &file.text)
        }
    }

    fn read(&mut self, path: &Path, reader: &Includes<'_>) -> Result<Vec<Directive>, SourceError> {
        let bytes = fs::read(path).map_err(|error| SourceError::Unreadable {
            path: path.to_owned(),
            error,
        })?;
        // nginx takes any bytes, in comments for one.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let parsed = syntax::parse(&text);
        let file = self.files.len();
        let secrets = parsed.as_deref().map(secrets_in).unwrap_or_default();
        self.files.push(File {
            path: path.to_owned(),
            text,
            secrets,
        });
        match parsed {
            Ok(statements) => self.convert(statements, file, reader),
            Err(error) => Err(SourceError::Rejected(vec![self.not_nginx(file, &error)])),
        }
    }

    /// A file that is no nginx configuration may be a keys file: none of its text is shown.
    fn not_nginx(&self, file: FileId, error: &SyntaxError) -> String {
        let (origin, text) = self.files.get(file).map_or_else(Default::default, |file| {
            (file.path.display().to_string(), file.text.as_str())
        });
        Diagnostic::error(format!("not an nginx configuration: {error}"))
            .at(error.at..error.at)
            .help("run `nginx -t`: it reports the same file and line")
            .render_without_source(&origin, text)
    }

    fn convert(
        &mut self,
        statements: Vec<Statement>,
        file: FileId,
        reader: &Includes<'_>,
    ) -> Result<Vec<Directive>, SourceError> {
        let mut directives = Vec::new();
        for statement in statements {
            let Word { text: name, span } = statement.name;
            let end = statement
                .arguments
                .last()
                .map_or(span.end, |it| it.span.end);
            let span = span.start..end;
            if let ("include", Some(pattern)) = (name.as_str(), statement.arguments.first()) {
                let included = self.include(&pattern.text, reader);
                directives.extend(included.map_err(|error| self.at_include(error, file, span))?);
                continue;
            }
            let block = match statement.block {
                Some(block) => Some(self.convert(block, file, reader)?),
                None => None,
            };
            let arguments = statement.arguments.into_iter();
            directives.push(Directive {
                name,
                arguments: arguments.map(|argument| argument.text).collect(),
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
        outer: &Includes<'_>,
    ) -> Result<Vec<Directive>, SourceError> {
        let path = outer.folder.join(pattern);
        if !pattern.contains(['*', '?', '[']) {
            return self.read(&path, &outer.entered(&path)?);
        }
        // As glob(3), which nginx calls: a name that starts with a dot is not meant by `*`.
        let options = glob::MatchOptions {
            require_literal_leading_dot: true,
            require_literal_separator: true,
            ..glob::MatchOptions::default()
        };
        let paths = path
            .to_str()
            .and_then(|pattern| glob::glob_with(pattern, options).ok());
        let mut directives = Vec::new();
        for path in paths.into_iter().flatten().flatten() {
            directives.extend(self.read(&path, &outer.entered(&path)?)?);
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

/// The files that are being read: each is included by the one before it.
struct Includes<'o> {
    /// nginx looks for relative names beside its main file (`ngx_conf_full_name`).
    folder: &'o Path,
    path: PathBuf,
    outer: Option<&'o Includes<'o>>,
}

impl<'o> Includes<'o> {
    fn of(folder: &'o Path, path: &Path) -> Self {
        Self {
            folder,
            path: real(path),
            outer: None,
        }
    }

    fn entered(&'o self, path: &Path) -> Result<Includes<'o>, SourceError> {
        let path = real(path);
        let mut open = std::iter::successors(Some(self), |file| file.outer);
        if open.any(|file| file.path == path) {
            let error = Diagnostic::error(format!("`{}` includes itself", path.display()));
            return Err(SourceError::Rejected(vec![format!(
                "error: {}",
                error.message
            )]));
        }
        Ok(Includes {
            folder: self.folder,
            path,
            outer: Some(self),
        })
    }
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// The lines that a span touches.
fn line_around(text: &str, span: &Range<usize>) -> Range<usize> {
    let before = text.get(..span.start).unwrap_or(text);
    let after = text.get(span.end..).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    start..text.len() - after.len() + after.find('\n').unwrap_or(after.len())
}

fn overlaps(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Where keys, passwords and tokens may stand: lines of maps, and constants for such headers.
fn secrets_in(statements: &[Statement]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut blocks = vec![(statements, false)];
    while let Some((block, is_map)) = blocks.pop() {
        for statement in block {
            if is_map || is_secret(statement) {
                let last = statement.arguments.last().unwrap_or(&statement.name);
                spans.push(statement.name.span.start..last.span.end);
            }
            if let Some(inner) = &statement.block {
                blocks.push((inner, statement.name.text == "map"));
            }
        }
    }
    spans
}

fn is_secret(statement: &Statement) -> bool {
    let arguments = statement.arguments.iter().map(|it| it.text.as_ref());
    may_hold_secret(statement.name.text.as_ref(), &arguments.collect::<Vec<_>>())
}

/// Whether a directive may hold a key, password or token: a constant for a header or variable of
/// such a name, or in a query string.
fn may_hold_secret(name: &str, arguments: &[&str]) -> bool {
    const WORDS: [&str; 6] = ["auth", "cookie", "key", "secret", "token", "password"];
    let is_telling = |name: &str| {
        let name = name.to_ascii_lowercase();
        let name = name.replace("keygate", "");
        WORDS.iter().any(|word| name.contains(word))
    };
    let is_constant = |value: &str| !value.is_empty() && !value.starts_with('$');
    let in_query = arguments.iter().any(|argument| {
        let fields = argument.split(['?', '&']).skip(1);
        fields
            .filter_map(|field| field.split_once('='))
            .any(|(name, value)| is_telling(name) && is_constant(value))
    });
    let compared = || match arguments {
        [_, .., value] if name.ends_with("_set_header") => {
            let header = arguments.iter().rev().nth(1);
            header.is_some_and(|header| is_telling(header)) && is_constant(value)
        }
        [variable, .., value] if matches!(name, "if" | "set") => {
            is_telling(variable) && is_constant(value)
        }
        _ => false,
    };
    in_query || compared()
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

    /// The directive as a person would write it, e.g. `location ~ \.php$`, without a key.
    pub(super) fn title(&self) -> String {
        let arguments: Vec<_> = self.arguments.iter().map(String::as_str).collect();
        if may_hold_secret(&self.name, &arguments) {
            return format!("{} …", self.name);
        }
        let mut words = vec![self.name.as_str()];
        words.extend(self.arguments.iter().map(String::as_str));
        words.join(" ")
    }
}
