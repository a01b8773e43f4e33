//! Users with their block records, in the order of their keys.

use std::collections::VecDeque;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Records, trouble};
use crate::contract::users::StoredUser;
use crate::store::Record;

/// Records that are fetched at once.
const PAGE: u32 = 1000;
/// Look-ups of single block records at one time.
const LOOK_UPS: usize = 16;

/// A user and the key that the store has him under.
pub(super) struct Found {
    pub(super) key: String,
    pub(super) user: StoredUser,
}

/// Goes through both collections side by side, since the block record of almost every user stands at the
/// same place in the other one.
pub(super) struct Walk {
    records: Records,
    after: String,
    blocks: VecDeque<Record>,
    /// The key up to which the blocks were fetched.
    blocks_until: String,
    blocks_ended: bool,
}

impl Walk {
    /// From the first user after this key on.
    pub(super) fn after(records: Records, after: &str) -> Self {
        Self {
            records,
            after: after.to_owned(),
            blocks: VecDeque::new(),
            blocks_until: after.to_owned(),
            blocks_ended: false,
        }
    }

    /// The next users, at most so many; none at the end.
    pub(super) async fn next(&mut self, limit: u32) -> anyhow::Result<Vec<Found>> {
        let limit = limit.min(PAGE);
        let users = self.records.database.scan("users", &self.after, limit);
        // Beside them, because a store can answer both at once.
        let (page, more) =
            tokio::join!(users, self.more_blocks(self.blocks.len() < limit as usize));
        let page = page.map_err(trouble)?;
        self.have(more?);
        if let Some(last) = page.last() {
            self.after.clone_from(&last.key);
        }
        let mut paired = Vec::with_capacity(page.len());
        for Record { key, document } in page {
            let blocked = self.block_beside(&key).await?;
            paired.push((key, document, blocked));
        }
        let records = &self.records;
        // In order, because the next run goes on after the last that was written.
        stream::iter(paired)
            .map(async |(key, document, blocked)| {
                // No record at that place is none at all only when no other spelling has one.
                let blocked = match blocked {
                    Some(blocked) => Some(blocked),
                    None => records.block_of(&key).await?,
                };
                Ok(Found { key, user: StoredUser { user: document, blocked } })
            })
            .buffered(LOOK_UPS)
            .try_collect()
            .await
    }

    /// The block record under exactly this key, if it was come across. Keys are asked for in order.
    async fn block_beside(&mut self, key: &str) -> anyhow::Result<Option<String>> {
        loop {
            while let Some(block) = self.blocks.pop_front() {
                if block.key.as_str() == key {
                    return Ok(Some(block.document));
                }
                if block.key.as_str() > key {
                    self.blocks.push_front(block);
                    return Ok(None);
                }
            }
            if self.blocks_ended {
                return Ok(None);
            }
            let more = self.more_blocks(true).await?;
            self.have(more);
        }
    }

    /// The block records behind those that were fetched, if they are wanted: `None` if not, or where none
    /// are left.
    async fn more_blocks(&self, wanted: bool) -> anyhow::Result<Option<Vec<Record>>> {
        if !wanted || self.blocks_ended {
            return Ok(None);
        }
        let more = self.records.database.scan("blocked", &self.blocks_until, PAGE).await;
        more.map(Some).map_err(trouble)
    }

    fn have(&mut self, more: Option<Vec<Record>>) {
        let Some(more) = more else { return };
        match more.last() {
            Some(last) => self.blocks_until.clone_from(&last.key),
            None => self.blocks_ended = true,
        }
        self.blocks.extend(more);
    }
}

impl Records {
    /// The user of this key, in whatever letter case the store has it.
    pub(super) async fn user_of(&self, key: &str) -> anyhow::Result<Option<StoredUser>> {
        let found = self.records_of(&["users", "blocked"], key).await?;
        let [user, blocked] = found;
        Ok(user.map(|user| StoredUser { user, blocked }))
    }

    /// The block record of this key.
    pub(super) async fn block_of(&self, key: &str) -> anyhow::Result<Option<String>> {
        let [_, blocked] = self.records_of(&["blocked"], key).await?;
        Ok(blocked)
    }

    /// The records in `users` and `blocked`, as far as they are asked for.
    pub(super) async fn records_of(
        &self,
        collections: &[&str],
        key: &str,
    ) -> anyhow::Result<[Option<String>; 2]> {
        let [mut user, mut blocked] = [None, None];
        for entry in self.store.load(collections, key).await.map_err(trouble)? {
            match entry.collection.as_str() {
                "users" => user = Some(entry.document),
                "blocked" => blocked = Some(entry.document),
                _ => {}
            }
        }
        Ok([user, blocked])
    }
}
