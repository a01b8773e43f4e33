//! A call that was understood and not yet made.

use std::fmt;
use std::pin::Pin;

use super::descriptor::Function;
use super::reply::Reply;
use crate::error::CallError;
use crate::tenant::Tenant;

/// The way to the reply.
pub(super) type Replying<'t> = Pin<Box<dyn Future<Output = Result<Reply, CallError>> + Send + 't>>;

/// A function with its arguments.
pub(super) type Run = Box<dyn for<'t> FnOnce(&'t Tenant) -> Replying<'t> + Send>;

/// A call whose arguments were found good, made by [`Function::prepare`].
pub struct Prepared {
    function: &'static Function,
    run: Run,
}

impl Prepared {
    pub(super) fn new(function: &'static Function, run: Run) -> Self {
        Self { function, run }
    }

    /// What it calls.
    #[must_use]
    pub fn function(&self) -> &'static Function {
        self.function
    }

    /// Make the call.
    ///
    /// # Errors
    /// Every [`CallError`] but `Usage`, which was settled before.
    pub async fn run(self, tenant: &Tenant) -> Result<Reply, CallError> {
        (self.run)(tenant).await
    }
}

/// The function alone: the arguments may be secret.
impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("function", &self.function.name).finish_non_exhaustive()
    }
}
