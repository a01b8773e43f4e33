//! The Python package and this program on one database, at the same time.

use bson::{Bson, DateTime, Document, doc, oid::ObjectId};
use serde_json::{Value as Json, json};

use crate::program::{Site, Worker};
use crate::servers::blocking;
use crate::servers::mongod::Mongod;
use crate::servers::python::Python;

const ANN: &str = "ann@example.com";
const PASSWORD: &str = "correct horse";
const OTHER: &str = "battery staple";

const GOOD: &str = "Success";
const SIGNED_IN: &str = "Authentication successful.";
const NOT_HIM: &str = "Invalid credentials.";
const BLOCKED: &str = "User is blocked.";
const INVALID: &str = "Invalid code.";
const VERIFIED: &str = "User verified.";
const SENT: &str = "Verification email sent.";
const RESET: &str = "Password reset successful.";

/// Both programs, under these settings of each.
struct Both {
    /// Ended first.
    ours: Worker,
    theirs: Python,
    site: Site,
}

impl Both {
    fn under(ours: &[(&str, i64)], theirs: Json) -> Self {
        let site = Site::at(Mongod::guarded(), ours).with("upgrade_hashes", "false");
        Self { ours: site.worker(), theirs: Python::on(site.server(), theirs), site }
    }

    fn new() -> Self {
        Self::under(&[], json!({}))
    }

    #[track_caller]
    fn here(&mut self, function: &str, arguments: Json, message: impl Into<Json>) {
        let reply = self.ours.call(function, arguments);
        assert_eq!(reply["message"], message.into(), "{function}: {reply}");
    }

    #[track_caller]
    fn there(&mut self, function: &str, arguments: Json, message: impl Into<Json>) {
        let reply = self.theirs.call(function, arguments);
        assert_eq!(reply["message"], message.into(), "{function}: {reply}");
    }

    /// Not signed in, and not by an accident.
    #[track_caller]
    fn shut_out_there(&mut self, password: &str) {
        let reply = self.theirs.call("authenticate_user", sign_in(ANN, password));
        assert_eq!(reply["success"], false, "{reply}");
    }

    /// The only document of a collection, as any program sees it.
    fn document(&self, collection: &str) -> Document {
        let found = async {
            let database = self.site.server().open().await;
            let collection = database.collection::<Document>(collection);
            assert_eq!(collection.count_documents(doc! {}).await.unwrap(), 1);
            // As bytes first: otherwise the driver would take `{"$date": …}` for a date.
            let raw = collection.clone_with_type::<bson::RawDocumentBuf>();
            Document::try_from(&*raw.find_one(doc! {}).await.unwrap().unwrap()).unwrap()
        };
        blocking(found)
    }

    /// What another program does to the database.
    fn insert(&self, collection: &str, documents: &[Document]) {
        let done = async {
            let database = self.site.server().open().await;
            database.collection::<Document>(collection).insert_many(documents).await.unwrap();
        };
        blocking(done);
    }

    /// Sets fields of the only user.
    fn set(&self, fields: Document) {
        let literal = |(name, value)| (name, Bson::Document(doc! { "$literal": value }));
        let fields: Document = fields.into_iter().map(literal).collect();
        let done = async {
            let users = self.site.server().open().await.collection::<Document>("users");
            users.update_one(doc! {}, vec![doc! { "$set": fields }]).await.unwrap()
        };
        assert_eq!(blocking(done).matched_count, 1);
    }
}

fn ann() -> Json {
    json!({"email": ANN})
}

fn sign_in(email: &str, password: &str) -> Json {
    json!({"email": email, "password": password})
}

#[test]
fn a_user_made_there_signs_in_here_and_there_again() {
    let mut both = Both::new();
    let capital = "Ann@Example.com";
    both.there("register_user_no_verif", sign_in(capital, PASSWORD), GOOD);
    let hash = both.document("users").get_str("password").unwrap().to_owned();

    both.here("authenticate_user", sign_in(ANN, PASSWORD), SIGNED_IN);
    both.here("authenticate_user", sign_in(capital, PASSWORD), SIGNED_IN);
    both.here("authenticate_user", sign_in(ANN, OTHER), NOT_HIM);
    both.here("register_user_no_verif", sign_in(ANN, PASSWORD), "User already exists.");
    both.there("authenticate_user", sign_in(capital, PASSWORD), SIGNED_IN);
    assert_eq!(both.document("users").get_str("password").unwrap(), hash);

    // From now on the hash is ours, and the package cannot read it.
    both.site = both.site.with("upgrade_hashes", "true");
    both.ours = both.site.worker();
    both.here("authenticate_user", sign_in(ANN, PASSWORD), SIGNED_IN);
    let user = both.document("users");
    assert!(user.get_str("password").unwrap().starts_with("$argon2id$"));
    assert_eq!(user.get_str("email").unwrap(), capital, "the package finds nobody else");
    let reply = both.theirs.call("authenticate_user", sign_in(capital, PASSWORD));
    assert_eq!(reply["success"], false, "{reply}");
    both.here("authenticate_user", sign_in(ANN, PASSWORD), SIGNED_IN);
}

