//! The one conditional commit of a decision, as it is put together.

use crate::outcome::{Failure, Stop};
use crate::ports::{Change, Edit, Expectation, Ports, Put, Relocation, Removal};
use crate::record::{OURS, OpenCode, Stored, USERS, Use, User, code_path, json};
use crate::settings;

/// The changes of one decision about one address, in their order.
pub struct Changes {
    key: String,
    list: Vec<Change>,
}

/// A field, by its path, and its new value as JSON text; `None` removes it.
pub type Field<'a> = (&'a [&'a str], Option<String>);

impl Changes {
    /// No changes yet.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self { key: key.to_owned(), list: Vec::new() }
    }

    /// Write a record that has this version, or none.
    pub fn put(
        &mut self,
        collection: &str,
        version: Option<String>,
        fields: &[Field<'_>],
        due: Option<u64>,
    ) {
        let edits = fields.iter().map(|(path, value)| edit(path, value.clone())).collect();
        self.push_put(collection, version, edits, due);
    }

    /// Remove a record that has this version.
    pub fn remove(&mut self, collection: &str, version: String) {
        let (collection, key) = (collection.to_owned(), self.key.clone());
        self.list.push(Change::Remove(Removal { collection, key, version }));
    }

    /// Write nothing, but only if the record has this version, or there is none.
    pub fn expect(&mut self, collection: &str, version: Option<String>) {
        let (collection, key) = (collection.to_owned(), self.key.clone());
        self.list.push(Change::Expect(Expectation { collection, key, version }));
    }

    /// Give a record another key.
    pub fn relocate<T>(
        &mut self,
        collection: &str,
        stored: &Stored<T>,
        to: &str,
        due: Option<u64>,
    ) {
        self.push_move(collection, stored.version.clone(), to, Vec::new(), due);
    }

    /// Add the changes to another address.
    pub fn append(&mut self, other: Self) {
        self.list.extend(other.list);
    }

    /// In the form of the contract.
    #[must_use]
    pub fn as_slice(&self) -> &[Change] {
        &self.list
    }

    /// The records that are written.
    #[must_use]
    pub fn into_puts(self) -> Vec<Put> {
        let put = |change| match change {
            Change::Put(put) => Some(put),
            _ => None,
        };
        self.list.into_iter().filter_map(put).collect()
    }

    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn push_put(
        &mut self,
        collection: &str,
        version: Option<String>,
        edits: Vec<Edit>,
        due: Option<u64>,
    ) {
        let (collection, key) = (collection.to_owned(), self.key.clone());
        self.list.push(Change::Put(Put { collection, key, version, edits, due }));
    }

    fn push_move(
        &mut self,
        collection: &str,
        version: String,
        to: &str,
        edits: Vec<Edit>,
        due: Option<u64>,
    ) {
        let (collection, key, to) = (collection.to_owned(), self.key.clone(), to.to_owned());
        self.list.push(Change::Move(Relocation { collection, key, version, to, edits, due }));
    }
}

/// The changes to one user: what is set, and when the record then wants to be looked at.
pub struct UserChange<'a> {
    stored: Option<&'a Stored<User>>,
    after: User,
    edits: Vec<Edit>,
}

impl<'a> UserChange<'a> {
    /// Of a user who is there.
    #[must_use]
    pub fn of(stored: &'a Stored<User>) -> Self {
        Self { stored: Some(stored), after: stored.record.clone(), edits: Vec::new() }
    }

    /// A user who is to be made now.
    #[must_use]
    pub fn new(address: &str, custom_data: &str, ports: &dyn Ports) -> Self {
        Self::made_at(address, custom_data, Some(ports.now().as_secs()), ports)
    }

    /// A user who was made somewhere else, at this time if that is known.
    #[must_use]
    pub fn made_at(address: &str, custom_data: &str, made: Option<u64>, ports: &dyn Ports) -> Self {
        let mut user = Self { stored: None, after: User::default(), edits: Vec::new() };
        user.set(&["blocked"], Some("false".to_owned()));
        user.set(&["custom_data"], Some(custom_data.to_owned()));
        user.address(address);
        if let Some(made) = made {
            user.after.ours.get_or_insert_default().made = Some(made);
            user.set(&[OURS, "made"], Some(json(&made)));
        }
        user.end_sessions(ports); // those of a former user of this address
        user
    }

    /// Set a password hash, or say that there is none.
    pub fn password(&mut self, hash: Option<&str>) {
        self.after.password = hash.map(str::to_owned);
        self.set(&["password"], Some(json(&hash)));
    }

