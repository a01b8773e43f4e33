//! `portcullis check`: the configuration, tried for real, line by line.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Builder;

use super::open::load_settings;
use super::options::Common;
use super::{FAILED, print};
use crate::error::SetupError;
use crate::functions;
use crate::mail::smtp::SmtpTransport;
use crate::mail::transport::Transport;
use crate::settings::Settings;
use crate::store::mongo::MongoStore;
use crate::store::{AUDIT, COLLECTIONS, MAIL};
use crate::tenant::{Tenant, database};

/// How far the clocks of a host and of its database may be apart. Codes and limits are written by one
/// host and read by another; the component tolerates two minutes between them.
const CLOCKS: Duration = Duration::from_secs(60);

/// The start of the year in which this program was written: a clock before it was never set.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);

pub(super) fn run(common: &Common) -> anyhow::Result<ExitCode> {
    let tokio = Builder::new_multi_thread().enable_all().build()?;
    let mut report = Report { wrong: 0 };
    tokio.block_on(look(common, &mut report))?;
    Ok(match report.wrong {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(FAILED),
    })
}

/// What was found, printed as it is found.
struct Report {
    wrong: usize,
}

impl Report {
    fn right(&self, what: &str, how: &str) -> anyhow::Result<()> {
        Ok(print::line(&format!("ok     {what}: {how}"))?)
    }

    fn wrong(&mut self, what: &str, why: &str) -> anyhow::Result<()> {
        self.wrong += 1;
        Ok(print::line(&format!("WRONG  {what}: {why}"))?)
    }

    fn note(&self, what: &str, how: &str) -> anyhow::Result<()> {
        Ok(print::line(&format!("note   {what}: {how}"))?)
    }
}

async fn look(common: &Common, report: &mut Report) -> anyhow::Result<()> {
    let mut settings = match load_settings(common) {
        Ok(settings) => settings,
        Err(error) => return report.wrong("settings", &error.to_string()),
    };
    // Whoever asks waits for the answer: no second attempt.
    settings.host.connection.attempts = 1;
    clock(report)?;
    mail(common, &settings, report).await?;

    let runtime = super::open::runtime(common)?;
    let mut tenant = Tenant::builder(&runtime).settings(settings.clone()).data_dir(&common.data);
    let mut embedded = true;
    match database::connect(&settings).await {
        Ok(Some(store)) => {
            let kind = match store.has_transactions() {
                true => "a deployment with transactions",
                false => "a single server, without transactions",
            };
            report.right("store", &format!("MongoDB answers: {kind}"))?;
            indexes(&store, report).await?;
            clocks(&store, report).await?;
            if !settings.origins.contains_key("secret_key") {
                let why = "not set; all hosts of this database must have the same";
                report.note("secret_key", why)?;
            }
            let store = Arc::new(store);
            embedded = false;
            tenant = tenant.shared_store(store.clone()).shared_database(store);
        }
        Ok(None) => {}
        Err(SetupError::Settings(why) | SetupError::Store(why)) => {
            return report.wrong("store", &why);
        }
        Err(error) => return report.wrong("store", &error.to_string()),
    }
    let tenant = match tenant.build().await {
        Ok(tenant) => tenant,
        Err(error) => {
            for line in error.to_string().lines() {
                report.wrong("settings", line)?;
            }
            return Ok(());
        }
    };
    report.right("settings", &format!("tenant {}", settings.tenant))?;
    if embedded {
        report.right("store", &format!("embedded, in {}", common.data.display()))?;
    }
    // The whole way once: component, store, a read.
    let call = functions::find("is_verified")?.prepare(r#"{"email":"nobody@example.com"}"#)?;
    match call.run(&tenant).await {
        Ok(_) => report.right("component", "answers")?,
        Err(error) => report.wrong("component", &error.to_string())?,
    }
    waiting(&tenant, report).await?;
    tenant.close().await;
    Ok(())
}

fn clock(report: &mut Report) -> anyhow::Result<()> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match since > EARLIEST {
        true => {
            report.right("clock", &humantime::format_rfc3339_seconds(SystemTime::now()).to_string())
        }
        false => {
            report.wrong("clock", "stands before 2026: set it, or every code and limit is wrong")
        }
    }
}

async fn mail(common: &Common, settings: &Settings, report: &mut Report) -> anyhow::Result<()> {
    let Some(account) = &settings.host.smtp else {
        let folder = common.data.join("outbox");
        let how = format!("no `mail_info` is set: it is written to {}", folder.display());
        return report.note("mail", &how);
    };
    let transport = match SmtpTransport::new(account, settings.host.certs.as_deref()) {
        Ok(transport) => transport,
        Err(error) => return report.wrong("mail", &error.to_string()),
    };
    match transport.check().await {
        Ok(()) => report.right("mail", &format!("{} takes the log-in", account.server)),
        Err(failure) => report.wrong("mail", &failure.to_string()),
    }
}

async fn indexes(store: &MongoStore, report: &mut Report) -> anyhow::Result<()> {
    let problems = store.check().await;
    for problem in &problems {
        report.wrong("indexes", &problem.to_string())?;
    }
    match problems.is_empty() {
        true => report.right("indexes", &format!("of {}, {MAIL}, {AUDIT}", COLLECTIONS.join(", "))),
        false => Ok(()),
    }
}

async fn clocks(store: &MongoStore, report: &mut Report) -> anyhow::Result<()> {
    let theirs = match store.clock().await {
        Ok(theirs) => theirs,
        Err(error) => return report.wrong("clocks", &error.to_string()),
    };
    let apart = SystemTime::now().duration_since(theirs).unwrap_or_else(|error| error.duration());
    let text = format!("{} s between this host and its database", apart.as_secs());
    match apart < CLOCKS {
        true => report.right("clocks", &text),
        false => report.wrong("clocks", &format!("{text}: set the one that is wrong")),
    }
}

/// Mail that waits to be sent.
async fn waiting(tenant: &Tenant, report: &mut Report) -> anyhow::Result<()> {
    match tenant.mail_queue().await {
        Ok(Some(queue)) if queue.length > 0 => {
            let oldest = queue.oldest.unwrap_or(0);
            report
                .note("mail", &format!("{} in the queue, the oldest for {oldest} s", queue.length))
        }
        Ok(_) => Ok(()),
        Err(error) => report.wrong("mail", &error.to_string()),
    }
}
