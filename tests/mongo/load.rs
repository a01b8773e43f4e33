//! Calls without pause on users of a store that may fail, and what is known of each user meanwhile.
//!
//! A call that failed may have been made or not; so what is known of a user is a list of the states
//! that he may be in. Each answer must be the right one for one of them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use portcullis::error::CallError;
use portcullis::functions;
use portcullis::mail::{Delivery, Error as MailError, Mailer, Message};
use portcullis::tenant::Tenant;
use serde_json::{Value as Json, json};

use crate::support::digits;

/// What is asked about one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Register,
    SendCode,
    Verify,
    Replace,
    Read,
    IsVerified,
    Block,
    Unblock,
    Delete,
}

/// How often each is asked.
const MIX: [Kind; 16] = [
    Kind::Register,
    Kind::Register,
    Kind::SendCode,
    Kind::SendCode,
    Kind::Verify,
    Kind::Verify,
    Kind::Verify,
    Kind::Replace,
    Kind::Replace,
    Kind::Replace,
    Kind::Read,
    Kind::Read,
    Kind::IsVerified,
    Kind::Block,
    Kind::Unblock,
    Kind::Delete,
];

/// A call, with what it is to leave behind.
#[derive(Clone, Debug)]
struct Op {
    kind: Kind,
    number: u64,
    code: String,
}

/// A user as he may be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct User {
    data: u64,
    verified: bool,
    blocked: bool,
    /// The open code; empty when there is none, or none that anybody knows.
    code: String,
}

type State = Option<User>;

const SENT: &str = "Verification email sent.";
const BLOCKED: &str = "User is blocked.";
const INVALID: &str = "Invalid code.";
const NOBODY: &str = "User not found.";
const VERIFIED: &str = "User verified.";
const CHANGED: &str = "Custom user data changed.";
const UNBLOCKED: &str = "User unblocked.";
const DELETED: &str = "User deleted.";

impl Op {
    /// The right answer for a user in this state, and the state that he is in afterwards.
    fn on(&self, state: &State) -> (Json, State) {
        let text = |text: &str, state: &State| (json!(text), state.clone());
        let Some(user) = state else {
            return match self.kind {
                Kind::Register => {
                    let code = self.code.clone();
                    let user = User { data: self.number, verified: false, blocked: false, code };
                    text(SENT, &Some(user))
                }
                _ => text(NOBODY, state),
            };
        };
        let with = |change: &dyn Fn(&mut User)| {
            let mut user = user.clone();
            change(&mut user);
            Some(user)
        };
        let fits = !user.code.is_empty() && user.code == self.code;
        match self.kind {
            Kind::Read => (json!(user.data), state.clone()),
            Kind::IsVerified if user.verified => text(VERIFIED, state),
            Kind::IsVerified => text("User is not verified.", state),
            Kind::Replace => text(CHANGED, &with(&|user| user.data = self.number)),
            Kind::Block => text(BLOCKED, &with(&|user| user.blocked = true)),
            Kind::Unblock => text(UNBLOCKED, &with(&|user| user.blocked = false)),
            _ if user.blocked => text(BLOCKED, state),
            Kind::Register => text("User already exists.", state),
            Kind::SendCode => text(SENT, &with(&|user| user.code = self.code.clone())),
            Kind::Verify | Kind::Delete if !fits => text(INVALID, state),
            Kind::Verify => text(
                VERIFIED,
                &with(&|user| {
                    user.verified = true;
                    user.code = String::new();
                }),
            ),
            Kind::Delete => text(DELETED, &None),
        }
    }

    fn call(&self, email: &str) -> (&'static str, Json) {
        match self.kind {
            Kind::Register => {
                ("register_user_no_pass", json!({"email": email, "custom_data": self.number}))
            }
            Kind::SendCode => ("generate_code", json!({"email": email})),
            Kind::Verify => ("verify_user", json!({"email": email, "code": self.code})),
            Kind::Replace => {
                ("replace_usr_data", json!({"email": email, "custom_data": self.number}))
            }
            Kind::Read => ("get_cust_usr_data", json!({"email": email})),
            Kind::IsVerified => ("is_verified", json!({"email": email})),
            Kind::Block => ("block_user", json!({"email": email})),
            Kind::Unblock => ("unblock_user", json!({"email": email})),
            Kind::Delete => (
                "delete_user_with_verif",
                json!({"email": email, "password": "", "code": self.code}),
            ),
        }
    }

    /// Whether this answer says that a change was made. Others settle nothing: what failed before may
    /// still come into force.
    fn has_changed(&self, reply: &Json) -> bool {
        let text = match self.kind {
            Kind::Read | Kind::IsVerified => return false,
            Kind::Register | Kind::SendCode => SENT,
            Kind::Verify => VERIFIED,
            Kind::Replace => CHANGED,
            Kind::Block => BLOCKED,
            Kind::Unblock => UNBLOCKED,
            Kind::Delete => DELETED,
        };
        reply == text
    }
}

/// Keeps the last code of each address.
#[derive(Default)]
pub struct Post(Mutex<BTreeMap<String, String>>);

#[async_trait]
impl Mailer for Post {
    async fn send(&self, message: &Message) -> Result<Delivery, MailError> {
        self.0.lock().unwrap().insert(message.to.clone(), digits(&message.text));
        Ok(Delivery::Accepted)
    }
}

impl Post {
    pub fn code(&self, email: &str) -> String {
        self.0.lock().unwrap().get(email).cloned().unwrap_or_default()
    }
}

