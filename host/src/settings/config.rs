//! All tenants: the settings file with the environment over it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::layer::{Found, Layer};
use super::origin::{GATEWAY, wrong};
use super::{DEFAULT_TENANT, Settings, Value, environment, file, folder_of, host_keys};
use crate::error::SetupError;

/// The file that is read when none is named, if it is there.
pub const DEFAULT_FILE: &str = "portcullis.toml";

/// The settings of all tenants, as given; what they mean is looked at for one tenant at a time.
pub struct Config {
    folder: PathBuf,
    tenants: BTreeMap<String, Layer>,
    /// The table `[gateway]`.
    #[cfg_attr(not(feature = "gateway"), allow(dead_code))]
    gateway: Layer,
}

impl Config {
    /// Read the settings file and the environment, which overrides it key by key. Without a path
    /// it is [`DEFAULT_FILE`] in the current folder, if it is there. For `env`, see
    /// [`environment()`](super::environment()); variables that hold no settings are skipped.
    ///
    /// Without any tenant in the file there is one, `default`.
    ///
    /// # Errors
    /// [`SetupError::Settings`], with the place, for a file that cannot be read or is no TOML, an
    /// unknown key at its top, and every value that no setting could have.
    pub fn load(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, SetupError> {
        let (path, required) = match path {
            Some(path) => (path, true),
            None => (Path::new(DEFAULT_FILE), false),
        };
        let mut tenants = match file::read(path)? {
            Some(tenants) => tenants,
            None if required => {
                let problem = format!("there is no settings file {}", path.display());
                return Err(SetupError::Settings(problem));
            }
            None => BTreeMap::new(),
        };
        let folder = folder_of(path).to_owned();
        for (tenant, layer) in environment::read(env, &tenants, &folder)? {
            tenants.entry(tenant).or_default().extend(layer);
        }
        let gateway = tenants.remove(GATEWAY).unwrap_or_default();
        if tenants.is_empty() {
            tenants.insert(DEFAULT_TENANT.to_owned(), Layer::new());
        }
        Ok(Self { folder, tenants, gateway })
    }

    /// The names of all tenants, sorted.
    pub fn tenant_names(&self) -> impl Iterator<Item = &str> {
        self.tenants.keys().map(String::as_str)
    }

    /// How the program serves HTTP.
    ///
    /// # Errors
    /// [`SetupError::Settings`] for an unknown key or a wrong value in the table `[gateway]`.
    #[cfg(feature = "gateway")]
    pub fn server(&self) -> Result<super::ServerSettings, SetupError> {
        let mut entries = self.gateway.clone();
        for (key, entry) in &mut entries {
            entry.read_file(GATEWAY, key)?;
        }
        super::server::take(&mut entries)
    }

    /// The settings of a tenant. Files named by `KEY_file` are read now.
    ///
    /// # Errors
    /// [`SetupError::Settings`] when there is no such tenant, a file cannot be read, or a setting
    /// that the host itself reads is wrong. What the component reads it looks at itself; see
    /// [`Settings::complaint`].
    pub fn tenant(&self, name: &str) -> Result<Settings, SetupError> {
        let Some(layer) = self.tenants.get(name) else {
            let names: Vec<&str> = self.tenant_names().collect();
            let names = names.join(", ");
            let name = name.escape_debug();
            let problem = format!("there is no tenant `{name}` in the settings, only: {names}");
            return Err(SetupError::Settings(problem));
        };
        let mut entries = layer.clone();
        for (key, entry) in &mut entries {
            entry.read_file(name, key)?;
        }
        let taken = host_keys::take(name, &mut entries, &self.folder)?;
        let mut settings = Settings {
            tenant: name.to_owned(),
            host: taken.settings,
            secret_keys: taken.secret_keys,
            origins: taken.origins.into_iter().collect(),
            values: BTreeMap::new(),
        };
        for (key, entry) in entries {
            let value = match entry.value {
                Found::Boolean(value) => Value::Boolean(value),
                Found::Integer(value) => Value::Integer(value),
                Found::Text(value) => Value::Text(value.as_str().to_owned()),
                Found::List(_) | Found::InFile(_) => {
                    return Err(wrong(name, &key, "cannot be a list or file", &entry.origin));
                }
            };
            settings.origins.insert(key.clone(), entry.origin);
            settings.values.insert(key, value);
        }
        Ok(settings)
    }
}

/// The names of the tenants; no values, which may be secrets.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("tenants", &self.tenants.keys()).finish_non_exhaustive()
    }
}
