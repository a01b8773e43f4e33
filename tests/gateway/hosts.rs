//! Several processes on one store: what one of them does holds in all, at the next request.

use serde_json::json;

use super::shared::PASSWORD;
use crate::servers::gateway::{Gateway, UNLIMITED};

const ANN: &str = "ann@example.com";

#[test]
fn a_session_opened_here_is_known_there_and_ended_there_is_over_here() {
    let here = Gateway::start(UNLIMITED);
    let there = here.beside();
    let admin = there.admin("default");
    let user = json!({"email": ANN, "password": PASSWORD});
    admin.post("/v1/auth/register_user_no_verif", user.clone()).is(200);
    let opened = || here.client().post("/v1/session", user.clone()).is(200).json();

    let token = opened()["token"].as_str().unwrap().to_owned();
    there.client().bearer(&token).get("/v1/session").is(200);
    there.client().bearer(&token).delete("/v1/session").is(200);
    here.client().bearer(&token).get("/v1/session").is(401);

    let token = opened()["token"].as_str().unwrap().to_owned();
    let waiting = here.client().bearer(&token);
    waiting.get("/v1/session").is(200);
    admin.post("/v1/utils/block_user", json!({"email": ANN})).is(200);
    waiting.get("/v1/session").is(401);
    admin.post("/v1/utils/unblock_user", json!({"email": ANN})).is(200);
    waiting.get("/v1/session").is(401);

    let token = opened()["token"].as_str().unwrap().to_owned();
    admin.post("/v1/sessions/end_user_sessions", json!({"email": ANN})).is(200);
    here.client().bearer(&token).get("/v1/session").is(401);
}

#[test]
fn a_process_that_was_killed_leaves_sessions_and_mail_to_the_next() {
    let first = Gateway::start(UNLIMITED);
    let email = "bob@example.com";
    let user = json!({"email": email, "password": PASSWORD});
    first.client().post("/v1/auth/register_user", user.clone()).is(200);
    first.signal("KILL");
    first.wait();
    first.serve(|_| ());
    // Out by the first process or by the second, and once.
    let code = first.mailed_code(email);
    let verify = json!({"email": email, "code": code});
    first.client().post("/v1/auth/verify_user", verify).is(200);
    let opened = first.client().post("/v1/session", user).is(200).json();
    first.signal("KILL");
    first.wait();
    first.serve(|_| ());
    first.client().bearer(opened["token"].as_str().unwrap()).get("/v1/session").is(200);
}
