//! Setting up a tenant.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Semaphore;

use super::{Inner, TICKETS, Tenant};
use crate::audit::Log;
use crate::component::{Call, Caller, Clock, Host, Runtime, TenantId, Work};
use crate::contract::upkeep::BadSetting;
use crate::error::SetupError;
use crate::mail::Mailer;
use crate::settings::{Settings, Value, secret_key};
use crate::store::memory::MemoryStore;
use crate::store::{Database, Store};

/// A tenant that is being described. [`Tenant::builder`] begins, [`build`](TenantBuilder::build)
/// ends.
#[must_use]
pub struct TenantBuilder {
    pub(super) runtime: Runtime,
    pub(super) settings: Settings,
    pub(super) store: Option<Arc<dyn Store>>,
    pub(super) database: Option<Arc<dyn Database>>,
    pub(super) mailer: Option<Arc<dyn Mailer>>,
    #[cfg(feature = "smtp")]
    pub(super) transport: Option<super::delivery::Way>,
    pub(super) clock: Clock,
    #[cfg(all(feature = "sqlite", feature = "outbox"))]
    pub(super) data_dir: Option<std::path::PathBuf>,
}

impl TenantBuilder {
    pub(super) fn new(runtime: Runtime) -> Self {
        Self {
            runtime,
            settings: Settings::default(),
            store: None,
            database: None,
            mailer: None,
            #[cfg(feature = "smtp")]
            transport: None,
            clock: Arc::new(SystemTime::now),
            #[cfg(all(feature = "sqlite", feature = "outbox"))]
            data_dir: None,
        }
    }

    /// Take these settings, all of them; what was set before is forgotten. Without them: the tenant
    /// `default` with nothing set.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Set one key for the component; keys of tables are written with a dot (`hash.passes`).
    pub fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.settings = self.settings.with(key, value);
        self
    }

    /// The key from which the digests of codes are made: 32 bytes from a secure random source,
    /// the same for all hosts of one store, and kept: codes made with another are wrong.
    ///
    /// Called more than once: the first key makes new digests, all are read with.
    pub fn secret_key(mut self, key: [u8; 32]) -> Self {
        self.settings = self.settings.with_secret_key(secret_key::from_bytes(&key));
        self
    }

    /// Where the records live.
    pub fn store(self, store: impl Store) -> Self {
        self.shared_store(Arc::new(store))
    }

    /// As [`store`](TenantBuilder::store), for a store that somebody else holds too.
    pub fn shared_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Grant the administration of the database: without this the `coredb` functions fail.
    pub fn database(self, database: impl Database) -> Self {
        self.shared_database(Arc::new(database))
    }

    /// As [`database`](TenantBuilder::database), for one that somebody else holds too.
    pub fn shared_database(mut self, database: Arc<dyn Database>) -> Self {
        self.database = Some(database);
        self
    }

    /// The way out for mail. Without one, every function that mails a code is refused with 400.
    pub fn mailer(self, mailer: impl Mailer) -> Self {
        self.shared_mailer(Arc::new(mailer))
    }

    /// As [`mailer`](TenantBuilder::mailer), for one that somebody else holds too.
    pub fn shared_mailer(mut self, mailer: Arc<dyn Mailer>) -> Self {
        self.mailer = Some(mailer);
        self
    }

    /// Send mail through this, from this address, and keep in the store what it cannot take for
    /// now: see [`queue`](crate::mail::queue). Waiting mail is delivered by
    /// [`serve_mail`](Tenant::serve_mail) or [`deliver_mail`](Tenant::deliver_mail).
    ///
    /// Without a transport and a mailer, the mail account of the settings is used, if there is one.
    #[cfg(feature = "smtp")]
    pub fn transport(self, from: &str, transport: impl crate::mail::transport::Transport) -> Self {
        self.shared_transport(from, Arc::new(transport))
    }

    /// As [`transport`](TenantBuilder::transport), for one that somebody else holds too.
    #[cfg(feature = "smtp")]
    pub fn shared_transport(
        mut self,
        from: &str,
        transport: Arc<dyn crate::mail::transport::Transport>,
    ) -> Self {
        self.transport = Some(super::delivery::Way { from: from.to_owned(), transport });
        self
    }

    /// Keep an audit log ([`Tenant::audit`]) and its events for this many days, 0 to 3650; 0: keep
    /// none, which is the default unless the settings are those of a file or the environment.
    pub fn audit_days(mut self, days: u32) -> Self {
        self.settings.host.audit_days = days.min(3650);
        self
    }

    /// Where the component learns the time. Without it: from the system.
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Use this folder for whatever is not given otherwise: the embedded store with its
    /// administration, an outbox unless the settings name a mail account, and a secret key.
    ///
    /// In it are the store (`portcullis.db` for the tenant `default`, otherwise
    /// `tenants/NAME.db`), `outbox/` with one `.eml` file for each mail, and `secret.key`, made at
    /// the first start. Tenants may share it.
    #[cfg(all(feature = "sqlite", feature = "outbox"))]
    pub fn data_dir(mut self, folder: impl Into<std::path::PathBuf>) -> Self {
        self.data_dir = Some(folder.into());
        self
    }

    /// Whether mail has a way out, or gets one from the settings.
    #[cfg(all(feature = "sqlite", feature = "outbox"))]
    pub(super) fn has_way_for_mail(&self) -> bool {
        #[cfg(feature = "smtp")]
        if self.transport.is_some() {
            return true;
        }
        self.mailer.is_some() || self.settings.host.smtp.is_some()
    }

    /// Look at everything and set the tenant up. The component itself looks at its settings.
    ///
    /// # Errors
    /// [`SetupError::Settings`] with every setting that is wrong, one a line;
    /// [`SetupError::Store`] without a store; [`SetupError::Mail`] for a mailer and a transport at
    /// once, or a sender that is no address; [`SetupError::Component`] when the component does not
    /// answer.
    pub async fn build(self) -> Result<Tenant, SetupError> {
        let given = self;
        #[cfg(feature = "mongodb")]
        let given = super::database::fill(given).await?;
        #[cfg(all(feature = "sqlite", feature = "outbox"))]
        let given = super::data_dir::fill(given).await?;
        #[cfg(feature = "smtp")]
        let (given, queue) = super::delivery::connect(given)?;
        let Some(store) = given.store else {
            return Err(SetupError::Store(
                "the tenant has none: give `store` or `data_dir`".into(),
            ));
        };
        let audit = Arc::new(Log::new(
            &given.settings.tenant,
            given.settings.host.audit_days,
            Arc::clone(&store),
            given.database.clone(),
            Arc::clone(&given.clock),
        ));
        let tenant = Tenant {
            inner: Arc::new(Inner {
                audit,
                runtime: given.runtime,
                host: Arc::new(Host {
                    id: TenantId::new(),
                    settings: given.settings,
                    store,
                    database: given.database,
                    mailer: given.mailer,
                    clock: given.clock,
                }),
                #[cfg(feature = "smtp")]
                queue,
                tickets: Arc::new(Semaphore::new(TICKETS as usize)),
            }),
            caller: Caller::default(),
        };
        let findings = tenant.check_settings().await?;
        if findings.is_empty() {
            Ok(tenant)
        } else {
            Err(SetupError::Settings(findings.join("\n")))
        }
    }
}

