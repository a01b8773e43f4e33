//! One call from its admission to its end.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout_at;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use super::admission::Admission;
use super::background::Background;
use super::engine::{Pool, Pools};
use super::ticks::Ticks;
use super::{Caller, Host, Limits, State, Work, artifact};
use crate::contract::Portcullis;
use crate::contract::types::Failure;
use crate::error::{CallError, SetupError};

/// After that many turns a call that does not hash is one that computes for long.
const LONG: u32 = 3;

/// The compiled component and everything that all tenants share. Cheap to clone; a process needs
/// one, because the bounds on hashing are those of the machine.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    pools: Pools,
    admission: Arc<Admission>,
    limits: Limits,
    ticks: Ticks,
    /// Where calls hash.
    hashing: Background,
    /// Where other calls go on that turn out to compute for long.
    long: Background,
}

/// One fresh instance. It is gone when the future that was made with it ends.
pub struct Call {
    /// The exports of the component.
    pub exports: Portcullis,
    /// Where this instance lives.
    pub store: Store<State>,
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

    /// A runtime with another build of the component, in the binary format of WebAssembly
    /// components.
    ///
    /// # Errors
    /// [`SetupError::Component`] when it is no component, does not export what the contract says
    /// or imports more.
    pub fn with_component(component: &[u8], limits: Limits) -> Result<Self, SetupError> {
        let limits =
            Limits { hashing: limits.hashing.max(1), plain: limits.plain.max(1), ..limits };
        let pools = Pools::new(component, &limits)?;
        let ticks = Ticks::begin([&pools.hashing, &pools.plain].map(|pool| pool.engine.weak()))?;
        Ok(Self {
            inner: Arc::new(Inner {
                admission: Arc::new(Admission::new(&limits)),
                pools,
                hashing: Background::new("portcullis-hash", limits.hashing)?,
                long: Background::new("portcullis-long", 1)?,
                limits,
                ticks,
            }),
        })
    }

    /// The bounds that calls have here.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Make one call for the tenant that `host` stands for.
    ///
    /// Waiting for admission ends with the future that waits. Once the call has begun it is a task
    /// of its own and is finished even if nobody waits for it any more: a caller who hangs up
    /// must not stop it between its commit and what belongs to it. `ticket` is given back then.
    pub(crate) async fn run<R, F, Fut>(
        &self,
        host: Arc<Host>,
        caller: Caller,
        ticket: OwnedSemaphorePermit,
        work: Work,
        call: F,
    ) -> Result<R, CallError>
    where
        F: FnOnce(Call) -> Fut + Send + 'static,
        Fut: Future<Output = wasmtime::Result<Result<R, Failure>>> + Send + 'static,
        R: Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let end = Instant::now() + inner.limits.time;
        let permit = inner.admission.enter(work, end).await?;
        let answering = {
            let inner = Arc::clone(&inner);
            async move {
                let answer = inner.answer(host, caller, work, end, call).await;
                // The instance is gone by now, so its slot is free before the permit is.
                drop(permit);
                drop(ticket);
                answer
            }
        };
        let task = match work {
            Work::Hashing => inner.hashing.spawn(answering),
            Work::Plain => tokio::spawn(answering),
        };
        match task.await {
            Ok(answer) => answer,
            Err(error) if error.is_panic() => {
                Err(CallError::Other("the store or the mailer of this host panicked".into()))
            }
            Err(_) => Err(CallError::Other("the host is shutting down".into())),
        }
    }
}

impl Inner {
    async fn answer<R, F, Fut>(
        self: &Arc<Self>,
        host: Arc<Host>,
        caller: Caller,
        work: Work,
        end: Instant,
        call: F,
    ) -> Result<R, CallError>
    where
        F: FnOnce(Call) -> Fut + Send + 'static,
        Fut: Future<Output = wasmtime::Result<Result<R, Failure>>> + Send + 'static,
        R: Send + 'static,
    {
        let tenant = host.settings.tenant.clone();
        let _ticking = self.ticks.run();
        let state = State::new(host, caller, &self.limits, work, end);
        let is_long = Arc::clone(&state.is_long);
        let inner = Arc::clone(self);
        let mut whole = Box::pin(async move {
            let whole = async {
                let call = call(inner.instance(state, work).await?);
                call.await
            };
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
            None => match self.long.spawn(whole).await {
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
                tracing::warn!(%tenant, %error, "a call was stopped");
                Err(error)
            }
        }
    }

    async fn instance(&self, state: State, work: Work) -> wasmtime::Result<Call> {
        let Pool { engine, code } = match work {
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
        let exports = code.instantiate_async(&mut store).await?;
        Ok(Call { exports, store })
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