#[test]
fn a_user_made_here_is_one_there_but_does_not_sign_in_there() {
    let mut both = Both::new();
    both.here("register_user_no_verif", sign_in("Ann@Example.com", PASSWORD), GOOD);
    both.there("is_verified", ann(), VERIFIED);
    both.there("is_blocked", ann(), "User is not blocked.");
    both.there("register_user_no_verif", sign_in(ANN, OTHER), "User already exists.");
    assert_eq!(both.theirs.call("user_count", json!({})), 1);
    both.shut_out_there(PASSWORD);
    both.shut_out_there(OTHER);
    let reply = both.theirs.call("verify_mfa_code", json!({"email": ANN, "code": null}));
    assert_eq!(reply["success"], false, "{reply}");
    // Nor under another spelling, which the unique index of both keeps out.
    let reply = both.theirs.call("register_user_no_verif", sign_in("ANN@example.com", OTHER));
    assert_eq!(reply["success"], false, "{reply}");

    // He may set a password there, and signs in here with it.
    both.there("generate_code", ann(), SENT);
    let code = both.theirs.mailed_code();
    let reset = json!({"email": ANN, "reset_code": code, "new_password": OTHER});
    both.here("verify_reset_code_and_reset_password", reset.clone(), INVALID);
    both.there("verify_reset_code_and_reset_password", reset, RESET);
    both.here("authenticate_user", sign_in(ANN, OTHER), SIGNED_IN);
    both.here("authenticate_user", sign_in(ANN, PASSWORD), NOT_HIM);
    both.there("authenticate_user", sign_in(ANN, OTHER), SIGNED_IN);
}

#[test]
fn a_code_is_worth_nothing_in_the_other_program() {
    let mut both = Both::new();
    both.there("register_user", sign_in(ANN, PASSWORD), SENT);
    let theirs = both.theirs.mailed_code();
    both.here("is_verified", ann(), "User is not verified.");
    let verify = |code: &str| json!({"email": ANN, "code": code});
    both.here("verify_user", verify(&theirs), INVALID);

    both.here("generate_code", ann(), SENT);
    let ours = both.site.mailed_code(ANN);
    both.there("verify_user", verify(&ours), INVALID);
    both.here("verify_user", verify(&ours), VERIFIED);
    both.there("is_verified", ann(), VERIFIED);
    both.here("verify_user", verify(&ours), INVALID);
    // With that the package's own code is gone, and where it looks for one there is something that
    // nobody can say, not even by saying nothing.
    let reset = |code: Json| json!({"email": ANN, "reset_code": code, "new_password": OTHER});
    for code in [json!(theirs), json!(ours), json!(null), json!("")] {
        both.there("verify_user", json!({"email": ANN, "code": code}), INVALID);
        both.there("verify_reset_code_and_reset_password", reset(code), INVALID);
    }
    let user = both.document("users");
    assert!(user.get_str("verification_code").unwrap().len() >= 32);

    // The other way round: verified there is verified here.
    let bob = "bob@example.com";
    both.there("register_user", sign_in(bob, PASSWORD), SENT);
    let code = both.theirs.mailed_code();
    both.here("authenticate_user", sign_in(bob, PASSWORD), "User is not verified.");
    both.there("verify_user", json!({"email": bob, "code": code}), VERIFIED);
    both.here("authenticate_user", sign_in(bob, PASSWORD), SIGNED_IN);
}

