//! What somebody who is signed in does with his sessions.

use core::cell::Cell;

use super::{
    Found, Identity, Known, Listed, Lives, OpenSession, find, forget, found, identity, put, told,
};
use crate::call::commit;
use crate::changes::{Changes, UserChange};
use crate::notice::{self, Notice};
use crate::outcome::{Code, Failure, Stop};
use crate::ports::Ports;
use crate::record::Records;
use crate::reply::reply;
use crate::utils;

/// How exactly the last use of a session is known, in seconds: so often is it written.
const STEP: u64 = 300;

/// Who has this token. That the session is used is written down.
///
/// # Errors
/// What could not be decided.
pub fn who_am_i(ports: &dyn Ports, token: &str) -> Result<Known, Failure> {
    match recognise(ports, token) {
        Ok(identity) => Ok(Known::Identity(identity)),
        Err(stop) => reply(ports, Err(stop)).map(Known::Outcome),
    }
}

fn recognise(ports: &dyn Ports, token: &str) -> Result<Identity, Stop> {
    let mut found = find(ports, token)?;
    loop {
        let lives = Lives::configured(ports)?;
        let age = lives.now.saturating_sub(found.session.seen);
        if age >= STEP.min(lives.idle / 4) {
            let used = OpenSession { seen: lives.now, ..found.session.clone() };
            let list: Vec<_> = found.live.iter().map(|it| same_or(it, &used).clone()).collect();
            let mut changes = Changes::of(&found.key);
            put(ports, &found.records, &list, &mut changes)?;
            if commit(ports, &changes)?.is_none() {
                found = again(ports, found)?;
                continue;
            }
            found.session = used;
        }
        let user = found.records.user.as_ref().ok_or(Code::InvalidCredentials)?;
        return Ok(identity(&found.key, &user.record, &found.session));
    }
}

fn same_or<'a>(it: &'a OpenSession, used: &'a OpenSession) -> &'a OpenSession {
    if it.id == used.id { used } else { it }
}

/// Somebody else was faster: read the same session once more.
fn again(ports: &dyn Ports, former: Found) -> Result<Found, Stop> {
    let records = Records::load(ports, &former.key)?;
    found(ports, former.key, records, &former.session.digest)
}

/// End the session of this token: 200, also when there is none.
///
/// # Errors
/// A failure.
pub fn sign_out(ports: &dyn Ports, token: &str) -> Result<Code, Stop> {
    match amend(ports, token, &|it, own| it.id != own.id) {
        Err(Stop::Refused(_)) => Ok(Code::Success),
        decided => decided.map(|_| Code::Success),
    }
}

/// All sessions of whoever has this token, the one used last first.
///
/// # Errors
/// What could not be decided.
pub fn list_sessions(ports: &dyn Ports, token: &str) -> Result<Listed, Failure> {
    match find(ports, token) {
        Ok(Found { mut live, session, .. }) => {
            live.sort_by_key(|it| core::cmp::Reverse(it.seen));
            let told = live.iter().map(|it| told(it, it.id == session.id));
            Ok(Listed::Sessions(told.collect()))
        }
        Err(stop) => reply(ports, Err(stop)).map(Listed::Outcome),
    }
}

/// End one of one's own sessions: 200.
///
/// # Errors
/// 502.
pub fn end_session(ports: &dyn Ports, token: &str, id: &str) -> Result<Code, Stop> {
    amend(ports, token, &|it, _| it.id != id).map(|_| Code::Success)
}

/// End all of one's own sessions but this one: 200.
///
/// # Errors
/// 502.
pub fn end_other_sessions(ports: &dyn Ports, token: &str) -> Result<Code, Stop> {
    let owner = amend(ports, token, &|it, own| it.id == own.id)?;
    notice::done(ports, owner, Notice::SessionsEnded);
    Ok(Code::Success)
}

/// End all sessions of a user: 200.
///
/// # Errors
/// 404.
pub fn end_user_sessions(ports: &dyn Ports, email: &str) -> Result<Code, Stop> {
    let owner = Cell::new(None);
    let code = utils::decide(ports, email, &|records, changes| {
        let user = utils::user_of(records)?;
        let any = !super::live(ports, records)?.is_empty();
        owner.set(utils::owner(user, email).filter(|_| any));
        let mut change = UserChange::of(user);
        change.end_sessions(ports);
        change.put(ports, changes)?;
        super::remove(records, changes);
        Ok(Code::Success)
    })?;
    notice::done(ports, owner.take(), Notice::SessionsEnded);
    Ok(code)
}

/// Keep those of one's sessions that stay by `stays`. Returns who is told, if any was ended.
fn amend(
    ports: &dyn Ports,
    token: &str,
    stays: &dyn Fn(&OpenSession, &OpenSession) -> bool,
) -> Result<Option<String>, Stop> {
    let mut found = find(ports, token)?;
    loop {
        let (stay, go): (Vec<_>, Vec<_>) =
            found.live.iter().cloned().partition(|it| stays(it, &found.session));
        let mut changes = Changes::of(&found.key);
        put(ports, &found.records, &stay, &mut changes)?;
        // Whose the tokens were is forgotten with them, where that is read cheaply; otherwise it is
        // swept when they would have ended.
        if let [one] = go.as_slice() {
            forget(ports, one, &mut changes)?;
        }
        if commit(ports, &changes)?.is_some() {
            let user = found.records.user.as_ref().filter(|_| !go.is_empty());
            return Ok(user.and_then(|user| notice::owner(&user.record, &found.key)));
        }
        found = again(ports, found)?;
    }
}
