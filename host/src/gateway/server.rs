//! Connections: how many, for how long, and an end that loses nothing.
//!
//! Beyond the bound on connections nothing is accepted, so that more wait where the operating system
//! keeps them, which is bounded too. To accept and refuse them would cost what the bound is to save,
//! and a client that is in a hurry gives up by itself; one that waits is served when another leaves.
//!
//! No peer has more than a quarter of them: whoever opens more is refused, and others still get in.
//!
//! A [`Watch`] over each connection closes it when it takes too long over the head of a request or
//! does nothing for a while, reading an answer included.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::Shared;
use super::shares::Shares;
use super::watch::{Answering, Watch, Watched};

/// Bytes of the head of a request, and lines in it.
const HEAD: usize = 32 << 10;
const LINES: usize = 100;

/// The pause after a connection could not be accepted: when files run out, at once would be too soon.
const REFUSED: Duration = Duration::from_millis(100);

/// What somebody is told who has more.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\
    Connection: close\r\nContent-Length: 0\r\n\r\n";

/// Connections at one time on the listener for metrics.
const WATCHERS: usize = 64;

/// What is served on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// Everything, to everybody.
    All,
    /// What is counted, to whoever may reach the listener.
    Metrics,
}

/// Accept and serve connections until `end` is ready, and finish those that are there.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    offered: Offered,
    listener: TcpListener,
    end: impl Future<Output = ()>,
) {
    let settings = shared.server();
    let places = match offered {
        Offered::All => settings.connections as usize,
        Offered::Metrics => WATCHERS,
    };
    let places = Arc::new(Semaphore::new(places));
    let shares = Arc::new(Shares::default());
    let (draining, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut end = std::pin::pin!(end);
    loop {
        let accepted = async {
            // A closed semaphore would end all: it is never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = &mut end => break,
            accepted = accepted => accepted,
        };
        // Those that have ended meanwhile.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, address)) => {
                let Some(share) = shares.take(address.ip(), &shared.server()) else {
                    let _ = stream.try_write(TOO_MANY);
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let counted =
                    (offered == Offered::All).then(|| shared.runtime.metrics().connected());
                let told = draining.subscribe();
                let serving = connection(Arc::clone(shared), offered, stream, address, told);
                connections.spawn(async move {
                    serving.await;
                    drop((place, share, counted));
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "connections cannot be accepted");
                tokio::time::sleep(REFUSED).await;
            }
        }
    }
    drop(listener);
    if offered == Offered::All {
        shared.draining.store(true, Ordering::Relaxed);
    }
    draining.send_replace(true);
    let time = shared.server().shutdown_time;
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(time, all).await.is_err() {
        tracing::warn!(left = connections.len(), "connections are cut off: their time is over");
        connections.shutdown().await;
    }
}

/// An error that says nothing of the next connection.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn connection(
    shared: Arc<Shared>,
    offered: Offered,
    stream: TcpStream,
    address: SocketAddr,
    mut draining: watch::Receiver<bool>,
) {
    let watch = Arc::new(Watch::new(&shared.server()));
    let service = service_fn({
        let watch = Arc::clone(&watch);
        move |request: Request<Incoming>| {
            let (shared, watch) = (Arc::clone(&shared), Arc::clone(&watch));
            async move {
                let _answering = Answering::begin(&watch);
                Ok::<_, std::convert::Infallible>(match offered {
                    Offered::All => shared.answer(address.ip(), request).await,
                    Offered::Metrics => shared.answer_with_metrics(request).await,
                })
            }
        }
    });
    let stream = Watched::new(TokioIo::new(stream), Arc::clone(&watch));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .half_close(false)
        .max_buf_size(HEAD)
        .max_headers(LINES)
        .serve_connection(stream, service);
    let mut serving = std::pin::pin!(serving);
    let mut told = false;
    loop {
        tokio::select! {
            // What has come counts before the time that it took: a busy machine wakes late.
            biased;
            ended = &mut serving => {
                if let Err(error) = ended {
                    tracing::debug!(%address, %error, "a connection broke off");
                }
                return;
            }
            _ = draining.wait_for(|draining| *draining), if !told => {
                // What was begun is answered; a connection without a request is closed.
                serving.as_mut().graceful_shutdown();
                told = true;
            }
            () = watch.overdue() => {
                tracing::debug!(%address, "a connection is closed: it took too long");
                return;
            }
        }
    }
}
