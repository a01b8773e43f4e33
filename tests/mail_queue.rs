//! Mail that waits: a tenant and its store with a mail server that does not take everything.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use portcullis::component::{Limits, Runtime};
use portcullis::functions;
use portcullis::mail::queue::{Budget, Passed};
use portcullis::mail::transport::{Failure, Outgoing, Transport};
use portcullis::store::memory::MemoryStore;
use portcullis::store::{Change, Entry, Error, MAIL, Store, Verdict};
use portcullis::tenant::{Tenant, TenantBuilder};
use serde_json::{Value as Json, json};

use crate::support::{ANN, PASSWORD, RUNTIME};

mod many;
mod processes;

const START: u64 = 1_800_000_000;

/// A way out that is shut or open.
#[derive(Default)]
struct Door {
    open: AtomicBool,
    /// Says no for good.
    final_no: AtomicBool,
    out: Mutex<Vec<Outgoing>>,
}

#[async_trait]
impl Transport for Door {
    async fn deliver(&self, mail: &Outgoing) -> Result<(), Failure> {
        if self.final_no.load(Ordering::SeqCst) {
            return Err(Failure::Permanent("550 no such mailbox".into()));
        }
        if !self.open.load(Ordering::SeqCst) {
            return Err(Failure::Temporary("421 come back later".into()));
        }
        self.out.lock().unwrap().push(mail.clone());
        Ok(())
    }

    async fn check(&self) -> Result<(), Failure> {
        Ok(())
    }
}

/// A tenant, and what is around it.
struct Place {
    door: Arc<Door>,
    store: Arc<MemoryStore>,
    clock: Arc<AtomicU64>,
    tenant: Tenant,
}

impl Place {
    async fn new() -> Self {
        let (door, store) = (Arc::<Door>::default(), Arc::<MemoryStore>::default());
        let clock = Arc::new(AtomicU64::new(START));
        let builder = tenant(&clock)
            .shared_store(store.clone())
            .shared_database(store.clone())
            .shared_transport("codes@example.com", door.clone());
        let tenant = builder.build().await.unwrap();
        Self { door, store, clock, tenant }
    }

    /// With Ann registered and her code waiting.
    async fn waiting() -> Self {
        let place = Self::new().await;
        let ann = json!({"email": ANN, "password": PASSWORD});
        assert_eq!(place.call("register_user", ann).await["success"], true);
        assert_eq!(place.length().await, 1);
        place
    }

    fn open(&self) {
        self.door.open.store(true, Ordering::SeqCst);
    }

    fn out(&self) -> usize {
        self.door.out.lock().unwrap().len()
    }

    fn pass_time(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    async fn call(&self, function: &str, arguments: Json) -> Json {
        call(&self.tenant, function, arguments).await
    }

    async fn length(&self) -> u64 {
        self.tenant.mail_queue().await.unwrap().unwrap().length
    }

    async fn deliver(&self) -> Passed {
        self.tenant.deliver_mail(&Budget::default()).await.unwrap()
    }
}

fn tenant(clock: &Arc<AtomicU64>) -> TenantBuilder {
    let clock = clock.clone();
    Tenant::builder(&RUNTIME)
        .secret_key([7; 32])
        .clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst)))
}

async fn call(tenant: &Tenant, function: &str, arguments: Json) -> Json {
    let call = functions::find(function).unwrap().prepare(&arguments.to_string()).unwrap();
    let reply = call.run(tenant).await.unwrap();
    serde_json::from_str(&reply.envelope()).unwrap()
}

/// What a call is made in: as many threads as a program has.
fn run(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test);
}

#[test]
fn a_mail_that_waits_is_delivered_and_its_code_verifies() {
    run(async {
        let place = Place::waiting().await;
        place.open();
        place.pass_time(5);
        let passed = place.deliver().await;
        assert_eq!((passed.delivered, place.length().await), (1, 0));
        let mail = place.door.out.lock().unwrap().remove(0);
        let text = String::from_utf8(mail.content.to_vec()).unwrap();
        let (_, code) = text.split_once("code is: ").unwrap();
        let code: String = code.chars().take_while(char::is_ascii_digit).collect();
        let reply = place.call("verify_user", json!({"email": ANN, "code": code})).await;
        assert_eq!(reply, json!({"success": true, "message": "User verified."}));
    });
}

