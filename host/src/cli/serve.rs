//! `portcullis serve`, and `portcullis admin-token` for those who call it.

use std::io;
use std::net::SocketAddr;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::task::JoinHandle;

use super::open::{self, compiled};
use super::options::{Common, Serve};
use super::print;
use crate::component::Runtime;
use crate::error::SetupError;
use crate::gateway::{Gateway, new_admin_token};
use crate::settings::{Config, environment};

/// Serve until a signal says that it is enough.
pub(super) fn run(common: &Common, serve: &Serve) -> anyhow::Result<()> {
    let config = load(common)?;
    Builder::new_multi_thread().enable_all().build().context("threads")?.block_on(async {
        // From now on a signal does not kill.
        let mut signals = Signals::new().context("signals")?;
        let runtime = Runtime::with_cache(config.server()?.limits, compiled(&common.data))?;
        let gateway = Gateway::new(&runtime, &common.data, &config).await?;
        let address = serve.listen.unwrap_or(gateway.server().listen);
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
        let watching = match gateway.server().metrics_listen {
            Some(address) => Some(tell_metrics(&gateway, address).await?),
            None => None,
        };
        if !gateway.has_admin_token() {
            // Without one the functions that need it are closed to everybody.
            tracing::warn!(
                "there is no admin token yet; `portcullis admin-token` makes one, for what only an \
                 application may do"
            );
        }
        print::line(&format!("listening on http://{}", listener.local_addr()?))?;
        let reloads = gateway.clone();
        let end = async {
            while signals.next().await == Signal::Reload {
                reload(common, &reloads).await;
            }
            tracing::info!("finishing what was begun");
        };
        gateway.serve(listener, end).await;
        if let Some(watching) = watching {
            watching.abort();
        }
        Ok(())
    })
}

/// Tell what is counted on this address, until the task that is returned is stopped.
async fn tell_metrics(gateway: &Gateway, address: SocketAddr) -> anyhow::Result<JoinHandle<()>> {
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}, which `gateway.metrics_listen` names")
    })?;
    print::line(&format!("metrics on http://{}/metrics", listener.local_addr()?))?;
    let gateway = gateway.clone();
    Ok(tokio::spawn(async move {
        gateway.serve_metrics(listener, std::future::pending()).await;
    }))
}

async fn reload(common: &Common, gateway: &Gateway) {
    let reloaded = match load(common) {
        Ok(config) => gateway.reload(&config).await,
        Err(error) => Err(error),
    };
    match reloaded {
        Ok(()) => tracing::info!("the settings were read anew"),
        Err(error) => {
            tracing::error!("the former settings stay in force, the new ones are wrong: {error}");
        }
    }
}

fn load(common: &Common) -> Result<Config, SetupError> {
    Config::load(common.config.as_deref(), environment()?.into_iter())
}

/// Make a new admin token and print it.
pub(super) fn admin_token(common: &Common) -> anyhow::Result<()> {
    // A token for a tenant that is not there would help nobody.
    let settings = open::load_settings(common)?;
    let made = new_admin_token(&common.data, &common.tenant);
    open::note(common, &settings, "admin-token", open::ending(&made));
    let token = made?;
    print::line(&token)?;
    Ok(())
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    End,
    Reload,
}

#[cfg(unix)]
struct Signals {
    hang_up: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::End,
            _ = self.terminate.recv() => Signal::End,
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Signal {
        // Where it cannot be waited for, the program runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::End
    }
}
