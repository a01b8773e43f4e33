//! Where a setting was given, so that a complaint about it can say so.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::SetupError;

/// The place where a setting was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A key in the settings file. Lines and columns count from 1, columns in characters.
    File {
        /// The settings file.
        path: PathBuf,
        /// The line of the key.
        line: usize,
        /// The column of the key.
        column: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name, as found.
        variable: String,
    },
    /// A file of its own, by `KEY_file`.
    SecretFile {
        /// That file.
        path: PathBuf,
        /// Where `KEY_file` was given.
        named_by: Box<Origin>,
    },
    /// The program that embeds this library.
    Program,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Origin::Environment { variable } => write!(f, "environment variable {variable}"),
            Origin::SecretFile { path, named_by } => {
                write!(f, "file {}, named by {named_by}", path.display())
            }
            Origin::Program => f.write_str("given by the program"),
        }
    }
}

/// Stands for the table `[gateway]` where otherwise the name of a tenant does; no tenant can have
/// this name.
pub(super) const GATEWAY: &str = "[gateway]";

/// The text of every complaint about a key: the key, the problem and the place.
pub(super) fn complaint(tenant: &str, key: &str, problem: &str, place: Option<&Origin>) -> String {
    let place = place.map_or_else(|| "not set".to_owned(), Origin::to_string);
    if tenant == GATEWAY {
        return format!("`gateway.{key}` {problem} ({place})");
    }
    format!("`{key}` of tenant `{tenant}` {problem} ({place})")
}

/// [`complaint`] as an error.
pub(super) fn wrong(tenant: &str, key: &str, problem: &str, place: &Origin) -> SetupError {
    SetupError::Settings(complaint(tenant, key, problem, Some(place)))
}

/// Turns byte offsets in the text of a file into places.
pub(super) struct Places<'a> {
    path: &'a Path,
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl<'a> Places<'a> {
    /// For a text that was read from a file.
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        let behind_newlines = text.match_indices('\n').map(|(newline, _)| newline + 1);
        Self { path, text, lines: std::iter::once(0).chain(behind_newlines).collect() }
    }

    /// The place of an offset.
    pub(super) fn of(&self, offset: usize) -> Origin {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..offset).unwrap_or_default();
        Origin::File { path: self.path.to_owned(), line, column: before.chars().count() + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let text = "a = 1\n\"é\" = 2\n";
        let places = Places::new(Path::new("p.toml"), text);
        let shown = |offset| places.of(offset).to_string();
        assert_eq!(shown(0), "p.toml:1:1");
        assert_eq!(shown(text.find('2').unwrap()), "p.toml:2:7");
        assert_eq!(shown(text.len()), "p.toml:3:1");
        assert_eq!(shown(9999), "p.toml:3:1");
    }

    #[test]
    fn a_complaint_names_key_problem_and_place() {
        let named_by = Box::new(Origin::Environment { variable: "V".to_owned() });
        let origin = Origin::SecretFile { path: "/run/k".into(), named_by };
        assert_eq!(
            complaint("default", "secret_key", "is short", Some(&origin)),
            "`secret_key` of tenant `default` is short \
             (file /run/k, named by environment variable V)"
        );
        assert!(complaint("t", "k", "p", None).ends_with("(not set)"));
    }
}
