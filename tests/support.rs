//! A tenant on the real component whose clock, mail and store are in the test's hands.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use portcullis::Caller;
use portcullis::component::{Limits, Runtime};
use portcullis::error::CallError;
use portcullis::functions;
use portcullis::mail::{Delivery, Error as MailError, Mailer, Message};
use portcullis::settings::Value as Setting;
use portcullis::store::memory::MemoryStore;
use portcullis::store::{
    COLLECTIONS, Change, Database, Entry, Error as StoreError, Partial, Store, Verdict,
};
use portcullis::tenant::Tenant;
use serde_json::{Value as Json, json};

/// One runtime for all tests of this binary, as a program would have it.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    // Room for as many tests as run at once: here nobody is to be refused for lack of it.
    Runtime::new(Limits { time: Duration::from_secs(60), ..Limits::default() }).unwrap()
});

pub const ANN: &str = "ann@example.com";
pub const PASSWORD: &str = "correct horse";

/// The table of outcomes, as the documentation has it.
const TABLE: [(u16, &str); 27] = [
    (200, "Success"),
    (201, "Verification email sent."),
    (202, "Authentication successful."),
    (203, "Password reset successful."),
    (204, "User deleted."),
    (205, "Custom user data field updated."),
    (206, "Custom user data changed."),
    (207, "User unblocked."),
    (300, "User verified."),
    (301, "User is not blocked."),
    (302, "User is not verified."),
    (400, "Error"),
    (401, "User exceeded rate limits."),
    (402, "User already exists."),
    (403, "User is blocked."),
    (404, "User not found."),
    (410, "Failed to delete user."),
    (412, "Field not found."),
    (417, "Invalid code."),
    (419, "Failed to delete user."),
    (420, "User deleted but not from blocked database."),
    (421, "Failed to delete user from all databases."),
    (423, "User is not found in blocked database."),
    (500, "Invalid old password."),
    (501, "Invalid password."),
    (502, "Invalid credentials."),
    (503, "Invalid email format."),
];

/// What the mailer does with the next message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Post {
    Accept,
    Queue,
    Reject,
}

/// What the store does with the next commit that removes a user.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Deletion {
    Works,
    Fails,
    /// The user goes, and then the store fails.
    StopsHalfWay,
}

/// The outside of a tenant.
pub struct Outside {
    /// Milliseconds since 1970.
    clock: AtomicU64,
    mails: Mutex<Vec<Message>>,
    post: Mutex<Post>,
    pub store: MemoryStore,
    deletion: Mutex<Deletion>,
    down: Mutex<bool>,
}

pub struct World {
    pub tenant: Tenant,
    pub outside: Arc<Outside>,
    readable: bool,
}

/// Run a test with texts in the replies and with numbers: each reply is compared with the table.
pub fn both_ways(settings: &[(&str, Setting)], body: impl AsyncFn(&World)) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for readable in [true, false] {
        runtime.block_on(async { body(&World::new(settings, readable).await).await });
    }
}

impl World {
    pub async fn new(settings: &[(&str, Setting)], readable: bool) -> Self {
        let outside = Arc::new(Outside {
            clock: AtomicU64::new(1_800_000_000_000),
            mails: Mutex::default(),
            post: Mutex::new(Post::Accept),
            store: MemoryStore::default(),
            deletion: Mutex::new(Deletion::Works),
            down: Mutex::new(false),
        });
        let tenant = Self::tenant(&outside, settings, readable).await;
        Self { tenant, outside, readable }
    }

    async fn tenant(
        outside: &Arc<Outside>,
        settings: &[(&str, Setting)],
        readable: bool,
    ) -> Tenant {
        let clock = outside.clone();
        let mut builder = Tenant::builder(&RUNTIME)
            .secret_key([7; 32])
            .shared_store(outside.clone())
            .shared_database(Arc::new(Databases(outside.clone())))
            .shared_mailer(outside.clone())
            .clock(move || {
                SystemTime::UNIX_EPOCH + Duration::from_millis(clock.clock.load(Ordering::SeqCst))
            })
            .set("readable_errors", readable)
            // The mails of most tests are codes; `contract/notices.rs` is about the others.
            .set("notices", false);
        for (key, value) in settings {
            builder = builder.set(key, value.clone());
        }
        builder.build().await.unwrap()
    }

