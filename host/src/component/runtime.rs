//! One call from its admission to its end.

use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout_at;
use tracing::Instrument;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use super::admission::{Admission, Permit};
use super::background::Background;
use super::call::{Call, Exports, Remains, Sandbox};
use super::engine::{Pool, Pools};
use super::finished::{Finished, Lost};
use super::state::LONG;
use super::ticks::Ticks;
use super::{Caller, Host, Limits, State, Work, artifact};
use crate::contract::types::Failure;
use crate::error::{CallError, SetupError};
use crate::metrics::{Metrics, Watched};

/// The compiled component and everything that all tenants share. Cheap to clone; a process needs
/// one, because the bounds on hashing are those of the machine.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

/// What a call does in its instance. In a box, so that there is one way of a call for each type of
/// answer, and not for each function.
pub(crate) type Body<R> = Box<
    dyn FnOnce(Call) -> Pin<Box<dyn Future<Output = wasmtime::Result<Result<R, Failure>>> + Send>>
        + Send,
>;

/// What follows a call before its answer is given.
pub(crate) type After<R> = Box<
    dyn FnOnce(&Result<R, CallError>, Aftermath) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send,
>;

/// What [`After`] is told beside the answer.
pub(crate) struct Aftermath {
    /// Whose call it was, by a token that was found good.
    pub(crate) account: Option<String>,
    /// The address that a user was moved to.
    pub(crate) moved: Option<String>,
    /// Until when it may take.
    pub(crate) until: Instant,
}

struct Inner {
    pools: Pools,
    admission: Admission,
    limits: Limits,
    metrics: Arc<Metrics>,
    ticks: Ticks,
    /// Where calls hash.
    hashing: Background,
    /// Where other calls go on that turn out to compute for long.
    long: Background,
}

impl Runtime {
    /// A runtime with the component that was built together with this crate. Compiling takes
    /// some tenths of a second of the calling thread.
    ///
    /// # Errors
    /// [`SetupError::Component`] when this machine cannot run it.
    pub fn new(limits: Limits) -> Result<Self, SetupError> {
        Self::with_component(artifact::COMPONENT, limits)
    }

    /// The same, with the compiled code kept in `folder` until the next start, which then takes some
    /// milliseconds. The folder is made for this user alone; where others can write, nothing is kept
    /// and nothing is taken from there.
    ///
    /// # Errors
    /// As [`Runtime::new`]. A folder that cannot be used is none; the log says why.
    pub fn with_cache(limits: Limits, folder: impl AsRef<Path>) -> Result<Self, SetupError> {
        Self::made(artifact::COMPONENT, limits, Some(folder.as_ref()))
    }

    /// A runtime with another build of the component, in the binary format of WebAssembly
    /// components.
    ///
    /// # Errors
    /// [`SetupError::Component`] when it is no component, does not export what the contract says
    /// or imports more.
    pub fn with_component(component: &[u8], limits: Limits) -> Result<Self, SetupError> {
        Self::made(component, limits, None)
    }

    fn made(component: &[u8], limits: Limits, cache: Option<&Path>) -> Result<Self, SetupError> {
        let limits =
            Limits { hashing: limits.hashing.max(1), plain: limits.plain.max(1), ..limits };
        let pools = Pools::new(component, &limits, cache)?;
        let ticks = Ticks::begin([&pools.hashing, &pools.plain].map(|pool| pool.engine.weak()))?;
        let metrics = Arc::new(Metrics::default());
        Ok(Self {
            inner: Arc::new(Inner {
                admission: Admission::new(&limits, Arc::clone(&metrics)),
                pools,
                hashing: Background::new("portcullis-hash", limits.hashing)?,
                long: Background::new("portcullis-long", 1)?,
                limits,
                metrics,
                ticks,
            }),
        })
    }