    /// Say whether the mailbox was proven.
    pub fn verified(&mut self, verified: bool) {
        self.after.verified = verified;
        self.set(&["verified"], Some(json(&verified)));
    }

    /// Say whether the address was vouched for instead of proven.
    pub fn unproven(&mut self, unproven: bool) {
        let ours = self.after.ours.get_or_insert_default();
        if ours.unproven != unproven {
            ours.unproven = unproven;
            self.set(&[OURS, "unproven"], unproven.then(|| json(&true)));
        }
    }

    /// End all sessions, those that are opened at this moment included.
    pub fn end_sessions(&mut self, ports: &dyn Ports) {
        let epoch = crate::code::unguessable(ports);
        self.set(&[OURS, "epoch"], Some(json(&epoch)));
        self.after.ours.get_or_insert_default().epoch = Some(epoch);
    }

    /// The user as he will be.
    #[must_use]
    pub fn after(&self) -> &User {
        &self.after
    }

    /// Set the form of the address to which mail goes.
    pub fn address(&mut self, given: &str) {
        self.set(&[OURS, "address"], Some(json(&given)));
    }

    /// Open a code, or end the open one.
    pub fn code(&mut self, of: Use, open: Option<&OpenCode>) {
        let codes = &mut self.after.ours.get_or_insert_default().codes;
        let slot = match of {
            Use::Mailbox => &mut codes.mailbox,
            Use::Mfa => &mut codes.mfa,
            Use::NewMail => &mut codes.new_mail,
        };
        if slot.as_ref() != open {
            *slot = open.cloned();
            self.edits.push(Edit { path: code_path(of, &[]), value: open.map(json) });
        }
    }

    /// End every open code.
    pub fn void_codes(&mut self) {
        Use::ALL.into_iter().for_each(|of| self.code(of, None));
    }

    /// Write something unguessable where other programs look for a code.
    pub fn close_foreign_code(&mut self, ports: &dyn Ports) {
        self.set(&["verification_code"], Some(json(&crate::code::unguessable(ports))));
    }

    /// Set any field.
    pub fn set(&mut self, path: &[&str], value: Option<String>) {
        self.edits.push(edit(path, value));
    }

    /// Put them into a commit; where nothing changes, the condition alone.
    ///
    /// # Errors
    /// Bad settings.
    pub fn put(self, ports: &dyn Ports, changes: &mut Changes) -> Result<(), Stop> {
        if self.edits.is_empty() {
            changes.expect(USERS, self.stored.map(|stored| stored.version.clone()));
            return Ok(());
        }
        self.renew(ports, changes)
    }

    /// Put them into a commit, and say anew when the record wants to be looked at even where
    /// nothing else changes.
    ///
    /// # Errors
    /// Bad settings.
    pub fn renew(self, ports: &dyn Ports, changes: &mut Changes) -> Result<(), Stop> {
        let due = due(ports, &self.after)?;
        changes.push_put(USERS, self.stored.map(|stored| stored.version.clone()), self.edits, due);
        Ok(())
    }

    /// Put them into a commit, with another key for the user.
    ///
    /// # Errors
    /// Bad settings.
    pub fn relocate(self, ports: &dyn Ports, changes: &mut Changes, to: &str) -> Result<(), Stop> {
        let due = due(ports, &self.after)?;
        let version = self.stored.map(|stored| stored.version.clone()).unwrap_or_default();
        changes.push_move(USERS, version, to, self.edits, due);
        Ok(())
    }
}

/// When a user record wants to be looked at: when a code ends, or when a user of our making has
/// had his time to verify.
///
/// # Errors
/// Bad settings.
pub fn due(ports: &dyn Ports, user: &User) -> Result<Option<u64>, Stop> {
    let codes = Use::ALL.into_iter().filter_map(|of| user.code(of)).map(|open| open.until);
    Ok(codes.chain(unverified_until(ports, user)?).min())
}

/// When a user who never verified is removed; `None` for everybody else.
///
/// # Errors
/// Bad settings.
pub fn unverified_until(ports: &dyn Ports, user: &User) -> Result<Option<u64>, Stop> {
    let life = settings::UNVERIFIED_TTL.read(ports).map_err(Failure::from)?;
    let made = user.ours.as_ref().and_then(|ours| ours.made);
    Ok(made.filter(|_| !user.verified && life > 0).map(|made| made.saturating_add(life)))
}

fn edit(path: &[&str], value: Option<String>) -> Edit {
    Edit { path: path.iter().map(|name| (*name).to_owned()).collect(), value }
}
