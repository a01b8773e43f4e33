//! Threads for calls that compute for long, apart from those that serve everybody.
//!
//! Where a call computes on the threads that also accept connections and answer short calls, each of
//! these has to wait until its turn comes, several times over. On threads of its own, of lower
//! priority, the operating system takes the processor from it as soon as somebody else has something
//! to do.

use std::future::Future;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use crate::error::SetupError;

/// How much lower the priority is: `nice` values, of which each step is a tenth of the share.
const NICE: i32 = 5;

/// Some threads with a scheduler of their own.
pub(super) struct Background {
    handle: Handle,
    /// Taken when it is dropped.
    threads: Option<Runtime>,
}

impl Background {
    /// That many threads of this name.
    pub(super) fn new(name: &'static str, threads: usize) -> Result<Self, SetupError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name(name)
            .enable_all()
            .on_thread_start(yield_to_others)
            .build();
        let runtime = runtime
            .map_err(|error| SetupError::Component(format!("no threads for it: {error}")))?;
        Ok(Self { handle: runtime.handle().clone(), threads: Some(runtime) })
    }

    /// Go on with this on one of the threads.
    pub(super) fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(work)
    }
}

impl Drop for Background {
    /// Without waiting: the last call may be what drops it, on one of these very threads.
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

/// Lower the priority of this thread. Where that cannot be done it stays as it is: others then wait
/// a little longer.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    {
        // On Linux a thread has a priority of its own, by its id.
        let this = rustix::thread::gettid();
        if let Ok(now) = rustix::process::getpriority_process(Some(this)) {
            let _ = rustix::process::setpriority_process(Some(this), now + NICE);
        }
    }
}
