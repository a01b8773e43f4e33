//! `/v1/session`: signing in by token and by cookie.

use serde_json::json;

use super::shared::{GATEWAY, PASSWORD, admin, fresh, stranger, token, user};

#[test]
fn a_token_is_good_until_its_owner_signs_out() {
    let email = user("default", "ann");
    let answer =
        stranger("default").post("/v1/session", json!({ "email": email, "password": PASSWORD }));
    let opened = answer.is(200).json();
    assert_eq!(opened["message"], "Authentication successful.");
    assert!(opened["device"].is_string() && opened["session"]["current"] == true);
    let client = stranger("default").bearer(opened["token"].as_str().unwrap());
    let known = client.get("/v1/session").is(200).json();
    assert_eq!((&known["email"], &known["success"]), (&json!(email), &json!(true)));
    client.delete("/v1/session").is(200);
    client.get("/v1/session").is(401);
    client.get("/v1/sessions").is(401);
    client.delete("/v1/session").is(200);
}

#[test]
fn without_a_token_nobody_is_signed_in() {
    let client = stranger("default");
    for path in ["/v1/session", "/v1/sessions"] {
        client.get(path).is(401);
        client.delete(path).is(401);
    }
    client.delete("/v1/sessions/x").is(401);
    client.post("/v1/session/email", json!({ "new_email": fresh("new") })).is(401);
    client.post("/v1/session/email/confirm", json!({ "code": "1" })).is(401);
    client.bearer("wrong").get("/v1/session").is(401);
    // Nor is whoever has a token of another tenant.
    let email = user("open", "ann");
    client.bearer(&token("open", &email)).get("/v1/session").is(401);
}

#[test]
fn one_ends_ones_own_sessions_and_nobody_elses() {
    let (ann, bob) = (user("default", "ann"), user("default", "bob"));
    let clients =
        [&ann, &ann, &ann, &bob].map(|email| stranger("default").bearer(&token("default", email)));
    let [one, two, three, other] = clients;
    let list = one.get("/v1/sessions").is(200).json();
    assert_eq!(list["message"].as_array().unwrap().len(), 3);
    let id = |client: &crate::servers::http::Client| {
        client.get("/v1/session").is(200).json()["session"]["id"].as_str().unwrap().to_owned()
    };
    one.delete(&format!("/v1/sessions/{}", id(&other))).is(200);
    other.get("/v1/session").is(200);
    one.delete(&format!("/v1/sessions/{}", id(&two))).is(200);
    two.get("/v1/session").is(401);
    one.delete("/v1/sessions").is(200);
    three.get("/v1/session").is(401);
    one.get("/v1/session").is(200);
    other.get("/v1/session").is(200);
}

#[test]
fn a_second_factor_needs_the_ticket_of_the_first() {
    let email = user("strict", "ann");
    let client = stranger("strict");
    let first =
        client.post("/v1/session", json!({ "email": email, "password": PASSWORD })).is(200).json();
    assert_eq!(first["message"], "Verification email sent.");
    assert!(first.get("token").is_none());
    let code = GATEWAY.mailed_code(&email);
    let second = |ticket: Option<&str>| {
        let ticket = ticket.map_or(json!(null), |ticket| json!(ticket));
        client.post("/v1/session", json!({ "email": email, "code": code, "ticket": ticket }))
    };
    second(None).is(400);
    second(Some("another")).is(401);
    let opened = second(first["ticket"].as_str()).is(200).json();
    assert_eq!(opened["session"]["second_factor"], true);
    second(first["ticket"].as_str()).is(401);
}

#[test]
fn a_browser_gets_cookies_and_no_secret_that_a_script_could_read() {
    let email = user("strict", "ann");
    let browser = stranger("strict");
    let sign_in = json!({ "email": email, "password": PASSWORD, "cookie": true });
    let first = browser.post("/v1/session", sign_in).is(200);
    assert!(first.json().get("ticket").is_none());
    let browser = browser.with_cookies_of(&first);
    let code = GATEWAY.mailed_code(&email);
    let second = json!({ "email": email, "code": code, "cookie": true });
    let second = browser.post("/v1/session", second).is(200);
    let told = second.json();
    assert!(told.get("token").is_none() && told.get("device").is_none(), "{told}");
    let cookies = second.set_cookies();
    for (name, life) in [
        ("__Host-portcullis-strict", None),
        ("__Host-portcullis-device-strict", Some("Max-Age=34560000")),
        ("__Host-portcullis-ticket-strict", Some("Max-Age=0")),
    ] {
        let (_, _, attributes) = cookies.iter().find(|(known, ..)| known == name).unwrap();
        for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
            assert!(attributes.contains(attribute), "{name}: {attributes}");
        }
        assert!(life.is_none_or(|life| attributes.contains(life)), "{name}: {attributes}");
    }
    let browser = browser.with_cookies_of(&second);
    browser.get("/v1/session").is(200);
    let out = browser.with("Sec-Fetch-Site", "same-origin").delete("/v1/session").is(200);
    browser.get("/v1/session").is(401);
    browser.with_cookies_of(&out).get("/v1/session").is(401);
}