    /// The same records under other settings.
    pub async fn under(&self, settings: &[(&str, Setting)]) -> Self {
        let tenant = Self::tenant(&self.outside, settings, self.readable).await;
        Self { tenant, outside: self.outside.clone(), readable: self.readable }
    }

    /// The same records, for calls of this caller.
    pub fn called_by(&self, caller: Caller) -> Self {
        let tenant = self.tenant.called_by(caller);
        Self { tenant, outside: self.outside.clone(), readable: self.readable }
    }

    /// The reply of a function in its JSON form.
    pub async fn call(&self, function: &str, arguments: Json) -> Json {
        match self.try_call(function, &arguments.to_string()).await {
            Ok(reply) => reply,
            Err(error) => panic!("{function}{arguments}: {error}"),
        }
    }

    pub async fn try_call(&self, function: &str, arguments: &str) -> Result<Json, CallError> {
        let reply = functions::find(function)?.prepare(arguments)?.run(&self.tenant).await?;
        Ok(serde_json::from_str(&reply.envelope()).unwrap())
    }

    /// Call a function and see that the outcome is this row of the table.
    #[track_caller]
    pub fn says(&self, function: &str, arguments: Json, code: u16) -> impl Future<Output = Json> {
        let place = std::panic::Location::caller();
        async move {
            let success = match function {
                "block_user" => code == 403,
                "is_blocked" => code == 403 || code == 404,
                _ => (200..=300).contains(&code),
            };
            let reply = self.call(function, arguments.clone()).await;
            let message = self.message(code);
            assert_eq!(reply["message"], message, "{place}: {function}{arguments}: {reply}");
            assert_eq!(reply["success"], success, "{place}: {function}{arguments}: {reply}");
            reply
        }
    }

    /// How the table's row reads.
    pub fn message(&self, code: u16) -> Json {
        let text = TABLE.iter().find(|(known, _)| *known == code).unwrap().1;
        if self.readable { json!(text) } else { json!(code) }
    }

    pub async fn registered(&self) {
        self.says("register_user", json!({"email": ANN, "password": PASSWORD}), 201).await;
    }

    pub async fn verified(&self) {
        self.says("register_user_no_verif", json!({"email": ANN, "password": PASSWORD}), 200).await;
    }

    /// Has a mailbox code mailed.
    pub async fn fresh_code(&self) -> String {
        self.says("generate_code", json!({"email": ANN, "ignore_rate_limit": true}), 201).await;
        self.mailed_code()
    }

    /// Whether the password signs in.
    pub async fn signs_in(&self, email: &str, password: &str) -> bool {
        let arguments = json!({"email": email, "password": password, "ignore_rate_limit": true});
        self.call("authenticate_user", arguments).await["success"] == true
    }

    /// The digits in the last mail.
    pub fn mailed_code(&self) -> String {
        digits(&self.outside.mails.lock().unwrap().last().unwrap().text)
    }

    pub fn mails(&self) -> Vec<Message> {
        self.outside.mails.lock().unwrap().clone()
    }

