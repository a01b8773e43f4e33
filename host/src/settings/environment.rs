//! Settings from environment variables: `PORTCULLIS_TENANTS__NAME__KEY`, and for the program as a
//! service `PORTCULLIS_GATEWAY__KEY`.
//!
//! Two underscores separate levels (`PORTCULLIS_TENANTS__DEFAULT__HASH__PASSES` is `hash.passes`)
//! and letter case does not count. A hyphen in a tenant's name may be written as one underscore,
//! which no name contains: `PORTCULLIS_TENANTS__SHOP_EU__…` is the tenant `shop-eu`. Names with two
//! hyphens in a row or one at the end need the hyphens themselves.
//!
//! A value that is exactly `true`, `false`, an integer, or a quoted string or inline table of TOML
//! is that; everything else is the text as it stands. An inline table sets the keys that it names
//! and leaves the others of that table as they are.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeValue;
use zeroize::Zeroizing;

use super::layer::{Found, Layer, Reader};
use super::origin::{GATEWAY, Origin};
use super::{DEFAULT_TENANT, check_name};
use crate::error::SetupError;

/// What every variable read here begins with. One that lacks the two underscores behind it is a
/// mistake worth telling, not a stranger's.
const PREFIX: &str = "PORTCULLIS_TENANTS";

/// The same for the table `[gateway]`.
const GATEWAY_PREFIX: &str = "PORTCULLIS_GATEWAY";

/// The variables of this process that hold settings, for [`Config::load`](super::Config::load).
///
/// # Errors
/// When one of them is not UTF-8.
pub fn environment() -> Result<Vec<(String, String)>, SetupError> {
    let mut found = Vec::new();
    for (variable, value) in std::env::vars_os() {
        // A name that begins like ours and is no UTF-8 will be refused for its form.
        let variable = variable.to_string_lossy().into_owned();
        if !is_ours(&variable) {
            continue;
        }
        match value.into_string() {
            Ok(value) => found.push((variable, value)),
            Err(_) => return Err(refuse(&variable, "is not UTF-8")),
        }
    }
    Ok(found)
}

/// What the environment says, by tenant. `known` are the tenants of the file.
pub(super) fn read(
    variables: impl Iterator<Item = (String, String)>,
    known: &BTreeMap<String, Layer>,
    folder: &Path,
) -> Result<BTreeMap<String, Layer>, SetupError> {
    // In the order of their names, so that the same mistakes are told the same way every time.
    let mut ours: Vec<(String, Zeroizing<String>)> = variables
        .filter(|(variable, _)| is_ours(variable))
        .map(|(variable, value)| (variable, Zeroizing::new(value)))
        .collect();
    ours.sort_by(|(one, _), (other, _)| one.cmp(other));

    let mut readers: BTreeMap<String, Reader> = BTreeMap::new();
    for (variable, value) in &ours {
        let (tenant, key) = split(variable)?;
        if tenant != DEFAULT_TENANT && tenant != GATEWAY && !known.contains_key(&tenant) {
            // A typing error here would leave the tenant that was meant without the setting.
            let problem = format!("is for a tenant `{tenant}` that the settings file lacks");
            return Err(refuse(variable, &problem));
        }
        let reader = readers.entry(tenant.clone()).or_insert_with(|| Reader::new(&tenant, folder));
        add(reader, variable, &key, value)?;
    }
    Ok(readers.into_iter().map(|(tenant, reader)| (tenant, reader.finish())).collect())
}

/// Take the value for what it looks like and add it.
fn add(reader: &mut Reader, variable: &str, key: &str, value: &str) -> Result<(), SetupError> {
    let origin = Origin::Environment { variable: variable.to_owned() };
    if value.starts_with(['"', '\'', '{'])
        && let Ok(parsed) = DeValue::parse(value)
    {
        return match parsed.get_ref() {
            DeValue::Table(table) if table.is_empty() => {
                Err(refuse(variable, "holds an empty table"))
            }
            DeValue::Table(table) => reader.table(key, table, &|_| origin.clone()),
            text => reader.leaf(key, text, origin),
        };
    }
    let found = match value {
        "true" => Found::Boolean(true),
        "false" => Found::Boolean(false),
        // Written as nobody would write an integer (007), or too large for one: a text.
        _ => match value.parse::<i64>() {
            Ok(integer) if integer.to_string() == value => Found::Integer(integer),
            _ => Found::Text(Zeroizing::new(value.to_owned())),
        },
    };
    reader.add(key, found, Some(value), origin)
}

/// Tenant and key that a variable's name means.
fn split(variable: &str) -> Result<(String, String), SetupError> {
    if begins_with(variable, GATEWAY_PREFIX) {
        let rest = variable.get(GATEWAY_PREFIX.len()..).unwrap_or_default();
        let key = rest.strip_prefix("__").filter(|key| !key.is_empty() && !key.contains("__"));
        let key = key.ok_or_else(|| {
            refuse(variable, &format!("is not of the form {GATEWAY_PREFIX}__KEY"))
        })?;
        return Ok((GATEWAY.to_owned(), key.to_ascii_lowercase()));
    }
    let form = format!("{PREFIX}__NAME__KEY, with two underscores between the levels");
    let mistaken = || refuse(variable, &format!("is not of the form {form}"));
    let rest = variable.get(PREFIX.len()..).unwrap_or_default();
    let rest = rest.strip_prefix("__").ok_or_else(mistaken)?.to_ascii_lowercase();
    let (tenant, key) = rest.split_once("__").ok_or_else(mistaken)?;
    let tenant = tenant.replace('_', "-");
    check_name(&tenant).map_err(|problem| refuse(variable, &format!("is wrong: {problem}")))?;
    let levels: Vec<&str> = key.split("__").collect();
    let is_key = |level: &&str| {
        !level.is_empty() && level.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if !levels.iter().all(is_key) {
        return Err(mistaken());
    }
    Ok((tenant, levels.join(".")))
}

fn is_ours(variable: &str) -> bool {
    begins_with(variable, PREFIX) || begins_with(variable, GATEWAY_PREFIX)
}

fn begins_with(variable: &str, prefix: &str) -> bool {
    variable.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn refuse(variable: &str, problem: &str) -> SetupError {
    SetupError::Settings(format!("environment variable {variable} {problem}"))
}
