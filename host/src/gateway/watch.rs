//! A watch over a connection: when it takes too long, or does nothing.
//!
//! `hyper` has a bound of its own on the time for a head, which runs while a connection waits for its
//! next request, too; here the two are told apart, and an answer that nobody reads is noticed.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::settings::ServerSettings;

/// How exactly times are kept, at best and at worst.
const TICK: Duration = Duration::from_millis(250);
const LONGEST_TICK: Duration = Duration::from_millis(2500);

/// What happens on a connection, and when it last did.
pub(super) struct Watch {
    begun: Instant,
    header_time: Duration,
    idle_time: Duration,
    /// Requests that are being answered: the handler has its own bounds.
    answering: AtomicUsize,
    /// Milliseconds after `begun` of the last byte in either direction.
    moved: AtomicU64,
    /// When the head of a request began to come in, until it is there.
    head: Mutex<Option<Instant>>,
}

impl Watch {
    pub(super) fn new(settings: &ServerSettings) -> Self {
        let now = Instant::now();
        Self {
            begun: now,
            header_time: settings.header_time,
            idle_time: settings.idle_time,
            answering: AtomicUsize::new(0),
            moved: AtomicU64::new(0),
            // Whoever connects is expected to ask something.
            head: Mutex::new(Some(now)),
        }
    }

    fn moved(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(now, Ordering::Relaxed);
    }

    fn read(&self) {
        self.moved();
        if self.answering.load(Ordering::Relaxed) == 0 {
            let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
            head.get_or_insert_with(Instant::now);
        }
    }

    fn is_overdue(&self) -> bool {
        if self.answering.load(Ordering::Relaxed) > 0 {
            return false;
        }
        let head = *self.head.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = Duration::from_millis(self.moved.load(Ordering::Relaxed));
        head.is_some_and(|head| head.elapsed() >= self.header_time)
            || self.begun.elapsed().saturating_sub(idle) >= self.idle_time
    }

    /// Wait until it should be closed.
    pub(super) async fn overdue(&self) {
        let tick = self.header_time.min(self.idle_time) / 4;
        while !self.is_overdue() {
            tokio::time::sleep(tick.clamp(TICK, LONGEST_TICK)).await;
        }
    }
}

/// A request is being answered.
pub(super) struct Answering<'w>(&'w Watch);

impl<'w> Answering<'w> {
    pub(super) fn begin(watch: &'w Watch) -> Self {
        *watch.head.lock().unwrap_or_else(PoisonError::into_inner) = None;
        watch.answering.fetch_add(1, Ordering::Relaxed);
        Self(watch)
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.moved();
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream whose bytes are noticed.
pub(super) struct Watched {
    stream: TokioIo<TcpStream>,
    watch: Arc<Watch>,
}

impl Watched {
    pub(super) fn new(stream: TokioIo<TcpStream>, watch: Arc<Watch>) -> Self {
        Self { stream, watch }
    }
}

impl rt::Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if matches!(read, Poll::Ready(Ok(()))) {
            self.watch.read();
        }
        read
    }
}

impl rt::Write for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if matches!(written, Poll::Ready(Ok(_))) {
            self.watch.moved();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
