//! One source of settings for one tenant, flattened: the file, or the environment.
//!
//! Structure is settled here, whatever a key means: tables become dotted keys, the package's other
//! names become ours, `KEY_file` becomes KEY, and a key given twice is an error, however the two
//! are spelled.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::origin::{Origin, wrong};
use crate::error::SetupError;
use crate::files::read_bounded;

/// Other names of the same keys, as the Python package knows them.
const ALIASES: [(&str, &str); 4] = [
    ("rate_limit", "rate_limiting"),
    ("attempts", "db_attempts"),
    ("delay", "db_delay"),
    ("timeout", "db_timeout"),
];

/// The only keys whose value may be a list.
const LISTS: [&str; 4] = ["hosts", "old_secret_keys", "return_to", "trusted_proxies"];

/// The most that a file named by `KEY_file` may hold, in bytes.
const SECRET_FILE_LIMIT: u64 = 64 * 1024;

/// A value as it was found. What it means is not known here, so that each may be a secret.
#[derive(Clone)]
pub(super) enum Found {
    /// `true` or `false`.
    Boolean(bool),
    /// A 64-bit integer.
    Integer(i64),
    /// A text.
    Text(Zeroizing<String>),
    /// A list of texts.
    List(Vec<Zeroizing<String>>),
    /// A text that stands in this file.
    InFile(PathBuf),
}

/// A value and all that is known about it.
#[derive(Clone)]
pub(super) struct Entry {
    /// The value.
    pub(super) value: Found,
    /// The text of an environment variable before it was taken for something else: where a key
    /// wants a text, a password of digits is one.
    pub(super) raw: Option<Zeroizing<String>>,
    /// The key as it was written.
    pub(super) spelled: String,
    /// Where.
    pub(super) origin: Origin,
}

/// Values by their flat, canonical keys.
pub(super) type Layer = BTreeMap<String, Entry>;

/// Fills a [`Layer`].
pub(super) struct Reader {
    tenant: String,
    folder: PathBuf,
    layer: Layer,
}

impl Reader {
    /// For one tenant; `KEY_file` is relative to `folder`.
    pub(super) fn new(tenant: &str, folder: &Path) -> Self {
        Self { tenant: tenant.to_owned(), folder: folder.to_owned(), layer: Layer::new() }
    }

    /// What was read.
    pub(super) fn finish(self) -> Layer {
        self.layer
    }

    /// Add all that a table holds; `prefix` is the table's own key. TOML bounds how deep tables
    /// nest.
    pub(super) fn table(
        &mut self,
        prefix: &str,
        table: &DeTable<'_>,
        place: &dyn Fn(Range<usize>) -> Origin,
    ) -> Result<(), SetupError> {
        for (name, value) in table {
            let origin = place(name.span());
            let name: &str = name.get_ref();
            let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            // A quoted key with a dot in it would look like a key of a table.
            if name.is_empty()
                || !name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
            {
                let problem = "is not a key: keys are made of a to z, 0 to 9 and _";
                return Err(wrong(&self.tenant, &key.escape_debug().to_string(), problem, &origin));
            }
            match value.get_ref() {
                DeValue::Table(inner) if inner.is_empty() => {
                    return Err(wrong(&self.tenant, &key, "is an empty table", &origin));
                }
                DeValue::Table(inner) => self.table(&key, inner, place)?,
                leaf => self.leaf(&key, leaf, origin)?,
            }
        }
        Ok(())
    }

    /// Add one value that is no table.
    pub(super) fn leaf(
        &mut self,
        key: &str,
        value: &DeValue<'_>,
        origin: Origin,
    ) -> Result<(), SetupError> {
        let refuse = |problem: &str| Err(wrong(&self.tenant, key, problem, &origin));
        let found = match value {
            DeValue::Boolean(value) => Found::Boolean(*value),
            DeValue::Integer(value) => match i64::from_str_radix(value.as_str(), value.radix()) {
                Ok(value) => Found::Integer(value),
                Err(_) => return refuse("is an integer of more than 64 bits"),
            },
            DeValue::String(value) => Found::Text(Zeroizing::new(value.clone().into_owned())),
            DeValue::Array(items) if LISTS.contains(&key) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items.iter() {
                    match item.get_ref().as_str() {
                        Some(text) => list.push(Zeroizing::new(text.to_owned())),
                        None => return refuse("must be a list of texts"),
                    }
                }
                Found::List(list)
            }
            DeValue::Array(_) => return refuse("cannot be a list"),
            DeValue::Float(_) => return refuse("cannot be a number with a fraction"),
            DeValue::Datetime(_) => return refuse("cannot be a date or time"),
            DeValue::Table(_) => return refuse("cannot be a table"),
        };
        self.add(key, found, None, origin)
    }

    /// Add one value under its canonical key; `raw` is the text it was taken from, if any.
    pub(super) fn add(
        &mut self,
        key: &str,
        mut value: Found,
        raw: Option<&str>,
        origin: Origin,
    ) -> Result<(), SetupError> {
        let mut raw = raw.map(|raw| Zeroizing::new(raw.to_owned()));
        let base = key.strip_suffix("_file").filter(|it| !it.is_empty() && !it.ends_with('.'));
        if base.is_some() {
            let path = match (&raw, &value) {
                (Some(text), _) | (None, Found::Text(text)) if !text.is_empty() => text.as_str(),
                _ => return Err(wrong(&self.tenant, key, "must be the path of a file", &origin)),
            };
            value = Found::InFile(self.folder.join(path));
            raw = None;
        }
        let canonical = base.unwrap_or(key);
        let alias = ALIASES.iter().find(|(alias, _)| *alias == canonical);
        let canonical = alias.map_or(canonical, |(_, name)| name);
        if let Some(other) = self.layer.get(canonical) {
            let problem = format!(
                "is given twice: as `{}` and, at {}, as `{}`",
                key, other.origin, other.spelled
            );
            return Err(wrong(&self.tenant, canonical, &problem, &origin));
        }
        let entry = Entry { value, raw, spelled: key.to_owned(), origin };
        self.layer.insert(canonical.to_owned(), entry);
        Ok(())
    }
}

impl Entry {
    /// Read the file that the value stands in, if it does. One trailing line ending is no part of
    /// the value.
    pub(super) fn read_file(&mut self, tenant: &str, key: &str) -> Result<(), SetupError> {
        let Found::InFile(path) = &self.value else { return Ok(()) };
        let refuse = |problem: String| {
            Err(wrong(
                tenant,
                key,
                &format!("cannot be read from its file: {problem}"),
                &self.origin,
            ))
        };
        let content = match File::open(path).and_then(|file| read_bounded(file, SECRET_FILE_LIMIT))
        {
            Ok(content) => content,
            Err(error) => return refuse(format!("{}: {error}", path.display())),
        };
        let Ok(text) = std::str::from_utf8(&content) else {
            return refuse(format!("{}: is not UTF-8", path.display()));
        };
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let origin =
            Origin::SecretFile { path: path.clone(), named_by: Box::new(self.origin.clone()) };
        self.value = Found::Text(Zeroizing::new(text.to_owned()));
        self.origin = origin;
        Ok(())
    }
}
