//! Notices by way of a real mail server: who gets which, when, and what it does to the call.

use std::collections::BTreeSet;

use serde_json::json;

use super::mailed::{Mail, Mailed, signed_in, verified};
use super::shared::PASSWORD;

const ANOTHER: &str = "another horse";

/// What a tenant's users are told, one by one.
struct Told<'a> {
    service: &'a Mailed,
    /// Whether the tenant wants notices.
    wanted: bool,
}

impl Told<'_> {
    /// Nothing comes of this.
    #[track_caller]
    fn nothing(&self, done: impl FnOnce()) {
        let before = self.service.all_notices().len();
        done();
        let after = self.service.all_notices();
        assert_eq!(after.len(), before, "{:?}", after.last());
    }

    /// One notice, to this address and with these words, and no other.
    #[track_caller]
    fn always(&self, to: &str, says: &str, done: impl FnOnce()) {
        let before = self.service.all_notices().len();
        done();
        let after = self.service.all_notices();
        assert_eq!(after.len(), before + 1, "{after:?}");
        let mail = after.last().unwrap();
        assert_eq!(mail.to, to, "{mail:?}");
        assert!(mail.text.contains(says), "{mail:?}");
    }

    /// The same, if notices are wanted.
    #[track_caller]
    fn of(&self, to: &str, says: &str, done: impl FnOnce()) {
        match self.wanted {
            true => self.always(to, says, done),
            false => self.nothing(done),
        }
    }
}

/// All that is told in the life of an account.
fn life(service: &Mailed, tenant: &str, told: &Told) {
    let (client, admin) = (service.client(tenant), service.admin(tenant));
    let [ann, new] = ["ann", "new"].map(|name| format!("{name}@{tenant}.example"));
    verified(service, &client, &ann, PASSWORD);
    let both = |function: &str, email: &str| {
        for _ in 0..2 {
            admin.post(&format!("/v1/utils/{function}"), json!({ "email": email })).is(200);
        }
    };

    let change = |old: &str, new: &str| {
        let change = json!({ "email": ann, "old_password": old, "new_password": new });
        client.post("/v1/auth/reset_password_no_verif", change)
    };
    told.nothing(|| drop(change("wrong", ANOTHER).is(401)));
    told.of(&ann, "was changed", || drop(change(PASSWORD, ANOTHER).is(200)));
    told.of(&ann, "set anew with a code", || {
        client.post("/v1/auth/generate_code", json!({ "email": ann })).is(200);
        let code = service.code(&ann);
        let reset = json!({ "email": ann, "reset_code": code, "new_password": PASSWORD });
        client.post("/v1/auth/verify_reset_code_and_reset_password", reset).is(200);
    });
    told.of(&ann, "was blocked", || both("block_user", &ann));
    told.of(&ann, "not blocked any more", || both("unblock_user", &ann));

    let session = client.bearer(&signed_in(&client, &ann, PASSWORD));
    signed_in(&client, &ann, PASSWORD);
    told.of(&ann, "Sessions of your account", || {
        session.delete("/v1/sessions").is(200);
        session.delete("/v1/sessions").is(200);
    });
    told.of(&ann, "Sessions of your account", || {
        for _ in 0..2 {
            admin.post("/v1/sessions/end_user_sessions", json!({ "email": ann })).is(200);
        }
    });

    told.of(&ann, "another address now", || {
        let change = json!({ "email": ann, "new_email": new, "password": PASSWORD });
        admin.post("/v1/auth/change_email_no_verif", change).is(200);
    });
    told.of(&new, "another address now", || {
        client.post("/v1/auth/generate_code", json!({ "email": new })).is(200);
        let code = service.code(&new);
        let change = json!({ "email": new, "new_email": ann, "reset_code": code });
        admin.post("/v1/auth/verify_reset_code_and_change_email", change).is(200);
    });
    let session = client.bearer(&signed_in(&client, &ann, PASSWORD));
    // Nobody can do without this one: it tells of what may still be stopped.
    told.always(&ann, "asked to change its address", || {
        session.post("/v1/session/email", json!({ "new_email": new })).is(200);
    });
    told.of(&ann, "another address now", || {
        let code = service.code(&new);
        session.post("/v1/session/email/confirm", json!({ "code": code })).is(200);
    });
    told.of(&new, "was deleted", || {
        let deletion = json!({ "email": new, "password": PASSWORD });
        client.post("/v1/auth/delete_user", deletion).is(200);
    });
}

