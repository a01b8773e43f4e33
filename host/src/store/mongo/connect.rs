//! From a connection string to a server that answers.

use std::path::PathBuf;
use std::time::Duration;

use bson::{Document, doc};
use mongodb::options::{
    Acknowledgment, ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, Tls, TlsOptions,
    WriteConcern,
};
use mongodb::{Client, Database};

use super::failure::{Trouble, within};

/// Connections to one server, if the connection string does not say; what most drivers have.
const POOL: u32 = 100;

/// How a [`MongoStore`](super::MongoStore) connects.
#[derive(Clone, Debug)]
pub struct Options {
    /// How often the first connection is tried, at least once. 6 by default.
    pub attempts: u32,
    /// The pause between two attempts. 10 s by default.
    pub delay: Duration,
    /// How long one attempt, and later each operation, may take, the choice of a server included.
    /// 5 s by default.
    pub timeout: Duration,
    /// A file of CA certificates (PEM), to be trusted instead of the platform's. Given, it turns TLS
    /// on, unless the connection string turns it off.
    pub certs: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            attempts: 6,
            delay: Duration::from_secs(10),
            timeout: Duration::from_millis(5000),
            certs: None,
        }
    }
}

/// What a deployment can do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deployment {
    /// A replica set or a sharded cluster: it has transactions.
    pub(super) transactions: bool,
    /// A sharded cluster.
    pub(super) sharded: bool,
}

/// Connect, and see what kind of deployment it is. The text of a failure has nothing of the
/// connection string in it.
pub(super) async fn connect(
    uri: &str,
    database: &str,
    options: &Options,
) -> Result<(Client, Database, Deployment), String> {
    let attempts = options.attempts.max(1);
    let mut attempt = 1;
    loop {
        let failed = match try_once(uri, database, options).await {
            Ok(connected) => return Ok(connected),
            Err(Fault::Configuration(problem)) => return Err(problem),
            Err(Fault::Trouble(trouble)) => trouble.text(),
        };
        if attempt >= attempts {
            return Err(format!(
                "leads to no database: {failed} (attempt {attempt} of {attempts})"
            ));
        }
        tracing::warn!(attempt, attempts, "no connection to the database yet: {failed}");
        attempt += 1;
        tokio::time::sleep(options.delay).await;
    }
}

enum Fault {
    /// Another attempt would not help.
    Configuration(String),
    Trouble(Trouble),
}

async fn try_once(
    uri: &str,
    database: &str,
    options: &Options,
) -> Result<(Client, Database, Deployment), Fault> {
    let mut settings =
        match within(options.timeout, async { ClientOptions::parse(uri).await }).await {
            Ok(settings) => settings,
            // A name that is to be looked up may be known later; a wrong text stays wrong. What is wrong
            // with it is not said in the driver's words, which may quote the password.
            Err(trouble) if trouble.is_refusal() => {
                let why = "is no connection string of MongoDB; in a user name or password, \
                       `@`, `:`, `/` and `%` are written %40, %3A, %2F and %25";
                return Err(Fault::Configuration(why.into()));
            }
            Err(trouble) => return Err(Fault::Trouble(trouble)),
        };
    adapt(&mut settings, options);
    let client = Client::with_options(settings).map_err(|error| {
        let problem = Trouble::from(error).text();
        Fault::Configuration(format!("or `certs` cannot be used: {problem}"))
    })?;
    let database = client.database(database);
    let hello: Document =
        within(options.timeout, async { database.run_command(doc! { "hello": 1 }).await })
            .await
            .map_err(Fault::Trouble)?;
    // The only operation that shows whether the log-in is any good.
    within(options.timeout, async { database.list_collection_names().await })
        .await
        .map_err(Fault::Trouble)?;
    let sharded = hello.get_str("msg").is_ok_and(|it| it == "isdbgrid");
    let transactions = sharded || hello.contains_key("setName");
    Ok((client, database, Deployment { transactions, sharded }))
}

/// What must be so whatever the connection string says: no acknowledged write is lost by an election
/// or a crash, and reads see them all.
fn adapt(settings: &mut ClientOptions, options: &Options) {
    settings.app_name.get_or_insert_with(|| "portcullis".to_owned());
    settings.max_pool_size.get_or_insert(POOL);
    settings.connect_timeout = Some(options.timeout);
    settings.server_selection_timeout = Some(options.timeout);
    settings.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    settings.read_concern = Some(ReadConcern::majority());
    settings.write_concern = Some(
        WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .w_timeout(options.timeout)
            .journal(true)
            .build(),
    );
    if options.certs.is_some() && settings.tls.is_none() {
        settings.tls = Some(Tls::Enabled(TlsOptions::default()));
    }
    if let Some(Tls::Enabled(tls)) = &mut settings.tls
        && tls.ca_file_path.is_none()
    {
        // Without a file the driver would trust a list of its own, not the platform's.
        tls.ca_file_path = options.certs.clone().or_else(|| openssl_probe::probe().cert_file);
    }
}
