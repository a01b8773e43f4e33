//! Everything that can be asked for: granted once, and refused once.

use portcullis::functions::FUNCTIONS;
use serde_json::{Value as Json, json};

use super::{ANN, Run};
use crate::gateway::operations::{Access, Operation};
use crate::servers::http::{Client, encode};

fn text(answer: &Json, key: &str) -> String {
    answer[key].as_str().unwrap().to_owned()
}

/// Every function, in an order in which each succeeds.
pub fn functions(run: &Run, admin: &Client) {
    let call = |name: &str, arguments: Json| {
        let function = portcullis::functions::find(name).unwrap();
        let path = format!("/v1/{}/{}", function.interface.name(), function.name);
        run.post(admin, &path, arguments)
    };
    let [first, second, third] = [run.fresh(), run.fresh(), run.fresh()];
    let (ann, bob, eve) = (ANN, "bob@example.com", "eve@example.com");
    let of = |email: &str| json!({ "email": email });
    let with = |email: &str, password: &str| json!({ "email": email, "password": password });
    let by_code = |email: &str| json!({ "email": email, "code": run.code(email) });

    call("register_user", with(ann, &first));
    call("verify_user", by_code(ann));
    call("register_user_no_verif", with(bob, &first));
    call("register_user_no_pass", of(eve));
    call("sign_in_with_code", by_code(eve));
    call("authenticate_user", with(ann, &first));
    call("authenticate_user", json!({ "email": ann, "password": first, "mfa": true }));
    call("verify_mfa_code", by_code(ann));
    let change = json!({ "email": ann, "old_password": first, "new_password": second });
    call("reset_password_no_verif", change);
    call("generate_code", of(ann));
    let code = run.code(ann);
    let reset = json!({ "email": ann, "reset_code": code, "new_password": third });
    call("verify_reset_code_and_reset_password", reset);
    let change = json!({ "email": bob, "new_email": "rob@example.com", "password": first });
    call("change_email_no_verif", change);
    call("generate_code", of("rob@example.com"));
    let code = run.code("rob@example.com");
    let change = json!({ "email": "rob@example.com", "reset_code": code, "new_email": bob });
    call("verify_reset_code_and_change_email", change);
    for name in ["is_rate_limited", "check_and_update_rate_limit", "update_rate_limit"] {
        call(name, of(ann));
    }
    for name in ["block_user", "is_blocked", "unblock_user", "is_verified", "time_since_request"] {
        call(name, of(ann));
    }
    let data = json!({ "email": ann, "custom_data": { "pet": "cat" } });
    call("replace_usr_data", data);
    call("get_cust_usr_data", of(ann));
    call("get_some_cust_usr_data", json!({ "email": ann, "field": "pet" }));
    call("update_usr_data", json!({ "email": ann, "field": "pet", "custom_data": "dog" }));

    let opened = call("sign_in", with(ann, &third));
    call("sign_in", with(ann, &third));
    let token = text(&opened["message"], "token");
    let by_token = json!({ "token": token });
    call("who_am_i", by_token.clone());
    call("list_sessions", by_token.clone());
    call("end_session", json!({ "token": token, "id": "none" }));
    call("end_other_sessions", by_token.clone());
    let wanted = json!({ "token": token, "new_email": "new@example.com", "password": third });
    call("request_email_change", wanted);
    let code = run.code("new@example.com");
    call("confirm_email_change", json!({ "token": token, "code": code }));
    call("sign_out", by_token);
    call("sign_in", with("new@example.com", &third));
    call("end_user_sessions", of("new@example.com"));
    call("delete_user", with(bob, &first));
    call("generate_code", of("new@example.com"));
    let mut farewell = with("new@example.com", &third);
    farewell["code"] = run.code("new@example.com").into();
    call("delete_user_with_verif", farewell);
    for function in FUNCTIONS.iter().filter(|it| it.interface.name() == "coredb") {
        let removes = function.name.starts_with("remove_") || function.name.starts_with("reset_");
        if !removes {
            call(function.name, json!({}));
        }
    }
}