#[test]
fn another_site_can_neither_use_a_cookie_nor_set_one() {
    let email = user("default", "ann");
    let browser = stranger("default").cookie("__Host-portcullis", &token("default", &email));
    let host = GATEWAY.address();
    let told = |name: &str, value: &str| browser.with(name, value).delete("/v1/sessions").status;
    assert_eq!(browser.delete("/v1/sessions").status, 403);
    for (name, value, expected) in [
        ("Sec-Fetch-Site", "cross-site", 403),
        ("Sec-Fetch-Site", "same-site", 403),
        ("Sec-Fetch-Site", "same-origin", 200),
        ("Sec-Fetch-Site", "none", 200),
        ("Origin", "https://evil.example", 403),
        ("Origin", "null", 403),
        ("Origin", &format!("http://{host}"), 200),
    ] {
        assert_eq!(told(name, value), expected, "{name}: {value}");
    }
    let email_change = json!({ "new_email": fresh("new"), "password": PASSWORD });
    browser.post("/v1/session/email", email_change).is(403);
    browser.delete("/v1/session").is(403);
    browser.get("/v1/session").is(200);
    // Nor sign its visitor in as somebody else.
    let sign_in = json!({ "email": email, "password": PASSWORD, "cookie": true });
    let evil = stranger("default").with("Sec-Fetch-Site", "cross-site");
    evil.post("/v1/session", sign_in).is(403);
}

#[test]
fn a_new_address_is_proven_and_ends_all_sessions() {
    let email = user("default", "ann");
    let new = fresh("new");
    let client = stranger("default").bearer(&token("default", &email));
    let wrong = json!({ "new_email": new, "password": "wrong" });
    client.post("/v1/session/email", wrong).is(401);
    let right = json!({ "new_email": new, "password": PASSWORD });
    client.post("/v1/session/email", right).is(200);
    let code = GATEWAY.mailed_code(&new);
    client.post("/v1/session/email/confirm", json!({ "code": "0" })).is(401);
    client.post("/v1/session/email/confirm", json!({ "code": code })).is(200);
    client.get("/v1/session").is(401);
    let client = stranger("default").bearer(&token("default", &new));
    assert_eq!(client.get("/v1/session").is(200).json()["proven"], true);
    let old = admin("default").post("/v1/utils/is_verified", json!({ "email": email }));
    old.is(404);
}

#[test]
fn a_sign_in_names_one_secret_and_nothing_that_does_not_belong_to_it() {
    let client = stranger("default");
    for wrong in [
        json!({}),
        json!({ "email": "a@example.com" }),
        json!({ "email": "a@example.com", "password": "p", "code": "1" }),
        json!({ "email": "a@example.com", "password": "p", "ticket": "t" }),
        json!({ "email": "a@example.com", "code": "1", "mfa": true }),
        json!({ "email": "a@example.com", "code": "1", "ticket": "" }),
        json!({ "email": "a@example.com", "password": ["secret-word"] }),
        json!({ "email": "a@example.com", "password": "p", "remember": true }),
    ] {
        let answer = client.post("/v1/session", wrong.clone()).is(400);
        assert_eq!(answer.json()["kind"], "usage", "{wrong}");
        assert!(!answer.text().contains("secret-word"));
    }
}

#[test]
fn whoever_is_signed_in_with_a_proven_address_passes_a_proxy_with_his_name() {
    // An application vouched for the address; nobody has proven it.
    let email = user("default", "ann");
    let client = stranger("default");
    client.get("/v1/forward-auth").is(401);
    let signed_in = client.bearer(&token("default", &email));
    assert_eq!(signed_in.get("/v1/forward-auth").is(403).json()["kind"], "forbidden");
    client.post("/v1/auth/generate_code", json!({ "email": email })).is(200);
    let proof = json!({ "email": email, "code": GATEWAY.mailed_code(&email) });
    client.post("/v1/auth/verify_user", proof).is(200);
    let answer = signed_in.get("/v1/forward-auth").is(200);
    assert_eq!(answer.header("X-Auth-Email"), Some(email.as_str()));
    assert_eq!(answer.header("X-Auth-Tenant"), Some("default"));
    assert_eq!(answer.header("X-Auth-Second-Factor"), Some("false"));
    assert!(answer.header("X-Auth-Session").is_some());
}