#[test]
fn a_block_counts_for_both_whoever_makes_or_ends_it() {
    let mut both = Both::new();
    let capital = json!({"email": "Ann@Example.com"});
    both.there("register_user_no_verif", sign_in("Ann@Example.com", PASSWORD), GOOD);

    both.there("block_user", capital.clone(), BLOCKED);
    both.here("is_blocked", ann(), BLOCKED);
    both.here("authenticate_user", sign_in(ANN, PASSWORD), BLOCKED);
    both.here("unblock_user", ann(), "User unblocked.");
    both.there("authenticate_user", sign_in("Ann@Example.com", PASSWORD), SIGNED_IN);

    both.here("block_user", ann(), BLOCKED);
    both.there("is_blocked", capital.clone(), BLOCKED);
    both.there("authenticate_user", sign_in("Ann@Example.com", PASSWORD), BLOCKED);
    both.there("unblock_user", capital, "User unblocked.");
    both.here("authenticate_user", sign_in(ANN, PASSWORD), SIGNED_IN);
    assert_eq!(both.document("blocked").get_str("email").unwrap(), "Ann@Example.com");
}

#[test]
fn of_several_spellings_any_block_counts_and_unblocking_ends_them_all() {
    let mut both = Both::new();
    both.there("register_user_no_verif", sign_in("Ann@Example.com", PASSWORD), GOOD);
    both.insert("blocked", &[doc! { "email": "ANN@example.com", "blocked": true }]);
    both.here("authenticate_user", sign_in(ANN, PASSWORD), BLOCKED);
    both.here("is_blocked", ann(), BLOCKED);
    both.here("unblock_user", ann(), "User unblocked.");
    both.here("authenticate_user", sign_in(ANN, PASSWORD), SIGNED_IN);
    both.here("block_user", ann(), BLOCKED);
    both.there("is_blocked", json!({"email": "Ann@Example.com"}), BLOCKED);
}

#[test]
fn a_request_made_there_counts_here_and_the_other_way_round() {
    let limits = [("rate_limiting", 3600), ("rate_limit_penalty", 60)];
    let mut both = Both::under(&limits, json!({"rate_limit": 3600, "rate_limit_penalty": 60}));
    let check = "check_and_update_rate_limit";
    let [ours, theirs] =
        ["User exceeded rate limits.", "Rate limit exceeded. Please try again later."];

    both.here(check, ann(), GOOD);
    both.there("is_rate_limited", ann(), theirs);
    both.there(check, ann(), theirs);
    both.here(check, ann(), ours);
    both.there("is_rate_limited", ann(), theirs);

    let bob = json!({"email": "Bob@example.com"});
    both.there(check, bob.clone(), GOOD);
    both.here("is_rate_limited", json!({"email": "bob@example.com"}), ours);
    both.here(check, bob.clone(), ours);
    both.there(check, bob.clone(), theirs);
    let since = both.ours.call("time_since_request", bob).as_i64().unwrap();
    assert!((0..3600).contains(&since), "{since}");
}

