//! Callers without end: connections that are kept open, each of which sends a request, waits for the
//! answer and sends the next.
//!
//! All connections of one load are driven by one thread, so that a thousand of them take little from
//! what they measure on the same cores. Loads beside each other have a thread each: one that is
//! looked at does not wait behind another's answers.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::body::Body as RequestBody;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::RETRY_AFTER;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

mod request;
mod seen;

pub use request::Request;
pub use seen::{Seen, median, ms};

/// A service that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a caller does who is refused with 503.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Asks again at once.
    Insists,
    /// Asks again after this time.
    Pauses(Duration),
    /// Asks again within the second after the time that `Retry-After` told: callers who were refused
    /// together do not come back in one moment.
    Obeys,
}

/// Who calls, and how.
#[derive(Clone)]
pub struct Load {
    pub address: SocketAddr,
    pub connections: usize,
    /// Between an answer and the next request of a connection.
    pub pause: Duration,
    pub refused: Refused,
    /// What this connection sends.
    pub request: Arc<dyn Fn(usize) -> Request + Send + Sync>,
}

/// A load at work.
pub struct Running {
    stop: watch::Sender<bool>,
    thread: JoinHandle<Seen>,
}

impl Load {
    /// To a URL of this machine, without pause.
    pub fn new(
        url: &str,
        connections: usize,
        request: impl Fn(usize) -> Request + Send + Sync + 'static,
    ) -> Self {
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        let request = Arc::new(request);
        Self { address, connections, pause: Duration::ZERO, refused: Refused::Insists, request }
    }

    pub fn pause(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    pub fn refused(self, refused: Refused) -> Self {
        Self { refused, ..self }
    }

    /// Begin.
    pub fn start(self) -> Running {
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(self.run(stopped))
        });
        Running { stop, thread }
    }

    /// Go on for this time.
    pub fn run_for(self, time: Duration) -> Seen {
        let running = self.start();
        std::thread::sleep(time);
        running.stop()
    }

    async fn run(self, stopped: watch::Receiver<bool>) -> Seen {
        let begun = Instant::now();
        let callers = (0..self.connections).map(|at| {
            let caller = Caller {
                address: self.address,
                template: (self.request)(at),
                pause: self.pause,
                refused: self.refused,
                stopped: stopped.clone(),
                lot: at as u64,
                seen: Seen::default(),
            };
            tokio::spawn(caller.run())
        });
        let callers: Vec<_> = callers.collect();
        let mut all = Seen::default();
        for caller in callers {
            all.add(caller.await.unwrap());
        }
        all.took = begun.elapsed();
        all
    }
}

impl Running {
    /// Send nothing more, wait for the answers that are under way, and tell what was seen.
    pub fn stop(self) -> Seen {
        let _ = self.stop.send(true);
        self.thread.join().unwrap()
    }
}

/// One connection.
struct Caller {
    address: SocketAddr,
    template: Request,
    pause: Duration,
    refused: Refused,
    stopped: watch::Receiver<bool>,
    lot: u64,
    seen: Seen,
}

impl Caller {
    async fn run(mut self) -> Seen {
        let mut open = None;
        let mut comes_back = false;
        while !*self.stopped.borrow() {
            let begun = Instant::now();
            let answer = timeout(PATIENCE, self.call(&mut open)).await;
            let (status, advice) = match answer {
                Ok(Ok(answer)) => answer,
                Ok(Err(problem)) => {
                    self.fails(problem);
                    open = None;
                    self.rest(Duration::from_millis(100)).await;
                    continue;
                }
                Err(_) => {
                    self.fails("no answer".to_owned());
                    open = None;
                    continue;
                }
            };
            self.seen.answers.entry(status).or_default().push(begun.elapsed());
            if comes_back {
                self.seen.came_back += 1;
                self.seen.served_then += u64::from(status == 200);
            }
            comes_back = false;
            if status != 503 {
                self.rest(self.pause).await;
                continue;
            }
            self.seen.advice.extend(advice);
            match self.refused {
                Refused::Insists => self.rest(self.pause).await,
                Refused::Pauses(time) => self.rest(time).await,
                Refused::Obeys => {
                    comes_back = advice.is_some();
                    let time = Duration::from_secs(advice.unwrap_or(1));
                    let later = Duration::from_millis(self.random() % 1000);
                    self.rest(time + later).await;
                }
            }
        }
        self.seen
    }

    fn fails(&mut self, problem: String) {
        *self.seen.failures.entry(problem).or_default() += 1;
    }

    /// Wait, unless the load ends.
    async fn rest(&mut self, time: Duration) {
        if !time.is_zero() {
            tokio::select! {
                () = sleep(time) => (),
                _ = self.stopped.wait_for(|stopped| *stopped) => (),
            }
        }
    }

    /// A number that differs from caller to caller and from call to call (splitmix64).
    fn random(&mut self) -> u64 {
        self.lot = self.lot.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.lot ^ (self.lot >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 32
    }

    /// The status, and `Retry-After`.
    async fn call(
        &self,
        open: &mut Option<SendRequest<RequestBody>>,
    ) -> Result<(u16, Option<u64>), String> {
        let connection = match open {
            Some(connection) if !connection.is_closed() => connection,
            _ => open.insert(self.connect().await?),
        };
        connection.ready().await.map_err(|error| error.to_string())?;
        let request = self.template.build(self.address);
        let answer = connection.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let advice = answer.headers().get(RETRY_AFTER);
        let advice = advice.and_then(|it| it.to_str().ok()?.parse().ok());
        let body = read(answer.into_body()).await.map_err(|error| error.to_string())?;
        if status == 200 && !contains(&body, self.template.holds.as_bytes()) {
            return Err(format!("200 without `{}`", self.template.holds));
        }
        Ok((status, advice))
    }

    async fn connect(&self) -> Result<SendRequest<RequestBody>, String> {
        let stream = TcpStream::connect(self.address).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let io = TokioIo::new(stream);
        let (connection, driver) = handshake(io).await.map_err(|error| error.to_string())?;
        tokio::spawn(driver);
        Ok(connection)
    }
}

async fn read(mut body: Incoming) -> hyper::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(data) = frame?.into_data() {
            all.extend_from_slice(&data);
        }
    }
    Ok(all)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}
