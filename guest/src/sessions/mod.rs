//! Being signed in.
//!
//! A session is known by its token, 32 random bytes, of which only the SHA-256 digest is stored:
//! under the address, in the list of its sessions, and under the digest itself, where it says whose
//! it is. A session is live while its user is in the *state* in which it was opened: a digest over
//! his password hash and a random text, the epoch, that is replaced by whatever ends all sessions.
//! So one write ends them everywhere, those that are being opened at that moment included, and so
//! does a password that another program has changed.
//!
//! - this file: what a session is, and how one is found, opened and swept;
//! - `sign_in`: opening them; `own`: what their owner does with them;
//! - `new_mail`: giving the account another address.

mod new_mail;
mod own;
mod sign_in;

pub use new_mail::{confirm_email_change, request_email_change};
pub use own::{
    end_other_sessions, end_session, end_user_sessions, list_sessions, sign_out, who_am_i,
};
pub use sign_in::{sign_in, sign_in_with_code};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

pub use crate::bindings::exports::portcullis::auth::sessions::{
    Identity, Known, Listed, Opened, Session, SignedIn,
};
use crate::call::Call;
use crate::changes::Changes;
use crate::code::{CLOCK_TOLERANCE, keyed};
use crate::outcome::{Code, Failure, Stop};
use crate::ports::{Ports, SecretKey};
use crate::proof::{device_for, sha256_hex};
use crate::record::{OpenSession, Records, SESSIONS, Stored, User, json};
use crate::settings;

/// Sessions of one user; the one that was used least recently gives way to a new one.
const MOST: usize = 32;
/// Bytes of a token before it is written in base64.
const TOKEN: usize = 32;
/// Characters of a token.
const TOKEN_LENGTH: usize = 43;
/// Characters of what a host calls its client.
const CLIENT: usize = 200;

/// How long sessions live.
struct Lives {
    now: u64,
    idle: u64,
    life: u64,
}

impl Lives {
    fn configured(ports: &dyn Ports) -> Result<Self, Stop> {
        Ok(Self {
            now: ports.now().as_secs(),
            idle: settings::SESSION_IDLE.read(ports).map_err(Failure::from)?,
            life: settings::SESSION_LIFE.read(ports).map_err(Failure::from)?,
        })
    }

    /// When a session ends if nobody uses it any more. The life may have been made shorter since.
    fn end(&self, session: &OpenSession) -> u64 {
        let life = session.until.min(session.made.saturating_add(self.life));
        life.min(session.seen.saturating_add(self.idle))
    }

    /// Whether it has not ended. One that claims to have been made or used far ahead of now was
    /// written by a clock that is wrong: it has.
    fn has(&self, session: &OpenSession) -> bool {
        let ahead = session.made.max(session.seen) > self.now + CLOCK_TOLERANCE;
        !ahead && self.now < self.end(session)
    }
}

/// A session that was found by its token.
struct Found {
    /// The key of its user.
    key: String,
    /// What is recorded about him.
    records: Records,
    /// His sessions that are live.
    live: Vec<OpenSession>,
    /// This one.
    session: OpenSession,
}

/// The user's state, to which his sessions are bound.
fn state(user: &User) -> Result<String, Stop> {
    let epoch = user.ours.as_ref().and_then(|ours| ours.epoch.as_deref()).unwrap_or_default();
    // Not a secret: the digest only has to differ when one of these does.
    let key = SecretKey { id: String::new(), secret: b"state of a user".to_vec() };
    keyed(&key, &[epoch, user.password.as_deref().unwrap_or_default()])
}

/// The live sessions among what was read about an address.
fn live(ports: &dyn Ports, records: &Records) -> Result<Vec<OpenSession>, Stop> {
    let (Some(user), Some(sessions)) = (&records.user, &records.sessions) else {
        return Ok(Vec::new());
    };
    let (state, lives) = (state(&user.record)?, Lives::configured(ports)?);
    let list = sessions.record.list.iter();
    Ok(list.filter(|it| it.state == state && lives.has(it)).cloned().collect())
}

/// The session of this token.
///
/// # Errors
/// 502: it opens nothing.
fn find(ports: &dyn Ports, token: &str) -> Result<Found, Stop> {
    if token.len() != TOKEN_LENGTH {
        return Err(Code::InvalidCredentials.into());
    }
    let digest = sha256_hex(token.as_bytes());
    let pointer = Records::load(ports, &digest)?.sessions.and_then(|stored| stored.record.of);
    let key = pointer.ok_or(Code::InvalidCredentials)?;
    let records = Records::load(ports, &key)?;
    let found = found(ports, key, records, &digest)?;
    ports.recognised(&found.key);
    Ok(found)
}

/// The session with this digest among what was read about an address.
///
/// # Errors
/// 502.
fn found(ports: &dyn Ports, key: String, records: Records, digest: &str) -> Result<Found, Stop> {
    let blocking = settings::BLOCKING.read(ports).map_err(Failure::from)?;
    if blocking && records.is_blocked() {
        return Err(Code::InvalidCredentials.into());
    }
    let live = live(ports, &records)?;
    let is_it = |it: &&OpenSession| it.digest.as_bytes().ct_eq(digest.as_bytes()).into();
    let session = live.iter().find(is_it).cloned().ok_or(Code::InvalidCredentials)?;
    Ok(Found { key, records, live, session })
}

