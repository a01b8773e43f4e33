//! What the pages look like: the templates, the style and the pictures of the program, and over them
//! those of a folder.
//!
//! All of it is read and tried when the tenant is set up, so that nothing can be missing or wrong
//! when somebody wants to sign in; nothing is read from the folder after that.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::view::samples;
use crate::files::read_bounded;

/// The most files of a folder.
const MOST: usize = 200;
/// The most bytes of a file, and of all of them.
const LARGEST: u64 = 1 << 20;
const LARGEST_FOLDER: usize = 16 << 20;

macro_rules! embedded {
    ($($name:literal)*) => {
        /// The program's own templates.
        const TEMPLATES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("templates/", $name)))),*];
    };
}

embedded! {
    "account.html" "brand.html" "change-email.html" "code.html" "confirm-email.html" "delete.html"
    "error.html" "fields.html" "forgot.html" "layout.html" "messages.html" "register.html"
    "reset.html" "sign-in-by-mail.html" "sign-in.html" "verify.html"
}

/// The style, which every page names.
pub(super) const STYLE: &str = "style.css";

/// The program's own files.
const FILES: &[(&str, &str)] =
    &[(STYLE, include_str!("style.css")), ("icon.svg", include_str!("icon.svg"))];

/// The endings of files that can be served. No scripts, which the pages would not run, and no fonts,
/// which they would not load.
const TYPES: &[(&str, &str)] = &[
    ("avif", "image/avif"),
    ("css", "text/css; charset=utf-8"),
    ("gif", "image/gif"),
    ("ico", "image/x-icon"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("webp", "image/webp"),
];

/// What the pages of a tenant look like.
pub(crate) struct Theme {
    templates: Environment<'static>,
    files: BTreeMap<String, Asset>,
}

/// A file that is served as it is.
#[derive(Clone)]
pub(super) struct Asset {
    pub(super) content: Bytes,
    pub(super) content_type: &'static str,
    /// Differs when the content does.
    pub(super) version: String,
}

impl Asset {
    fn new(content: impl Into<Bytes>, content_type: &'static str) -> Self {
        let content = content.into();
        let digest = Sha256::digest(&content);
        let version = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { content, content_type, version }
    }
}

impl Theme {
    /// The program's own look, with that of the folder over it.
    ///
    /// # Errors
    /// A file that cannot be read, is too large or of a type that is not served; a template that is
    /// wrong, with its line; a page that cannot be made of them.
    pub(crate) fn load(folder: Option<&Path>) -> Result<Arc<Self>, String> {
        // Shared by all tenants that have no folder.
        static OWN: OnceLock<Arc<Theme>> = OnceLock::new();
        let Some(folder) = folder else {
            if let Some(own) = OWN.get() {
                return Ok(Arc::clone(own));
            }
            let own = Arc::new(Self::made(Vec::new())?);
            return Ok(Arc::clone(OWN.get_or_init(|| own)));
        };
        let theme = read(folder).and_then(Self::made);
        theme.map(Arc::new).map_err(|problem| format!("{}: {problem}", folder.display()))
    }

    fn made(given: Vec<(String, Vec<u8>)>) -> Result<Self, String> {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut files = BTreeMap::new();
        for (name, text) in TEMPLATES {
            templates.add_template(name, text).map_err(|error| wrong(&error))?;
        }
        for (name, content) in FILES {
            files.insert((*name).to_owned(), Asset::new(*content, type_of(name)?));
        }
        for (name, content) in given {
            if name.ends_with(".html") {
                let text =
                    String::from_utf8(content).map_err(|_| format!("{name} is not UTF-8"))?;
                templates.add_template_owned(name, text).map_err(|error| wrong(&error))?;
            } else {
                let content_type = type_of(&name)?;
                files.insert(name, Asset::new(content, content_type));
            }
        }
        let theme = Self { templates, files };
        for (template, view) in samples() {
            theme.render(template, &view).map_err(|error| wrong(&error))?;
        }
        Ok(theme)
    }

    /// A page.
    pub(super) fn render(
        &self,
        template: &str,
        view: &impl Serialize,
    ) -> Result<String, minijinja::Error> {
        self.templates.get_template(template)?.render(Serde(view))
    }

    /// A file that is served as it is.
    pub(super) fn file(&self, name: &str) -> Option<&Asset> {
        self.files.get(name)
    }
}

fn type_of(name: &str) -> Result<&'static str, String> {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let known = TYPES.iter().find(|(known, _)| Some(*known) == ending.as_deref());
    known.map(|(_, content_type)| *content_type).ok_or_else(|| {
        let known: Vec<&str> = TYPES.iter().map(|(known, _)| *known).collect();
        let known = known.join(", ");
        format!("{name} is neither a template (html) nor one of {known}")
    })
}

/// What is wrong with a template, and where.
fn wrong(error: &minijinja::Error) -> String {
    // The innermost: those around it only say which template named which.
    let mut error = error;
    while let Some(inner) = std::error::Error::source(error).and_then(|it| it.downcast_ref()) {
        error = inner;
    }
    let name = error.name().unwrap_or("a template");
    let line = error.line().map_or_else(String::new, |line| format!(", line {line}"));
    let detail = error.detail().map_or_else(String::new, |detail| format!(": {detail}"));
    format!("{name}{line}: {}{detail}", error.kind())
}

/// The files of the folder. What lies in folders inside it, and what is hidden, is not looked at.
fn read(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    let told = |error: std::io::Error| error.to_string();
    let mut given = Vec::new();
    let mut bytes = 0;
    for entry in folder.read_dir().map_err(told)? {
        let path = entry.map_err(told)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || path.is_dir() {
            continue;
        }
        if !name.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it)) {
            return Err(format!(
                "{}: a name has letters, digits, and . - _ only",
                name.escape_debug()
            ));
        }
        let content = File::open(&path).and_then(|file| read_bounded(file, LARGEST));
        let content = content.map_err(|error| format!("{name} {error}"))?;
        bytes += content.len();
        given.push((name, content.to_vec()));
        if given.len() > MOST || bytes > LARGEST_FOLDER {
            return Err(format!("has more than {MOST} files or {LARGEST_FOLDER} bytes"));
        }
    }
    Ok(given)
}