/// What somebody does with a program of his own.
pub fn sessions(run: &Run, client: &Client) {
    let (email, password) = ("sue@example.com", run.fresh());
    let user = json!({ "email": email, "password": password });
    let asked = run.post(client, "/v1/auth/register_user", user.clone());
    let proof =
        json!({ "email": email, "code": run.code(email), "ticket": text(&asked, "ticket") });
    run.post(client, "/v1/auth/verify_user", proof);
    let first = run.post(client, "/v1/session", user.clone());
    let mut known = user.clone();
    known["device"] = first["device"].clone();
    let second = run.post(client, "/v1/session", known);
    let session = client.bearer(&text(&second, "token"));
    run.delete(&session, "/v1/sessions/{id}", "/v1/sessions/none");
    run.delete(&session, "/v1/sessions", "/v1/sessions");
    let wanted = json!({ "new_email": "susan@example.com", "password": password });
    run.post(&session, "/v1/session/email", wanted);
    let code = run.code("susan@example.com");
    run.post(&session, "/v1/session/email/confirm", json!({ "code": code }));
    let user = json!({ "email": "susan@example.com", "password": password, "mfa": true });
    let asked = run.post(client, "/v1/session", user);
    let code = run.code("susan@example.com");
    let code =
        json!({ "email": "susan@example.com", "code": code, "ticket": text(&asked, "ticket") });
    let third = run.post(client, "/v1/session", code);
    let session = client.bearer(&text(&third, "token"));
    run.delete(&session, "/v1/session", "/v1/session");
}

/// What somebody does with a browser; every page is read by one who is signed in.
pub fn pages(run: &Run, client: &Client, read: &[&Operation]) {
    let (email, new) = ("tom@example.com", "thomas@example.com");
    let [first, second] = [run.fresh(), run.fresh()];
    let browser = run.form(client, "/register", &[("email", email), ("password", &first)]);
    let code = run.code(email);
    run.form(&browser, "/verify", &[("email", email), ("code", &code)]);
    let browser = run.form(client, "/forgot", &[("email", email)]);
    let code = run.code(email);
    let reset = [("email", email), ("code", &*code), ("new_password", &*second)];
    run.form(&browser, "/reset", &reset);
    let browser = run.form(client, "/sign-in", &[("email", email), ("password", &second)]);
    run.form(&browser, "/sessions/end", &[("others", "1")]);
    for page in read {
        let answer = run.granted("GET", &page.path, browser.get(&page.path));
        assert!(answer.status < 400, "{page:?}: {answer:?}");
    }
    run.form(&browser, "/change-email", &[("new_email", new), ("password", &second)]);
    let code = run.code(new);
    run.form(&browser, "/confirm-email", &[("code", &code), ("new_email", new)]);
    let browser = run.form(client, "/sign-in", &[("email", new), ("password", &second)]);
    run.form(&browser, "/sign-out", &[]);
    let browser = run.form(client, "/sign-in", &[("email", new), ("password", &second)]);
    let browser = run.form(&browser, "/delete", &[("send", "1")]);
    let code = run.code(new);
    run.form(&browser, "/delete", &[("code", &code), ("password", &second)]);

    let nameless = "una@example.com";
    run.form(client, "/register", &[("email", nameless), ("no_password", "1")]);
    run.code(nameless);
    let browser = run.form(client, "/sign-in-by-mail", &[("email", nameless)]);
    let code = run.code(nameless);
    run.form(&browser, "/code", &[("email", nameless), ("code", &code)]);
}

/// Every request that takes a secret, with wrong ones: as they should be written, as no text, and
/// where nothing is to be.
pub fn refusals(run: &Run, client: &Client, admin: &Client, all: &[Operation]) {
    let forged = client.bearer(&run.fresh());
    for operation in all {
        let client = if operation.access == Access::Admin { admin } else { &forged };
        let path = &operation.path;
        if operation.access == Access::Admin {
            let answer = operation.send(&forged, &[]);
            run.answered(answer.is(401));
        }
        if operation.secrets.is_empty() {
            continue;
        }
        let fields: Vec<(&str, String)> = operation
            .fields
            .iter()
            .filter(|name| operation.required.contains(name) || operation.secrets.contains(name))
            .map(|name| match name.as_str() {
                _ if operation.secrets.contains(name) => (name.as_str(), run.fresh()),
                "email" | "new_email" => (name.as_str(), "nobody@example.com".to_owned()),
                _ => (name.as_str(), "none".to_owned()),
            })
            .collect();
        let given: Vec<(&str, &str)> = fields.iter().map(|(name, it)| (*name, &**it)).collect();
        let is_set = path.contains("/register") || path.ends_with("/sign_out");
        let answer = operation.send(client, &given);
        assert!(is_set || answer.status >= 300, "{operation:?}: {answer:?}");
        run.answered(answer);
        let mut given = given;
        given.push(("no-such-field", fields[0].1.as_str()));
        run.answered(operation.send(client, &given));
        if !operation.is_form {
            let body: serde_json::Map<String, Json> =
                fields.iter().map(|(name, it)| ((*name).to_owned(), json!([it]))).collect();
            let answer = client.post(path, body.into());
            run.answered(answer.is(400));
        }
    }
    let queried = encode(&run.fresh());
    run.answered(client.get(&format!("/none?token={queried}")).is(404));
    let cookie = run.keep("secret-in-the-cookie");
    run.answered(client.cookie("__Host-portcullis", &cookie).get("/none"));
}