#[test]
fn whatever_ends_a_code_ends_the_mail_that_holds_it() {
    let (password, other) = (PASSWORD, "another good one");
    let ends = [
        ("delete_user", json!({"email": ANN, "password": password})),
        (
            "reset_password_no_verif",
            json!({"email": ANN, "old_password": password, "new_password": other}),
        ),
        (
            "change_email_no_verif",
            json!({"email": ANN, "new_email": "bea@example.com", "password": password}),
        ),
        ("remove_users_collection", json!({})),
        ("reset_users_collection", json!({})),
        ("remove_all_collections", json!({})),
        ("reset_all_collections", json!({})),
        ("remove_db", json!({})),
        ("reset_db", json!({})),
    ];
    run(async {
        for (function, arguments) in ends {
            let place = Place::waiting().await;
            let reply = place.call(function, arguments).await;
            assert_ne!(reply["success"], false, "{function}: {reply}");
            place.open();
            place.pass_time(5);
            place.deliver().await;
            assert_eq!((place.out(), place.length().await), (0, 0), "{function}");
        }
    });
}

#[test]
fn of_two_codes_the_newer_one_is_mailed() {
    run(async {
        let place = Place::waiting().await;
        place.call("generate_code", json!({"email": ANN})).await;
        assert_eq!(place.length().await, 2);
        place.open();
        place.pass_time(5);
        let passed = place.deliver().await;
        assert_eq!((passed.delivered, passed.dropped, place.out()), (1, 1, 1));
    });
}

#[test]
fn a_code_of_which_the_mail_is_refused_for_good_is_taken_back() {
    run(async {
        let place = Place::new().await;
        place.door.final_no.store(true, Ordering::SeqCst);
        let ann = json!({"email": ANN, "password": PASSWORD});
        let reply = place.call("register_user", ann).await;
        assert_eq!((&reply["success"], &reply["message"]), (&json!(false), &json!("Error")));
        assert!(reply["detail"].as_str().unwrap().contains("550 no such mailbox"), "{reply}");
        assert!(place.store.load(&["users"], ANN).await.unwrap().is_empty());
        assert_eq!(place.length().await, 0);
    });
}

/// A store that keeps no mail.
struct NoMail(MemoryStore);

#[async_trait]
impl Store for NoMail {
    async fn load(&self, collections: &[&str], key: &str) -> Result<Vec<Entry>, Error> {
        self.0.load(collections, key).await
    }
    async fn commit(&self, changes: &[Change]) -> Result<Verdict, Error> {
        let mail = |change: &Change| matches!(change, Change::Put(put) if put.collection == MAIL);
        if changes.iter().any(mail) {
            return Err(Error::Unavailable("node 10.0.0.7 is down".into()));
        }
        self.0.commit(changes).await
    }
    async fn overdue(&self, names: &[&str], before: u64, limit: u32) -> Result<Vec<String>, Error> {
        self.0.overdue(names, before, limit).await
    }
}

#[test]
fn a_code_whose_mail_is_neither_taken_nor_kept_is_taken_back_and_the_caller_told() {
    run(async {
        let clock = Arc::new(AtomicU64::new(START));
        let store = Arc::new(NoMail(MemoryStore::default()));
        let tenant = tenant(&clock)
            .shared_store(store.clone())
            .transport("codes@example.com", Shut)
            .build()
            .await
            .unwrap();
        let ann = json!({"email": ANN, "password": PASSWORD});
        let reply = call(&tenant, "register_user", ann).await;
        assert_eq!(reply["message"], "Error");
        let detail = reply["detail"].as_str().unwrap();
        assert!(detail.contains("could not be handed over") && !detail.contains("10.0.0.7"));
        assert!(store.load(&["users"], ANN).await.unwrap().is_empty());
        assert_eq!(tenant.mail_queue().await.unwrap(), None, "no administration was granted");
    });
}

/// A way out that is always shut.
struct Shut;

