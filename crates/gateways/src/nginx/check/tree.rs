//! An nginx configuration as one tree of directives, with its includes.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use keygate_documents::{diagnostic::Diagnostic, source::SourceError};

use crate::nginx::syntax::{self, Statement, SyntaxError, Word};

/// A configuration and the text of its files.
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

/// A file's index in the configuration.
pub(super) type FileId = usize;

/// A directive and its block; includes are already replaced by their content.
#[derive(Debug)]
pub(super) struct Directive {
    pub(super) name: String,
    /// The arguments, without quotes.
    pub(super) arguments: Vec<String>,
    pub(super) block: Option<Vec<Directive>>,
    pub(super) file: FileId,
    /// The span of the name and the arguments, in bytes of the file.
    pub(super) span: Range<usize>,
}

impl Configuration {
    /// Reads a file and its includes.
    ///
    /// # Errors
    /// A file cannot be read, or is not an nginx configuration.
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

    /// Renders a diagnostic with its lines of the file, unless one of them may hold a key.
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
        // nginx accepts any bytes, for example in comments.
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

    /// Renders a syntax error without any text of the file, which may be a keys file.
    fn not_nginx(&self, file: FileId, error: &SyntaxError) -> String {
        let (origin, text) = self.files.get(file).map_or_else(Default::default, |file| {
            (file.path.display().to_string(), file.text.as_str())
        });
        Diagnostic::error(format!("not an nginx configuration: {error}"))
            .at(error.at..error.at)
            .help("run `nginx -t`, which reports the same file and line")
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

    /// Reads the files of an `include`; a pattern may match none, a name must exist.
    fn include(
        &mut self,
        pattern: &str,
        outer: &Includes<'_>,
    ) -> Result<Vec<Directive>, SourceError> {
        let path = outer.folder.join(pattern);
        if !pattern.contains(['*', '?', '[']) {
            return self.read(&path, &outer.entered(&path)?);
        }
        // As in glob(3), which nginx calls, `*` does not match a leading dot.
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

    /// Reports an unreadable file at the `include` that names it.
    fn at_include(&self, error: SourceError, file: FileId, span: Range<usize>) -> SourceError {
        match error {
            SourceError::Unreadable { .. } => {
                let diagnostic = Diagnostic::error(error.to_string()).at(span).help(
                    "check the main file, e.g. `/etc/nginx/nginx.conf`, because nginx resolves \
                     relative paths from its directory",
                );
                SourceError::Rejected(vec![self.render(file, &diagnostic)])
            }
            SourceError::Rejected(_)
            | SourceError::NotAFile { .. }
            | SourceError::Unfinished { .. } => error,
        }
    }
}

/// The files that are being read, each included by its `outer` one.
struct Includes<'o> {
    /// The directory of the main file, from which nginx resolves relative paths (`ngx_conf_full_name`).
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

/// Returns the span of the lines that a span touches.
fn line_around(text: &str, span: &Range<usize>) -> Range<usize> {
    let before = text.get(..span.start).unwrap_or(text);
    let after = text.get(span.end..).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    start..text.len() - after.len() + after.find('\n').unwrap_or(after.len())
}

fn overlaps(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Returns the spans that may contain secrets: lines of maps, and constants for such headers.
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

/// Returns whether a directive may contain a key, password or token.
///
/// That is a constant for a header, a variable or a query parameter of such a name.
fn may_hold_secret(name: &str, arguments: &[&str]) -> bool {
    const WORDS: [&str; 6] = ["auth", "cookie", "key", "secret", "token", "password"];
    let is_secret_name = |name: &str| {
        let name = name.to_ascii_lowercase();
        let name = name.replace("keygate", "");
        WORDS.iter().any(|word| name.contains(word))
    };
    let is_constant = |value: &str| !value.is_empty() && !value.starts_with('$');
    let in_query = arguments.iter().any(|argument| {
        let fields = argument.split(['?', '&']).skip(1);
        fields
            .filter_map(|field| field.split_once('='))
            .any(|(name, value)| is_secret_name(name) && is_constant(value))
    });
    let compared = || match arguments {
        [_, .., value] if name.ends_with("_set_header") => {
            let header = arguments.iter().rev().nth(1);
            header.is_some_and(|header| is_secret_name(header)) && is_constant(value)
        }
        [variable, .., value] if matches!(name, "if" | "set") => {
            is_secret_name(variable) && is_constant(value)
        }
        _ => false,
    };
    in_query || compared()
}

impl Directive {
    /// Returns the n-th argument, or an empty string.
    pub(super) fn argument(&self, n: usize) -> &str {
        self.arguments.get(n).map_or("", String::as_str)
    }

    /// Returns the directives of its block.
    pub(super) fn children(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }

    /// Returns the directive as written, e.g. `location ~ \.php$`, without secrets.
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
