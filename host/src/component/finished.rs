//! Work that is finished even if nobody waits for it any more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

/// Work that begins in the task that waits for it, and goes on in one of its own as soon as it has to
/// wait itself: from then on it depends on nobody.
///
/// A task from the start would do as well, but waking it and being woken by it costs more than a short
/// call.
pub(super) enum Finished<T: Send + 'static> {
    Here(Pin<Box<dyn Future<Output = T> + Send>>),
    There(JoinHandle<T>),
    Over,
}

/// Why there is no answer.
pub(super) enum Lost {
    /// The work has panicked.
    Panic,
    /// The runtime is about to end.
    End,
}

impl<T: Send + 'static> Finished<T> {
    pub(super) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self::Here(Box::pin(work))
    }
}

impl<T: Send + 'static> Future for Finished<T> {
    type Output = Result<T, Lost>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Self::Here(_) = *self
            && let Self::Here(mut work) = std::mem::replace(&mut *self, Self::Over)
        {
            match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
                Ok(Poll::Ready(answer)) => return Poll::Ready(Ok(answer)),
                Ok(Poll::Pending) => *self = Self::There(tokio::spawn(work)),
                Err(_) => return Poll::Ready(Err(Lost::Panic)),
            }
        }
        let Self::There(task) = &mut *self else { return Poll::Ready(Err(Lost::End)) };
        Pin::new(task).poll(context).map_err(|error| match error.is_panic() {
            true => Lost::Panic,
            false => Lost::End,
        })
    }
}
