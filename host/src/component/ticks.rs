//! The clock of the engines, by which a component that computes gives others their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::EngineWeak;

use crate::error::SetupError;

/// How long a component computes before others get their turn on its thread, and how exactly its
/// end is kept. Whoever does not hash waits for a few of these, one for each thing that it has to
/// wait for; each costs some microseconds.
const TICK: Duration = Duration::from_millis(2);

/// How often the clock looks whether its engines are still there while none of them runs.
const IDLE: Duration = Duration::from_secs(1);

/// A clock that runs while a call does.
pub(super) struct Ticks {
    calls: Arc<AtomicUsize>,
    clock: Thread,
}

/// A call that is running.
pub(super) struct Ticking<'a>(&'a AtomicUsize);

impl Ticks {
    /// Start the clock. It ends with the last of the engines: when the runtime and all its calls are
    /// gone.
    pub(super) fn begin(engines: [EngineWeak; 2]) -> Result<Self, SetupError> {
        let calls = Arc::new(AtomicUsize::new(0));
        let running = Arc::clone(&calls);
        let run = move || {
            loop {
                match running.load(Ordering::Acquire) {
                    0 => std::thread::park_timeout(IDLE),
                    _ => std::thread::sleep(TICK),
                }
                let mut any = false;
                for engine in engines.iter().filter_map(EngineWeak::upgrade) {
                    engine.increment_epoch();
                    any = true;
                }
                if !any {
                    break;
                }
            }
        };
        let started = std::thread::Builder::new().name("portcullis-clock".into()).spawn(run);
        let clock = started
            .map_err(|error| SetupError::Component(format!("its clock does not start: {error}")))?
            .thread()
            .clone();
        Ok(Self { calls, clock })
    }

    /// Let the clock run until what this returns is dropped.
    pub(super) fn run(&self) -> Ticking<'_> {
        if self.calls.fetch_add(1, Ordering::AcqRel) == 0 {
            self.clock.unpark();
        }
        Ticking(&self.calls)
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