/// What all callers share.
pub struct Load {
    /// Two hosts of one store.
    pub hosts: [Tenant; 2],
    pub post: std::sync::Arc<Post>,
    pub over: AtomicBool,
    pub answered: AtomicUsize,
    pub failed: AtomicUsize,
    /// Codes that were told to be right, for which use of them.
    used: Mutex<Vec<(String, String)>>,
}

impl Load {
    pub fn new(hosts: [Tenant; 2], post: std::sync::Arc<Post>) -> Self {
        Self {
            hosts,
            post,
            over: AtomicBool::new(false),
            answered: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            used: Mutex::default(),
        }
    }

    /// The answer, or `None` when the store failed.
    async fn ask(&self, host: usize, email: &str, op: &Op) -> Option<Json> {
        let (function, arguments) = op.call(email);
        let call = functions::find(function).unwrap().prepare(&arguments.to_string()).unwrap();
        match call.run(&self.hosts[host]).await {
            Ok(reply) => {
                self.answered.fetch_add(1, Ordering::SeqCst);
                let reply: Json = serde_json::from_str(&reply.envelope()).unwrap();
                if reply["success"] == true && matches!(op.kind, Kind::Verify | Kind::Delete) {
                    self.used.lock().unwrap().push((email.to_owned(), op.code.clone()));
                }
                Some(reply["message"].clone())
            }
            Err(CallError::Store(_)) => {
                self.failed.fetch_add(1, Ordering::SeqCst);
                None
            }
            Err(error) => panic!("{function} {email}: no failure of the store: {error}"),
        }
    }

    /// Every code was used once at most.
    pub fn check_codes(&self) {
        let mut used = self.used.lock().unwrap().clone();
        let all = used.len();
        used.sort();
        used.dedup();
        assert_eq!(used.len(), all, "a code was used twice");
        assert!(all > 0, "no code was used at all");
    }
}

/// One caller, with users of his own.
pub struct Caller<'a> {
    load: &'a Load,
    users: Vec<(String, Vec<State>)>,
    /// For choices; the same ones each time.
    random: u64,
    number: u64,
}

impl<'a> Caller<'a> {
    pub fn new(load: &'a Load, name: usize, users: usize) -> Self {
        let user = |number| (format!("u{name}-{number}@example.com"), vec![None]);
        let users = (0..users).map(user).collect();
        Self { load, users, random: name as u64 + 1, number: 0 }
    }

    fn choose(&mut self, among: usize) -> usize {
        // Knuth's MMIX generator; its high bits are good enough to choose by.
        self.random =
            self.random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.random >> 33) as usize % among
    }

    /// Call, at most once in this time, until the load is over.
    pub async fn run(&mut self, pace: Duration) {
        let mut beat = tokio::time::interval(pace);
        while !self.load.over.load(Ordering::SeqCst) {
            beat.tick().await;
            let user = self.choose(self.users.len());
            let kind = MIX[self.choose(MIX.len())];
            let host = self.choose(2);
            self.once(user, kind, host).await;
        }
    }

    async fn once(&mut self, user: usize, kind: Kind, host: usize) {
        let email = self.users[user].0.clone();
        self.number += 1;
        let op = Op { kind, number: self.number, code: self.load.post.code(&email) };
        // A code is tried by both hosts at once.
        let twice = kind == Kind::Verify && self.choose(2) == 0;
        let replies = if twice {
            let (one, two) =
                tokio::join!(self.load.ask(0, &email, &op), self.load.ask(1, &email, &op));
            vec![one, two]
        } else {
            vec![self.load.ask(host, &email, &op).await]
        };
        let mut done = op.clone();
        if matches!(kind, Kind::Register | Kind::SendCode) {
            let known = replies.iter().all(|reply| reply.as_ref() == Some(&json!(SENT)));
            // The code of a call that failed was never mailed.
            done.code = if known { self.load.post.code(&email) } else { String::new() };
        }
        let states = &mut self.users[user].1;
        // Two calls at once were made in one order or the other.
        let in_order = replies.iter().fold(states.clone(), |it, reply| after(&it, &done, reply));
        let reversed =
            replies.iter().rev().fold(states.clone(), |it, reply| after(&it, &done, reply));
        let mut possible = [in_order, reversed].concat();
        possible.sort_by_key(|state| format!("{state:?}"));
        possible.dedup();
        assert!(
            !possible.is_empty(),
            "{email}: {op:?} was answered {replies:?}, and he can only have been {states:?}"
        );
        *states = possible;
    }

    /// Read every user once more.
    pub async fn check(&mut self) -> usize {
        for user in 0..self.users.len() {
            for kind in [Kind::Read, Kind::IsVerified] {
                self.once(user, kind, 0).await;
            }
        }
        self.users.iter().filter(|(_, states)| states.iter().all(Option::is_some)).count()
    }
}

/// The states that are possible after this answer; none when it is wrong for each.
fn after(states: &[State], op: &Op, reply: &Option<Json>) -> Vec<State> {
    let next = states.iter().map(|state| op.on(state));
    match reply {
        None => states.iter().cloned().chain(next.map(|(_, next)| next)).collect(),
        Some(reply) => {
            let right: Vec<State> =
                next.filter(|(right, _)| right == reply).map(|(_, next)| next).collect();
            if right.is_empty() || op.has_changed(reply) { right } else { states.to_vec() }
        }
    }
}
