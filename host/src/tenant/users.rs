//! Users as lines of JSON, read and written by the component.

use super::Tenant;
use crate::component::{Call, Work};
use crate::contract::users::{NewUser, StoredUser};
use crate::error::CallError;

/// The most users in one call: some two milliseconds. What computes for longer goes on one at a time, behind
/// everything else, and so many calls would not run beside each other.
const MOST: usize = 64;
/// The most bytes in one call, but for the first of it: a call has room for some copies of them.
const MOST_BYTES: usize = 1 << 20;

impl Tenant {
    /// The user whom each line describes, or what is wrong with it: see `users.read` of the contract.
    /// Nothing is written.
    ///
    /// # Errors
    /// As the variants of [`CallError`] say.
    pub(crate) async fn read_users(
        &self,
        lines: Vec<String>,
    ) -> Result<Vec<Result<NewUser, String>>, CallError> {
        let mut read = Vec::with_capacity(lines.len());
        for batch in batches(lines, String::len) {
            let answers = self.run(Work::Plain, async move |mut call: Call| {
                let users = call.exports.users(&mut call.store)?;
                Ok(Ok(users.call_read(&mut call.store, &batch).await?))
            });
            read.extend(answers.await?);
        }
        Ok(read)
    }

    /// The line that describes each user, or what is wrong with his records: see `users.write` of the
    /// contract.
    ///
    /// # Errors
    /// As the variants of [`CallError`] say.
    pub(crate) async fn write_users(
        &self,
        users: Vec<StoredUser>,
    ) -> Result<Vec<Result<String, String>>, CallError> {
        let length =
            |user: &StoredUser| user.user.len() + user.blocked.as_ref().map_or(0, String::len);
        let mut written = Vec::with_capacity(users.len());
        for batch in batches(users, length) {
            let answers = self.run(Work::Plain, async move |mut call: Call| {
                let users = call.exports.users(&mut call.store)?;
                Ok(Ok(users.call_write(&mut call.store, &batch).await?))
            });
            written.extend(answers.await?);
        }
        Ok(written)
    }
}

/// The items in their order, in parts that one call can take.
fn batches<T>(items: Vec<T>, length: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut batches: Vec<Vec<T>> = Vec::new();
    let mut bytes = 0_usize;
    for item in items {
        bytes = bytes.saturating_add(length(&item));
        match batches.last_mut() {
            Some(batch) if batch.len() < MOST && bytes <= MOST_BYTES => batch.push(item),
            _ => {
                bytes = length(&item);
                batches.push(vec![item]);
            }
        }
    }
    batches
}