/// As much of it as somebody can have who never verified his address, which is another's.
fn life_of_a_stranger(service: &Mailed, tenant: &str) {
    let (client, admin) = (service.client(tenant), service.admin(tenant));
    let [bob, new] = ["bob", "bobs"].map(|name| format!("{name}@{tenant}.example"));
    let user = json!({ "email": bob, "password": PASSWORD });
    client.post("/v1/auth/register_user", user).is(200);
    let change = json!({ "email": bob, "old_password": PASSWORD, "new_password": ANOTHER });
    client.post("/v1/auth/reset_password_no_verif", change).is(200);
    admin.post("/v1/sessions/end_user_sessions", json!({ "email": bob })).is(200);
    for function in ["block_user", "unblock_user"] {
        admin.post(&format!("/v1/utils/{function}"), json!({ "email": bob })).is(200);
    }
    let change = json!({ "email": bob, "new_email": new, "password": ANOTHER });
    admin.post("/v1/auth/change_email_no_verif", change).is(200);
    let deletion = json!({ "email": new, "password": ANOTHER });
    client.post("/v1/auth/delete_user", deletion).is(200);
}

#[test]
fn an_owner_is_told_once_of_each_thing_and_nobody_else_is() {
    let service = Mailed::start(&[("default", ""), ("quiet", "notices = false\n")]);
    let told = Told { service: &service, wanted: true };
    life(&service, "default", &told);
    told.nothing(|| life_of_a_stranger(&service, "default"));
    let told = Told { service: &service, wanted: false };
    life(&service, "quiet", &told);
}

#[test]
fn the_former_address_is_told_when_the_change_is_done() {
    let service = Mailed::start(&[("default", "")]);
    let client = service.client("default");
    let (old, new) = ("old@example.com", "new@example.com");
    verified(&service, &client, old, PASSWORD);
    let session = client.bearer(&signed_in(&client, old, PASSWORD));
    session.post("/v1/session/email", json!({ "new_email": new })).is(200);
    let code = service.code(new);
    let wrong = json!({ "code": crate::support::another(&code) });
    session.post("/v1/session/email/confirm", wrong).is(401);
    let is_told = |mail: &Mail| mail.text.contains("another address now");
    assert!(!service.all_notices().iter().any(is_told));
    session.post("/v1/session/email/confirm", json!({ "code": code })).is(200);
    let notices = service.all_notices();
    let told: Vec<&Mail> = notices.iter().filter(|mail| is_told(mail)).collect();
    assert_eq!(told.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), [old]);
    // He is told whom it was taken from, and not who has it now.
    assert!(told[0].raw.contains(old) && !told[0].raw.contains(new), "{told:?}");
    signed_in(&client, new, PASSWORD);
}

/// What the log says when somebody has waited for the mail server in vain.
const WAITED: &str = "a mail is queued";

#[test]
fn a_mail_server_that_is_down_holds_up_nothing_and_loses_nothing() {
    // Where accounts are not hidden, a code is handed over before the answer; a notice never is.
    let service = Mailed::start(&[("default", "hide_accounts = false\n")]);
    let (client, admin, ann) = (service.client("default"), service.admin("default"), "a@b.example");
    verified(&service, &client, ann, PASSWORD);
    let arrived = service.mails().len();
    // A busy machine may have waited for the mails before.
    let before = service.gateway.log().len();
    let waited = || service.gateway.log()[before..].contains(WAITED);
    service.server.behave("greeting-hang");
    service.server.close_connections();
    for function in ["block_user", "unblock_user"] {
        admin.post(&format!("/v1/utils/{function}"), json!({ "email": ann })).is(200);
    }
    let change = json!({ "email": ann, "old_password": PASSWORD, "new_password": ANOTHER });
    client.post("/v1/auth/reset_password_no_verif", change).is(200);
    signed_in(&client, ann, ANOTHER);
    admin.post("/v1/sessions/end_user_sessions", json!({ "email": ann })).is(200);
    let change = json!({ "email": ann, "new_email": "new@b.example", "password": ANOTHER });
    admin.post("/v1/auth/change_email_no_verif", change).is(200);
    let deletion = json!({ "email": "new@b.example", "password": ANOTHER });
    client.post("/v1/auth/delete_user", deletion).is(200);
    assert!(!waited(), "{}", service.gateway.log());
    let user = json!({ "email": ann, "password": PASSWORD });
    client.post("/v1/auth/register_user", user).is(200);
    assert!(waited(), "{}", service.gateway.log());
    assert_eq!(service.mails().len(), arrived);

    service.server.behave("accept");
    service.server.close_connections();
    let told: BTreeSet<String> = service.all_notices().into_iter().map(|it| it.text).collect();
    for says in ["was blocked by", "not blocked", "was changed", "Sessions", "another", "deleted"] {
        let count = told.iter().filter(|text| text.contains(says)).count();
        assert_eq!(count, 1, "{says}: {told:?}");
    }
    assert_eq!(told.len(), 6);
}
