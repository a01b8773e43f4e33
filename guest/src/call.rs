//! The way of one call: admitted once, then loaded, decided and committed until nobody was faster.

use core::cell::Cell;

use crate::address::Address;
use crate::changes::Changes;
use crate::outcome::{Code, Failure, Refusal, Stop};
use crate::ports::{Ports, StoreError, Verdict};
use crate::proof::Proofs;
use crate::rate::{self, Policy};
use crate::record::{BLOCKED, LIMIT, OURS, Records, Stored, json};
use crate::settings;
use crate::tally::Tally;

/// One call of an `auth` function about one address.
pub struct Call<'a> {
    /// The outside.
    pub ports: &'a dyn Ports,
    /// The address.
    pub address: Address,
    /// What the caller shows of himself.
    pub proofs: Proofs,
    /// Whether he must not learn who has an account.
    pub hides: bool,
    /// What admission has read, for the first decision: whatever changed since then makes the
    /// commit fail.
    read: Cell<Option<Records>>,
}

/// What a decision wants to be done, and what is answered once it is.
pub struct Plan {
    /// The commit.
    pub changes: Changes,
    /// The answer, which is also given when it is a refusal that had to be paid for.
    pub answer: Result<Code, Refusal>,
    /// What is answered when the store fails on the changes.
    pub failed: fn(&Changes, StoreError) -> Stop,
}

/// A plan that was carried out.
pub struct Committed {
    /// The answer.
    pub code: Code,
    /// The versions of the records that were put and moved, in that order.
    pub versions: Vec<String>,
}

impl<'a> Call<'a> {
    /// The rate limit: one commit of its own, made once, before anything costly.
    ///
    /// # Errors
    /// 401.
    pub fn admit(
        ports: &'a dyn Ports,
        address: Address,
        ignore_rate_limit: bool,
    ) -> Result<Self, Stop> {
        let read = if ignore_rate_limit { None } else { count_request(ports, &address.key)? };
        let proofs = Proofs::of(ports, &address.key)?;
        let hides = ports.hide_accounts();
        Ok(Self { ports, address, proofs, hides, read: Cell::new(read) })
    }

    /// The counts of this address, for this caller.
    ///
    /// # Errors
    /// Bad settings.
    pub fn tally(&self, records: &Records) -> Result<Tally, Stop> {
        Tally::begin(self.ports, records.counts.as_ref(), &self.proofs)
    }

    /// How it is told that there is no such user: where accounts are hidden, as the answer to the
    /// wrong secret.
    #[must_use]
    pub fn nobody(&self, wrong_secret: Code) -> Code {
        if self.hides { wrong_secret } else { Code::UserNotFound }
    }

    /// Load, let `decision` decide, commit; and again when somebody else was faster. The block is
    /// looked at before each decision, and is a condition of each commit. Where accounts are hidden
    /// the decision about a blocked address is one about an address without a user.
    ///
    /// # Errors
    /// 403; the refusal that was decided, after its commit; a failure.
    pub fn decide(
        &self,
        decision: &mut dyn FnMut(&Records) -> Result<Plan, Stop>,
    ) -> Result<Committed, Stop> {
        let key = &self.address.key;
        let blocking = settings::BLOCKING.read(self.ports).map_err(Failure::from)?;
        loop {
            let mut records = match self.read.take() {
                Some(records) => records,
                None => Records::load(self.ports, key)?,
            };
            if blocking && records.is_blocked() {
                if !self.hides {
                    return Err(Code::UserBlocked.into());
                }
                records = Records { user: None, shut: true, ..records };
            }
            let plan = decision(&records)?;
            let mut changes = Changes::of(key);
            if blocking && !plan.changes.is_empty() {
                changes.expect(BLOCKED, records.block.map(|block| block.version));
            }
            changes.append(plan.changes);
            if let Some(versions) =
                attempt(self.ports, &changes).map_err(|error| (plan.failed)(&changes, error))?
            {
                let code = plan.answer?;
                return Ok(Committed { code, versions });
            }
        }
    }
}

impl Plan {
    /// Answer with a success once the changes are made.
    #[must_use]
    pub fn accept(changes: Changes, code: Code) -> Self {
        Self::of(changes, Ok(code))
    }

    /// Answer with a refusal once the changes are made.
    pub fn refuse(changes: Changes, refusal: impl Into<Refusal>) -> Self {
        Self::of(changes, Err(refusal.into()))
    }

    /// Answer so once the changes are made.
    #[must_use]
    pub fn of(changes: Changes, answer: Result<Code, Refusal>) -> Self {
        Self { changes, answer, failed: |_, error| error.into() }
    }
}

/// Commit, if there is anything to commit: the new versions, or `None` when somebody else was
/// faster.
///
/// # Errors
/// The store's own.
pub fn commit(ports: &dyn Ports, changes: &Changes) -> Result<Option<Vec<String>>, Stop> {
    Ok(attempt(ports, changes)?)
}

fn attempt(ports: &dyn Ports, changes: &Changes) -> Result<Option<Vec<String>>, StoreError> {
    if changes.is_empty() {
        return Ok(Some(Vec::new()));
    }
    Ok(match ports.commit(changes.as_slice())? {
        Verdict::Committed(versions) => Some(versions),
        Verdict::Conflict => None,
    })
}

/// Count a request of an address. What was read on the way is given back for use.
///
/// # Errors
/// 401 when the request does not pass.
pub fn count_request(ports: &dyn Ports, key: &str) -> Result<Option<Records>, Stop> {
    let Some(policy) = Policy::configured(ports)? else { return Ok(None) };
    loop {
        let mut records = Records::load(ports, key)?;
        let now = ports.now().as_secs_f64();
        let step = policy.step(records.limit.as_ref().map(|limit| &limit.record), now);
        let mut changes = Changes::of(key);
        let fields = [
            (&["last_action"][..], Some(json(&step.after.last_action))),
            (&[OURS][..], Some(json(&step.after.ours))),
        ];
        let due = rate::ends(&step.after, now);
        changes.put(LIMIT, records.limit.map(|limit| limit.version), &fields, Some(due));
        if let Some(versions) = commit(ports, &changes)? {
            if !step.passes {
                return Err(Refusal::wait(step.wait).into());
            }
            records.limit =
                versions.into_iter().next().map(|version| Stored { version, record: step.after });
            return Ok(Some(records));
        }
    }
}
