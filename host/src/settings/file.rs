//! The settings file: TOML, one table a tenant.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::layer::{Layer, Reader};
use super::origin::{GATEWAY, Places};
use super::{check_name, folder_of};
use crate::error::SetupError;
use crate::files::read_bounded;

/// The most that the file may hold, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// What the file says, by tenant; `None` when there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<BTreeMap<String, Layer>>, SetupError> {
    let refuse = |problem: &str| {
        SetupError::Settings(format!("the settings file {} {problem}", path.display()))
    };
    let content = match File::open(path).and_then(|file| read_bounded(file, LIMIT)) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refuse(&format!("cannot be read: {error}"))),
    };
    let text = std::str::from_utf8(&content).map_err(|error| {
        let valid = content.get(..error.valid_up_to()).unwrap_or_default();
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        refuse(&format!("is not UTF-8 in line {line}"))
    })?;
    parse(path, text).map(Some)
}

/// What the text of the file says, by tenant.
fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, Layer>, SetupError> {
    let places = Places::new(path, text);
    let at = |span: Range<usize>| places.of(span.start);
    let document = DeTable::parse(text).map_err(|error| {
        // Only the message: the parser's own rendering quotes the line, which may hold a secret.
        let origin = at(error.span().unwrap_or(0..0));
        SetupError::Settings(format!("{origin}: {}", error.message()))
    })?;
    let mut tenants = BTreeMap::new();
    for (key, value) in document.get_ref() {
        let name = key.get_ref().as_ref();
        if name == "gateway" {
            let DeValue::Table(table) = value.get_ref() else {
                return Err(SetupError::Settings(format!(
                    "`gateway` must be a table, [gateway] ({})",
                    at(key.span())
                )));
            };
            let mut reader = Reader::new(GATEWAY, folder_of(path));
            reader.table("", table, &at)?;
            tenants.insert(GATEWAY.to_owned(), reader.finish());
            continue;
        }
        if name != "tenants" {
            return Err(SetupError::Settings(format!(
                "unknown key `{}` ({}): settings stand in one table a tenant, [tenants.NAME], and in [gateway]",
                name.escape_debug(),
                at(key.span())
            )));
        }
        let DeValue::Table(table) = value.get_ref() else {
            return Err(SetupError::Settings(format!(
                "`tenants` must hold one table a tenant, [tenants.NAME] ({})",
                at(key.span())
            )));
        };
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            check_name(name).map_err(|problem| {
                SetupError::Settings(format!("{problem} ({})", at(key.span())))
            })?;
            let DeValue::Table(table) = value.get_ref() else {
                return Err(SetupError::Settings(format!(
                    "tenant `{name}` must be a table, [tenants.{name}] ({})",
                    at(key.span())
                )));
            };
            let mut reader = Reader::new(name, folder_of(path));
            reader.table("", table, &at)?;
            tenants.insert(name.to_owned(), reader.finish());
        }
    }
    Ok(tenants)
}