impl Tenant {
    /// What is wrong with these settings, one text each, without opening anything that they name.
    ///
    /// # Errors
    /// [`SetupError::Component`] when the component does not answer.
    pub async fn check(runtime: &Runtime, settings: &Settings) -> Result<Vec<String>, SetupError> {
        let mut settings = settings.clone();
        if settings.secret_keys.is_empty() {
            // There will be one of the data folder.
            settings.secret_keys.push(secret_key::from_bytes(&[0; secret_key::LENGTH]));
        }
        let (store, clock): (Arc<dyn Store>, Clock) =
            (Arc::new(MemoryStore::default()), Arc::new(SystemTime::now));
        let audit = Log::new(&settings.tenant, 0, Arc::clone(&store), None, Arc::clone(&clock));
        let tenant = Tenant {
            inner: Arc::new(Inner {
                audit: Arc::new(audit),
                runtime: runtime.clone(),
                host: Arc::new(Host {
                    id: TenantId::new(),
                    settings,
                    store,
                    database: None,
                    mailer: None,
                    clock,
                }),
                #[cfg(feature = "smtp")]
                queue: None,
                tickets: Arc::new(Semaphore::new(TICKETS as usize)),
            }),
            caller: Caller::default(),
        };
        tenant.check_settings().await
    }

    /// What is wrong with the settings.
    async fn check_settings(&self) -> Result<Vec<String>, SetupError> {
        let settings = self.settings();
        let given: Vec<String> = settings.given().map(str::to_owned).collect();
        let mut findings = Vec::new();
        if settings.secret_keys.is_empty() {
            let problem = "is missing: 32 random bytes that stay the same for the store";
            findings.push(settings.complaint("secret_key", problem));
        }
        let checked: Vec<BadSetting> = self
            .run(Work::Plain, async move |mut call: Call| {
                let upkeep = call.exports.upkeep(&mut call.store)?;
                let found = upkeep.call_check_settings(&mut call.store, &given).await?;
                Ok(Ok(found))
            })
            .await
            .map_err(|error| SetupError::Component(error.to_string()))?;
        findings.extend(checked.iter().map(|it| settings.complaint(&it.key, &it.problem)));
        Ok(findings)
    }
}