    pub fn pass(&self, seconds: u64) {
        self.outside.clock.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    pub fn post(&self, post: Post) {
        *self.outside.post.lock().unwrap() = post;
    }

    pub fn deletion(&self, deletion: Deletion) {
        *self.outside.deletion.lock().unwrap() = deletion;
    }

    pub fn down(&self, down: bool) {
        *self.outside.down.lock().unwrap() = down;
    }

    /// A record as it stands in the store.
    pub async fn record(&self, collection: &str, key: &str) -> Option<Json> {
        let entries = self.outside.store.load(&COLLECTIONS, key).await.unwrap();
        let found = entries.into_iter().find(|entry| entry.collection == collection);
        found.map(|entry| serde_json::from_str(&entry.document).unwrap())
    }

    /// Everything that stands in the store about an address, with the versions.
    pub async fn snapshot(&self, key: &str) -> Vec<(String, String, String)> {
        let entries = self.outside.store.load(&COLLECTIONS, key).await.unwrap();
        let mut all: Vec<_> =
            entries.into_iter().map(|e| (e.collection, e.version, e.document)).collect();
        all.sort();
        all
    }
}

pub fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// A code of the same length that is not this one.
pub fn another(code: &str) -> String {
    let first = if code.starts_with('1') { '2' } else { '1' };
    format!("{first}{}", &code[1..])
}

#[async_trait]
impl Mailer for Outside {
    async fn send(&self, message: &Message) -> Result<Delivery, MailError> {
        let post = *self.post.lock().unwrap();
        match post {
            Post::Reject => return Err(MailError::Rejected("no such mailbox".to_owned())),
            Post::Accept | Post::Queue => self.mails.lock().unwrap().push(message.clone()),
        }
        Ok(if post == Post::Queue { Delivery::Queued } else { Delivery::Accepted })
    }
}

impl Outside {
    fn up(&self) -> Result<(), StoreError> {
        match *self.down.lock().unwrap() {
            true => Err(StoreError::Unavailable("the database is down".to_owned())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Outside {
    async fn load(&self, collections: &[&str], key: &str) -> Result<Vec<Entry>, StoreError> {
        self.up()?;
        self.store.load(collections, key).await
    }
    async fn commit(&self, changes: &[Change]) -> Result<Verdict, StoreError> {
        self.up()?;
        let deletion = *self.deletion.lock().unwrap();
        let user =
            |change: &Change| matches!(change, Change::Remove(it) if it.collection == "users");
        match (deletion, changes.iter().position(user)) {
            (Deletion::Works, _) | (_, None) => self.store.commit(changes).await,
            (Deletion::Fails, _) => {
                Err(StoreError::Unavailable("the database went away".to_owned()))
            }
            (Deletion::StopsHalfWay, Some(at)) => {
                self.store.commit(&changes[..=at]).await?;
                let applied = u32::try_from(at + 1).unwrap();
                Err(StoreError::Partial(Partial {
                    applied,
                    reason: "the database went away".to_owned(),
                }))
            }
        }
    }
    async fn overdue(
        &self,
        collections: &[&str],
        before: u64,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        self.up()?;
        self.store.overdue(collections, before, limit).await
    }
}

/// The administration of the same store.
struct Databases(Arc<Outside>);

#[async_trait]
impl Database for Databases {
    async fn create(&self, collection: &str) -> Result<(), StoreError> {
        self.0.up()?;
        self.0.store.create(collection).await
    }
    async fn remove(&self, collection: &str) -> Result<(), StoreError> {
        self.0.up()?;
        self.0.store.remove(collection).await
    }
    async fn remove_all(&self) -> Result<(), StoreError> {
        self.0.up()?;
        self.0.store.remove_all().await
    }
    async fn count(&self, collection: &str) -> Result<u64, StoreError> {
        self.0.up()?;
        self.0.store.count(collection).await
    }
    async fn scan(
        &self,
        collection: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<portcullis::store::Record>, StoreError> {
        self.0.up()?;
        self.0.store.scan(collection, after, limit).await
    }
    async fn insert(&self, puts: &[&portcullis::store::Put]) -> Result<Vec<bool>, StoreError> {
        self.0.up()?;
        self.0.store.insert(puts).await
    }
    async fn smallest(&self, collection: &str, field: &str) -> Result<Option<i64>, StoreError> {
        self.0.up()?;
        self.0.store.smallest(collection, field).await
    }
    async fn size(&self) -> Result<portcullis::store::Sizes, StoreError> {
        self.0.up()?;
        self.0.store.size().await
    }
    async fn raw_stats(&self) -> Result<String, StoreError> {
        self.0.up()?;
        self.0.store.raw_stats().await
    }
}
