//! The suite that every store must pass.
//!
//! One check is one sentence about [`Store`] or [`Database`], named after it, run on a fresh and
//! empty store. The checks know no engine: what engines do differently is said by [`Capabilities`].
//!
//! ```no_run
//! use portcullis::store::conformance::{Capabilities, all};
//! use portcullis::store::memory::MemoryStore;
//!
//! # async fn test() {
//! all(async || MemoryStore::default(), Capabilities::ALL).await;
//! # }
//! ```
//!
//! Must run on tokio's multi-threaded runtime, so that the races are races.
// This is test code that stands outside `#[cfg(test)]` for those who write a store of their own: a
// check fails by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::any::Any;
use std::sync::Arc;

use super::{AUDIT, Database, Error, Store};

mod commits;
mod databases;
mod documents;
mod dues;
#[cfg(test)]
mod faults;
mod races;
mod records;
mod tools;

/// What an engine can do beyond what every store must.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Capabilities {
    /// A commit of several changes is made whole or not at all. Without it a commit that stops
    /// half-way must say how far it went ([`Error::Partial`]).
    pub transactions: bool,
    /// Documents keep the text of numbers (`1.0`, `1e2`, `12345678901234567890`). Without it they
    /// keep the value of every number that a 64-bit integer or a double holds, and which of the
    /// two it is.
    pub exact_numbers: bool,
    /// Keys are told apart byte by byte. Without it, keys that Unicode's collation takes for the
    /// same letters, in another case or form, may count as one.
    pub exact_keys: bool,
}

impl Capabilities {
    /// A store that can do everything.
    pub const ALL: Capabilities =
        Capabilities { transactions: true, exact_numbers: true, exact_keys: true };

    /// With or without transactions.
    #[must_use]
    pub const fn transactions(mut self, has: bool) -> Self {
        self.transactions = has;
        self
    }

    /// With or without telling keys apart byte by byte.
    #[must_use]
    pub const fn exact_keys(mut self, has: bool) -> Self {
        self.exact_keys = has;
        self
    }

    /// With or without the text of numbers.
    #[must_use]
    pub const fn exact_numbers(mut self, has: bool) -> Self {
        self.exact_numbers = has;
        self
    }
}

/// A check that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The name of the check, a sentence.
    pub check: &'static str,
    /// What was found instead.
    pub reason: String,
}

/// Runs every check on a store of its own and panics with the list of those that failed. `make`
/// gives an empty store each time; what a check leaves behind is dropped.
///
/// # Panics
/// When a check fails.
pub async fn all<S: Store + Database>(make: impl AsyncFn() -> S, capabilities: Capabilities) {
    let failures = failures(make, capabilities).await;
    let list: Vec<String> = failures.iter().map(|f| format!("{}: {}", f.check, f.reason)).collect();
    assert!(list.is_empty(), "{} checks failed:\n  {}", list.len(), list.join("\n  "));
}

/// Runs every check and gives those that failed.
pub async fn failures<S: Store + Database>(
    make: impl AsyncFn() -> S,
    capabilities: Capabilities,
) -> Vec<Failure> {
    let mut failures = Vec::new();
    macro_rules! run {
        ($kind:ty: $($module:ident { $($check:ident)* })*) => {$($({
            let store = Arc::new(make().await);
            let subject: Arc<$kind> = store.clone();
            let check = tokio::spawn(async move { $module::$check(subject, capabilities).await });
            if let Err(error) = check.await {
                let reason = reason(error.into_panic().as_ref());
                failures.push(Failure { check: stringify!($check), reason });
            } else if let Err(error) = empty(&*store).await {
                let reason = format!("the store could not be emptied: {error}");
                failures.push(Failure { check: stringify!($check), reason });
            }
        })*)*};
    }
    run!(dyn Store:
        records {
            an_unknown_key_has_no_records
            a_record_is_created_when_there_is_none
            a_second_creation_conflicts_and_changes_nothing
            every_write_gives_a_version_never_seen_before
            the_versions_of_a_verdict_are_those_that_a_read_shows
            a_stale_version_conflicts_and_changes_nothing
            a_record_that_is_not_there_fits_no_version
            a_removed_record_is_gone
            a_moved_record_stays_the_same_with_another_key
            a_move_to_an_occupied_key_conflicts
            records_of_one_key_in_several_collections_are_apart
            odd_keys_are_told_apart
            what_cannot_be_asked_is_refused_and_changes_nothing
        }
        commits {
            an_empty_commit_holds
            an_expectation_of_absence_holds_until_there_is_a_record
            an_expectation_of_a_version_holds_until_it_changes
            several_changes_are_made_together
            later_changes_see_earlier_ones
            a_condition_that_fails_first_changes_nothing
            a_condition_that_fails_in_the_middle_leaves_nothing_or_says_what
            an_edit_that_fails_in_the_middle_leaves_nothing_or_says_what
            an_abandoned_commit_is_whole_or_absent
        }
        documents {
            fields_that_no_edit_names_survive
            names_are_taken_literally
            missing_objects_on_the_way_are_made
            a_removed_field_is_gone
            edits_are_applied_in_their_order
            an_edit_through_a_value_is_refused_and_changes_nothing
            the_key_stands_in_the_field_email
            values_keep_their_kind
            numbers_are_kept_to_the_letter
            a_large_document_is_kept
        }
        dues {
            the_longest_overdue_come_first_up_to_the_limit
            what_is_due_at_that_very_second_is_not_overdue
            a_due_is_replaced_and_cleared_by_every_write
            a_due_goes_with_its_record
            a_key_that_is_due_twice_is_named_once
        }
        races {
            of_many_creators_at_once_exactly_one_wins
            parallel_counters_lose_nothing
            of_many_movers_to_one_key_exactly_one_wins
            two_conditions_across_never_both_win
        }
    );
    run!(Both:
        databases {
            creating_and_dropping_twice_is_fine
            a_missing_collection_reads_as_empty
            a_write_makes_a_missing_collection_again
            dropping_one_collection_leaves_the_others
            dropping_everything_takes_other_collections_too
            dropping_everything_leaves_the_audit_log
            records_are_counted
            the_smallest_integer_of_a_field_is_found
            going_through_a_collection_gives_each_record_once_in_order
            large_records_come_fewer_at_a_time
            what_is_not_there_is_inserted_and_the_rest_stays
            of_many_inserters_at_once_one_writes_each_record
            what_cannot_be_inserted_is_refused_and_nothing_is_written
            the_size_of_data_grows_with_documents
            the_statistics_are_a_json_object
            odd_names_of_collections_are_refused
        }
    );
    failures
}

/// Removes what a check has left behind.
async fn empty(store: &impl Database) -> Result<(), Error> {
    store.remove_all().await?;
    store.remove(AUDIT).await
}

/// What a check of the administration needs.
trait Whole: Store + Database {}
impl<S: Store + Database> Whole for S {}
type Both = dyn Whole;

/// What a panic said.
fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