/// Write the sessions of an address.
fn put(
    ports: &dyn Ports,
    records: &Records,
    list: &[OpenSession],
    changes: &mut Changes,
) -> Result<(), Stop> {
    let version = records.sessions.as_ref().map(|stored| stored.version.clone());
    match (version, list) {
        (None, []) => {}
        (Some(version), []) => changes.remove(SESSIONS, version),
        (version, list) => {
            let lives = Lives::configured(ports)?;
            let due = list.iter().map(|session| lives.end(session)).min();
            changes.put(SESSIONS, version, &[(&["list"], Some(json(&list)))], due);
        }
    }
    Ok(())
}

/// Forget whose the token of a session was.
fn forget(ports: &dyn Ports, session: &OpenSession, changes: &mut Changes) -> Result<(), Stop> {
    if let Some(pointer) = Records::load(ports, &session.digest)?.sessions {
        let mut at_digest = Changes::of(&session.digest);
        at_digest.remove(SESSIONS, pointer.version);
        changes.append(at_digest);
    }
    Ok(())
}

/// Forget the sessions of an address. That they end is for [`UserChange::end_sessions`] to see to;
/// this only tidies up.
///
/// [`UserChange::end_sessions`]: crate::changes::UserChange::end_sessions
pub(crate) fn remove(records: &Records, changes: &mut Changes) {
    if let Some(Stored { version, .. }) = &records.sessions {
        changes.remove(SESSIONS, version.clone());
    }
}

/// Let the sessions of a user outlive a change of him that is to end none: his password hash was
/// made anew.
///
/// # Errors
/// Bad settings.
pub(crate) fn carry_over(
    ports: &dyn Ports,
    records: &Records,
    after: &User,
    changes: &mut Changes,
) -> Result<(), Stop> {
    if records.sessions.is_none() {
        return Ok(());
    }
    let list = bound_to(live(ports, records)?, &state(after)?);
    put(ports, records, &list, changes)
}

fn bound_to(list: Vec<OpenSession>, state: &str) -> Vec<OpenSession> {
    list.into_iter().map(|it| OpenSession { state: state.to_owned(), ..it }).collect()
}

/// Remove what has run out of a record of sessions, under an address or a digest.
///
/// # Errors
/// Bad settings.
pub(crate) fn sweep(
    ports: &dyn Ports,
    records: &Records,
    changes: &mut Changes,
) -> Result<(), Stop> {
    let Some(Stored { version, record }) = &records.sessions else { return Ok(()) };
    let lives = Lives::configured(ports)?;
    if record.of.is_none() {
        let list: Vec<_> = record.list.iter().filter(|it| lives.has(it)).cloned().collect();
        return put(ports, records, &list, changes);
    }
    if record.until <= lives.now {
        changes.remove(SESSIONS, version.clone());
    } else {
        changes.put(SESSIONS, Some(version.clone()), &[], Some(record.until));
    }
    Ok(())
}

/// A session that is to be opened in the commit of a sign-in.
pub(crate) struct Opening<'a> {
    client: Option<&'a str>,
    opened: Option<Opened>,
}

impl<'a> Opening<'a> {
    pub(crate) fn new(client: Option<&'a str>) -> Self {
        Self { client, opened: None }
    }

    /// Put the session into a commit that also holds a condition on the user. Done anew where the
    /// decision is.
    ///
    /// # Errors
    /// Bad settings.
    pub(crate) fn open(
        &mut self,
        call: &Call<'_>,
        records: &Records,
        user: &User,
        second_factor: bool,
        changes: &mut Changes,
    ) -> Result<(), Stop> {
        let (ports, key) = (call.ports, &call.address.key);
        let lives = Lives::configured(ports)?;
        let token = Zeroizing::new(ports.random(TOKEN));
        let token = Zeroizing::new(URL_SAFE_NO_PAD.encode(&token));
        let state = state(user)?;
        let session = OpenSession {
            id: URL_SAFE_NO_PAD.encode(ports.random(12)),
            digest: sha256_hex(token.as_bytes()),
            made: lives.now,
            seen: lives.now,
            until: lives.now + lives.life,
            second_factor,
            client: self.client.map(label),
            state: state.clone(),
        };
        let mut list = bound_to(live(ports, records)?, &state);
        while list.len() >= MOST
            && let Some(oldest) = (0..list.len()).min_by_key(|at| list.get(*at).map(|it| it.seen))
        {
            forget(ports, &list.remove(oldest), changes)?;
        }
        list.push(session.clone());
        put(ports, records, &list, changes)?;
        let mut pointer = Changes::of(&session.digest);
        let fields = [(&["of"][..], Some(json(key))), (&["until"][..], Some(json(&session.until)))];
        pointer.put(SESSIONS, None, &fields, Some(session.until));
        changes.append(pointer);
        self.opened = Some(Opened {
            device: device_for(ports, key)?,
            identity: identity(key, user, &session),
            token: token.to_string(),
        });
        Ok(())
    }
}

/// Without control characters, and not too long.
fn label(client: &str) -> String {
    client.chars().filter(|c| !c.is_control()).take(CLIENT).collect()
}

fn identity(key: &str, user: &User, session: &OpenSession) -> Identity {
    Identity {
        email: user.mail_address(key).to_owned(),
        proven: user.is_proven(),
        session: told(session, true),
    }
}

/// A session as its owner may know it.
fn told(session: &OpenSession, current: bool) -> Session {
    Session {
        id: session.id.clone(),
        made: session.made,
        seen: session.seen,
        until: session.until,
        second_factor: session.second_factor,
        client: session.client.clone(),
        current,
    }
}