#[async_trait]
impl Transport for Shut {
    async fn deliver(&self, _: &Outgoing) -> Result<(), Failure> {
        Err(Failure::Temporary("421 come back later".into()))
    }
    async fn check(&self) -> Result<(), Failure> {
        self.deliver(&Outgoing { from: "".into(), to: "".into(), content: vec![].into() }).await
    }
}

/// A way out on which nothing is ever answered.
struct Silent;

#[async_trait]
impl Transport for Silent {
    async fn deliver(&self, _: &Outgoing) -> Result<(), Failure> {
        std::future::pending().await
    }
    async fn check(&self) -> Result<(), Failure> {
        std::future::pending().await
    }
}

#[test]
fn a_server_that_does_not_answer_costs_a_call_neither_its_mail_nor_its_time() {
    run(async {
        let runtime =
            Runtime::new(Limits { time: Duration::from_secs(4), ..Limits::default() }).unwrap();
        let store = Arc::new(MemoryStore::default());
        let tenant = Tenant::builder(&runtime)
            .secret_key([7; 32])
            .shared_store(store.clone())
            .shared_database(store.clone())
            .transport("codes@example.com", Silent)
            .build()
            .await
            .unwrap();
        for number in 0..20 {
            let user = json!({"email": format!("u{number}@example.com")});
            let reply = call(&tenant, "register_user_no_pass", user).await;
            assert_eq!(reply["success"], true, "{number}: {reply}");
        }
        assert_eq!(tenant.mail_queue().await.unwrap().unwrap().length, 20);
        tenant.close().await;
    });
}

#[test]
fn how_much_waits_and_for_how_long_can_be_read() {
    run(async {
        let place = Place::new().await;
        let empty = place.tenant.mail_queue().await.unwrap().unwrap();
        assert_eq!((empty.length, empty.oldest), (0, None));
        for (number, seconds) in [(1, 40), (2, 20)] {
            let user = json!({"email": format!("u{number}@example.com")});
            place.call("register_user_no_pass", user).await;
            place.pass_time(seconds);
        }
        let queue = place.tenant.mail_queue().await.unwrap().unwrap();
        assert_eq!((queue.length, queue.oldest), (2, Some(60)));
    });
}

#[test]
fn the_sweep_does_not_touch_mail_that_waits() {
    run(async {
        let place = Place::waiting().await;
        place.pass_time(60);
        place.tenant.sweep(100).await.unwrap();
        assert_eq!(place.length().await, 1);
    });
}

#[test]
fn a_tenant_that_serves_mail_delivers_it_until_it_is_closed() {
    run(async {
        let place = Place::waiting().await;
        let serving = tokio::spawn(place.tenant.serve_mail());
        place.open();
        place.pass_time(5);
        while place.length().await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(place.out(), 1);
        place.tenant.clone().close().await;
        serving.await.unwrap();
        let closed = place.tenant.deliver_mail(&Budget::default()).await;
        assert!(closed.unwrap_err().to_string().contains("closed"));
    });
}

#[test]
fn serving_ends_with_the_last_clone_and_at_once_where_there_is_no_queue() {
    run(async {
        let Place { tenant, .. } = Place::waiting().await;
        let serving = tokio::spawn(tenant.serve_mail());
        drop(tenant);
        serving.await.unwrap();

        let clock = Arc::new(AtomicU64::new(START));
        let tenant = self::tenant(&clock).store(MemoryStore::default()).build().await.unwrap();
        tenant.serve_mail().await;
        assert_eq!(tenant.deliver_mail(&Budget::default()).await.unwrap(), Passed::default());
    });
}

#[test]
fn two_ways_for_mail_and_a_sender_that_is_no_address_are_refused() {
    run(async {
        let clock = Arc::new(AtomicU64::new(START));
        let folder = tempfile::tempdir().unwrap();
        let builder = || tenant(&clock).store(MemoryStore::default());
        let outbox = portcullis::mail::outbox::Outbox::new(folder.path());
        for (builder, problem) in [
            (builder().transport("codes@example.com", Shut).mailer(outbox), "give one of them"),
            (builder().transport("codes", Shut), "one e-mail address"),
        ] {
            match builder.build().await {
                Err(error) => assert!(error.to_string().contains(problem), "{error}"),
                Ok(_) => panic!("taken: {problem}"),
            }
        }
    });
}