    /// The bounds that calls have here.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// What is counted here, of all tenants.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.inner.metrics
    }

    /// What of it is looked at rather than counted, for [`Metrics::text`]; without any mail.
    #[must_use]
    pub fn watched(&self) -> Watched {
        let (running, waiting) = self.inner.admission.hashing();
        let number = |it| u64::try_from(it).unwrap_or(u64::MAX);
        Watched {
            hashing_running: number(running),
            hashing_waiting: number(waiting),
            ..Watched::default()
        }
    }

    /// Make one call for the tenant that `host` stands for.
    ///
    /// Waiting for admission ends with the future that waits. A call that has begun is finished even if
    /// nobody waits for it any more: a caller who hangs up must not stop it between its commit and what
    /// belongs to it. `after` is part of it; `ticket` is given back then.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        host: Arc<Host>,
        caller: Caller,
        ticket: OwnedSemaphorePermit,
        work: Work,
        body: Body<R>,
        after: Option<After<R>>,
    ) -> Result<R, CallError> {
        let inner = Arc::clone(&self.inner);
        let begin = Instant::now();
        let end = begin + inner.limits.time;
        let turn = begin + inner.limits.wait.min(inner.limits.time);
        let permit = Arc::new(inner.admission.enter(host.id, work, turn).await?);
        let answering = {
            let inner = Arc::clone(&inner);
            async move {
                let Inner { limits, metrics, .. } = &*inner;
                let state = State::new(host, caller, permit.clone(), metrics, limits, work, end);
                let (remains, seen) = (Remains::default(), Arc::clone(&state.seen));
                let answer = inner.answer(state, remains.clone(), work, body).await;
                if let Some(after) = after {
                    // A call that has used up its time has this much more to be written down.
                    let until = end.max(Instant::now() + inner.limits.grace());
                    let (account, moved) = (seen.account.get().cloned(), seen.moved.get().cloned());
                    after(&answer, Aftermath { account, moved, until }).await;
                }
                (answer, Behind { remains, permit, ticket })
            }
            // On whatever thread it goes on, its lines in the log are those of the request.
            .in_current_span()
        };
        let answer = match work {
            Work::Plain => Finished::new(answering).await.map(|(answer, _)| answer),
            Work::Hashing => {
                let (tell, told) = oneshot::channel();
                let task = inner.hashing.spawn(async move {
                    let (answer, behind) = answering.await;
                    // Whoever has hung up does not want to know.
                    let _ = tell.send(answer);
                    drop(behind);
                });
                match told.await {
                    Ok(answer) => Ok(answer),
                    Err(_) if task.await.is_err_and(|error| error.is_panic()) => Err(Lost::Panic),
                    Err(_) => Err(Lost::End),
                }
            }
        };
        answer.unwrap_or_else(|lost| {
            Err(CallError::Other(match lost {
                Lost::Panic => "the store or the mailer of this host panicked".into(),
                Lost::End => "the host is shutting down".into(),
            }))
        })
    }
}

/// What is to be given back after a call, in this order: the slot of the instance is free before the
/// permit is.
struct Behind {
    #[expect(dead_code, reason = "dropped")]
    remains: Remains,
    #[expect(dead_code, reason = "dropped")]
    permit: Arc<Permit>,
    #[expect(dead_code, reason = "dropped")]
    ticket: OwnedSemaphorePermit,
}

impl Inner {
    async fn answer<R: Send + 'static>(
        self: &Arc<Self>,
        state: State,
        remains: Remains,
        work: Work,
        body: Body<R>,
    ) -> Result<R, CallError> {
        let (host, end) = (Arc::clone(&state.host), state.end);
        let _ticking = self.ticks.run();
        let is_long = Arc::clone(&state.is_long);
        let inner = Arc::clone(self);
        let mut whole = Box::pin(async move {
            let whole = async { body(inner.instance(state, remains, work).await?).await };
            // The ticks stop a component that computes; this, one that waits.
            let answer = timeout_at(end.into(), whole).await;
            answer.unwrap_or_else(|_| Err(Trap::Interrupt.into()))
        });
        let short = poll_fn(|context| match whole.as_mut().poll(context) {
            Poll::Pending if is_long.load(Ordering::Relaxed) => Poll::Ready(None),
            answer => answer.map(Some),
        });
        let answer = match short.await {
            Some(answer) => answer,
            None => match self.long.spawn(whole.in_current_span()).await {
                Ok(answer) => answer,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => Err(wasmtime::Error::msg("the host is shutting down")),
                },
            },
        };
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failure)) => Err(failure.into()),
            Err(error) => {
                let error = self.stopped(&error);
                let tenant = &host.settings.tenant;
                tracing::warn!(tenant, %error, "a call was stopped");
                Err(error)
            }
        }
    }

    async fn instance(&self, state: State, remains: Remains, work: Work) -> wasmtime::Result<Call> {
        let Pool { engine, code, exports } = match work {
            Work::Hashing => &self.pools.hashing,
            Work::Plain => &self.pools.plain,
        };
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.bounds);
        store.set_hostcall_fuel(self.limits.payload);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |mut store| {
            let state = store.data_mut();
            Ok(if Instant::now() >= state.end {
                UpdateDeadline::Interrupt
            } else {
                state.ticks = state.ticks.saturating_add(1);
                if state.ticks >= LONG && work == Work::Plain {
                    state.is_long.store(true, Ordering::Relaxed);
                }
                UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
            })
        });
        let instance = code.instantiate_async(&mut store).await?;
        let exports = Exports::new(instance, exports);
        Ok(Call { exports, store: Sandbox::new(store, remains) })
    }

    /// Why the component stopped. Never what it worked on: traps tell where, not with what.
    fn stopped(&self, error: &wasmtime::Error) -> CallError {
        if error.is::<PoolConcurrencyLimitError>() {
            return CallError::Overloaded { retry_after: Duration::from_secs(1) };
        }
        CallError::Component(match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => {
                format!("it took longer than {} ms", self.limits.time.as_millis())
            }
            _ => error.root_cause().to_string(),
        })
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Store(text) => Self::Store(text),
            Failure::Settings(text) => Self::Settings(text),
            Failure::Other(text) => Self::Other(text),
        }
    }
}