#[test]
fn two_users_of_one_address_are_left_alone_and_told() {
    let mut both = Both::new();
    // Made before this program came, and so before its unique index.
    drop(std::mem::replace(&mut both.ours, Site::new(&[]).worker()));
    blocking(async { both.site.server().open().await.drop().await }).unwrap();
    for email in ["Ann@Example.com", ANN, "bob@example.com"] {
        both.there("register_user_no_verif", sign_in(email, PASSWORD), GOOD);
    }
    both.ours = both.site.worker();

    both.here("authenticate_user", sign_in("bob@example.com", PASSWORD), SIGNED_IN);
    for (function, email) in [
        ("authenticate_user", ANN),
        ("authenticate_user", "ANN@example.com"),
        ("register_user_no_verif", ANN),
        ("register_user_no_verif", "eve@example.com"),
    ] {
        both.ours.ask(function, sign_in(email, PASSWORD));
        let answer = both.ours.hear();
        assert_eq!(answer["kind"], "storage", "{function} {email}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains("portcullis migrate"), "{answer}");
    }
    assert_eq!(both.ours.call("user_count", json!({})), 3);

    let output = both.site.command(&["migrate", "--dry-run"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains(ANN) && told.contains("Ann@Example.com"), "{output:?}");

    // Once somebody has decided, all is well.
    let remove = async {
        let users = both.site.server().open().await.collection::<Document>("users");
        let removed = users.delete_one(doc! { "email": ANN }).await.unwrap();
        assert_eq!(removed.deleted_count, 1);
        let blocked = both.site.server().open().await.collection::<Document>("blocked");
        blocked.delete_one(doc! { "email": ANN }).await.unwrap();
    };
    blocking(remove);
    let output = both.site.command(&["migrate"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    both.here("authenticate_user", sign_in(ANN, PASSWORD), SIGNED_IN);
    both.here("register_user_no_verif", sign_in("eve@example.com", PASSWORD), GOOD);
    both.there("authenticate_user", sign_in(ANN, PASSWORD), SIGNED_IN);
}

#[test]
fn what_this_program_does_not_know_stays_as_it_is() {
    let mut both = Both::new();
    both.there("register_user_no_verif", sign_in(ANN, PASSWORD), GOOD);
    let (id, date) = (ObjectId::new(), DateTime::from_millis(1_600_000_000_123));
    let data = doc! {
        "plan": "free", "since": date, "order": id, "bytes": Bson::Binary(bson::Binary {
            subtype: bson::spec::BinarySubtype::Generic, bytes: vec![1, 2, 3],
        }), "big": 1_i64 << 40, "list": [date, doc! { "deep": id }], "a.b": 1, "$set": 2,
    };
    both.set(doc! { "custom_data": data.clone(), "shop": { "points": 7_i64, "at": date } });
    let before = both.document("users");

    let shown = json!({
        "plan": "free", "since": {"$date": "2020-09-13T12:26:40.123Z"},
        "order": {"$oid": id.to_hex()},
        "bytes": {"$binary": {"base64": "AQID", "subType": "00"}}, "big": 1_i64 << 40,
        "list": [{"$date": "2020-09-13T12:26:40.123Z"}, {"deep": {"$oid": id.to_hex()}}],
        "a.b": 1, "$set": 2,
    });
    both.here("get_cust_usr_data", ann(), shown);
    for (field, value) in
        [("plan", json!("paid")), ("a.b", json!({"$date": 5})), ("$set", json!(3))]
    {
        let update = json!({"email": ANN, "field": field, "custom_data": value});
        both.here("update_usr_data", update, "Custom user data field updated.");
    }
    let mut expected = data;
    expected.extend(doc! { "plan": "paid", "a.b": { "$date": 5 }, "$set": 3 });
    let user = both.document("users");
    assert_eq!(user.get_document("custom_data").unwrap(), &expected);

    // The address changes; he stays the same document.
    let change = json!({"email": ANN, "new_email": "Anna@example.com", "password": PASSWORD});
    both.here("change_email_no_verif", change, GOOD);
    let after = both.document("users");
    assert_eq!(after.get_document("custom_data").unwrap(), &expected);
    for field in ["_id", "shop"] {
        assert_eq!(after.get(field), before.get(field), "{field}");
    }
    both.there("authenticate_user", sign_in("anna@example.com", PASSWORD), SIGNED_IN);

    let replace = json!({"email": "anna@example.com", "custom_data": {"$oid": "x", "n": 1.0}});
    both.here("replace_usr_data", replace, "Custom user data changed.");
    both.there(
        "get_cust_usr_data",
        json!({"email": "anna@example.com"}),
        json!({"$oid": "x", "n": 1.0}),
    );
}

#[test]
fn either_may_drop_what_the_other_uses() {
    let mut both = Both::new();
    for email in ["ann@example.com", "bob@example.com"] {
        both.here("register_user_no_verif", sign_in(email, PASSWORD), GOOD);
    }
    assert_eq!(both.theirs.call("user_count", json!({})), 2);
    both.theirs.call("reset_all_collections", json!({}));
    assert_eq!(both.ours.call("user_count", json!({})), 0);
    both.here("is_blocked", ann(), "User not found.");
    both.here("register_user_no_verif", sign_in(ANN, PASSWORD), GOOD);
    // The unique index is there again: the package cannot make a second one.
    let reply = both.theirs.call("register_user_no_verif", sign_in("ANN@example.com", OTHER));
    assert_eq!(reply["success"], false, "{reply}");

    both.ours.call("reset_db", json!({}));
    assert_eq!(both.theirs.call("user_count", json!({})), 0);
    both.there("register_user_no_verif", sign_in(ANN, PASSWORD), GOOD);
    both.here("authenticate_user", sign_in(ANN, PASSWORD), SIGNED_IN);
    for size in ["db_data_size", "db_storage_size", "db_index_size"] {
        assert!(both.ours.call(size, json!({})).as_u64().unwrap() > 0, "{size}");
    }
}
