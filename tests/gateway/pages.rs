//! The pages, where a browser need not be there to see it.

use std::fs;

use super::shared::{PASSWORD, fresh, stranger, user};
use crate::servers::gateway::{Gateway, UNLIMITED};
use crate::servers::http::Client;
use crate::servers::wait_for;

const FORM: &str = "application/x-www-form-urlencoded";

/// Somebody who reads pages.
fn reader(client: &Client) -> Client {
    client.with("Accept", "text/html,application/xhtml+xml")
}

#[test]
fn too_often_is_told_in_words() {
    let gateway = Gateway::start(
        "[tenants.default]\npeer_secret_limit = 1\npeer_secret_limit_burst = 1\nmail_limit = 0\n",
    );
    let client = reader(&gateway.client());
    let wrong = [("email", "ann@example.com"), ("password", "wrong")];
    client.post_form("/sign-in", &wrong).is(401);
    let answer = client.post_form("/sign-in", &wrong).is(429);
    let seconds: u64 = answer.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    let text = answer.text();
    assert!(text.contains("There were too many attempts. Try again in "), "{text}");
    // To look costs nothing.
    client.get("/").is(200);
}

#[test]
fn what_the_component_wants_waited_for_is_told_in_words() {
    let gateway = Gateway::start(&format!("{UNLIMITED}rate_limiting = 90\n"));
    let client = gateway.client();
    let wrong = [("email", "ann@example.com"), ("password", "wrong")];
    client.post_form("/sign-in", &wrong).is(401);
    let answer = client.post_form("/sign-in", &wrong).is(429);
    assert!(answer.header("Retry-After").is_some());
    let text = answer.text();
    assert!(text.contains("Try again in 2 minutes."), "{text}");
    assert!(text.contains("value=\"ann@example.com\""), "{text}");
}

#[test]
fn a_form_that_no_page_of_ours_sent_does_nothing() {
    let email = fresh("foreign");
    let body = format!("email={email}&password=correct%20horse");
    let client = stranger("default");
    for from in [
        client.with("Sec-Fetch-Site", "cross-site"),
        client.with("Sec-Fetch-Site", "same-site"),
        client.with("Origin", "https://evil.example"),
        client.with("Origin", "null"),
        client.clone(),
    ] {
        for path in ["/register", "/sign-in", "/sign-out", "/sessions/end", "/delete", "/forgot"] {
            let answer = from.send("POST", path, Some(FORM), body.as_str()).is(403);
            assert!(answer.text().contains("did not come from a page of this site"));
            assert!(answer.set_cookies().is_empty());
        }
    }
    // Nobody has registered this address.
    super::shared::admin("default")
        .post("/v1/utils/is_verified", serde_json::json!({ "email": email }))
        .is(404);
}

#[test]
fn a_store_that_does_not_answer_is_told_and_looking_needs_none() {
    let gateway = Gateway::start(
        "[tenants.default]\nmongo_uri = \"mongodb://127.0.0.1:9\"\ndb_name = \"none\"\n\
         db_attempts = 1\ndb_delay = 0\ndb_timeout = 200\n",
    );
    let client = gateway.client();
    for path in ["/", "/register", "/verify", "/code", "/forgot", "/reset", "/sign-in-by-mail"] {
        client.get(path).is(200);
    }
    let answer = client.post_form("/sign-in", &[("email", "a@b.c"), ("password", "x")]).is(503);
    assert!(answer.header("Retry-After").is_some());
    assert_eq!(answer.header("Content-Type"), Some("text/html; charset=utf-8"));
    assert!(answer.text().contains("The service cannot answer now. Try again in "));
}

#[test]
fn a_secret_is_never_shown_again() {
    let client = stranger("default");
    for (path, field) in [
        ("/sign-in", "password"),
        ("/register", "password"),
        ("/verify", "code"),
        ("/code", "code"),
        ("/reset", "code"),
        ("/reset", "new_password"),
    ] {
        let fields = [("email", "no address"), (field, "s3cr3t-thing")];
        let answer = client.post_form(path, &fields).is(400);
        let text = answer.text();
        assert!(text.contains("value=\"no address\""), "{path}: {text}");
        assert!(!text.contains("s3cr3t"), "{path}: {text}");
    }
}

#[test]
fn a_form_that_cannot_be_read_is_refused_as_a_page() {
    let client = reader(&stranger("default")).with("Sec-Fetch-Site", "same-origin");
    for body in ["email=a&email=b", "email=a&password=b&password=c"] {
        let answer = client.send("POST", "/sign-in", Some(FORM), body).is(400);
        assert!(answer.text().contains("This was refused"), "{}", answer.text());
    }
    client.send("POST", "/sign-in", Some("text/plain"), "email=a").is(415);
    // What a browser asks for when somebody opens the address that a form went to.
    assert_eq!(client.get("/sign-in?return_to=/x").is(303).leads_to(), "/?return_to=/x");
    let answer = client.get("/sessions/end").is(405);
    assert_eq!(answer.header("Content-Type"), Some("text/html; charset=utf-8"));
}

#[test]
fn only_a_listed_origin_is_returned_to_and_only_then_may_forms_lead_there() {
    let gateway = Gateway::start(&format!("{UNLIMITED}return_to = [\"https://app.example\"]\n"));
    let client = gateway.client();
    let admin = gateway.admin("default");
    let ann = serde_json::json!({ "email": "ann@example.com", "password": PASSWORD });
    admin.post("/v1/auth/register_user_no_verif", ann).is(200);
    let answer = |target: &str| {
        let shown = client.get(&format!("/?return_to={}", crate::servers::http::encode(target)));
        let policy = shown.is(200).header("Content-Security-Policy").unwrap().to_owned();
        let fields = [("email", "ann@example.com"), ("password", PASSWORD), ("return_to", target)];
        (policy, client.post_form("/sign-in", &fields).is(303).leads_to().to_owned())
    };
    let (policy, location) = answer("https://app.example/x?y=1");
    assert!(policy.contains("form-action 'self' https://app.example;"), "{policy}");
    assert_eq!(location, "https://app.example/x?y=1");
    for evil in ["https://evil.example/", "//evil.example", "https://app.example@evil.example/"] {
        let (policy, location) = answer(evil);
        assert!(policy.contains("form-action 'self';"), "{policy}");
        assert_eq!(location, "/account");
    }
}

#[test]
fn whoever_has_to_confirm_his_address_first_goes_on_from_there() {
    let gateway = Gateway::start(UNLIMITED);
    let email = "ann@example.com";
    let ann = serde_json::json!({ "email": email, "password": PASSWORD });
    gateway.admin("default").post("/v1/auth/register_user_no_verif", ann).is(200);
    let client = gateway.client();
    let answer = client.get("/account?return_to=/shop").is(303);
    assert_eq!(answer.leads_to(), "/?told=sign-in-first&return_to=/shop");
    let opened = client.post_form("/sign-in", &[("email", email), ("password", PASSWORD)]);
    let client = client.with_cookies_of(&opened.is(303));
    let page = client.get("/account?return_to=/shop").is(200).text();
    assert!(page.contains("not confirmed"), "{page}");
    assert!(page.contains("name=\"return_to\" value=\"&#x2f;shop\""), "{page}");
    let fields = [("email", email), ("send", "1"), ("return_to", "/shop")];
    let asked = client.post_form("/verify", &fields).is(303);
    assert!(asked.leads_to().ends_with("&return_to=/shop"), "{}", asked.leads_to());
    let client = client.with_cookies_of(&asked);
    let code = gateway.mailed_code(email);
    let fields = [("email", email), ("code", code.as_str()), ("return_to", "/shop")];
    assert_eq!(client.post_form("/verify", &fields).is(303).leads_to(), "/shop");
    assert!(!client.get("/account").is(200).text().contains("not confirmed"));
}

#[test]
fn nothing_of_a_session_outlasts_its_end() {
    let email = user("default", "leaver");
    let client = stranger("default");
    let fields = [("email", email.as_str()), ("password", PASSWORD)];
    let opened = client.post_form("/sign-in", &fields).is(303);
    assert!(opened.cookie("__Host-portcullis").is_some());
    let signed_in = client.with_cookies_of(&opened);
    let page = signed_in.get("/account").is(200);
    assert_eq!(page.header("Cache-Control"), Some("no-store"));
    assert!(page.text().contains(&email));
    signed_in.post_form("/sign-out", &[]).is(303);
    // The cookie of before opens nothing.
    let answer = signed_in.get("/account").is(303);
    assert!(answer.leads_to().starts_with("/?told=sign-in-first&return_to="));
    assert!(answer.set_cookies().iter().any(|(name, ..)| name == "__Host-portcullis"));
}

#[test]
fn a_tenant_below_a_path_has_its_own_links_and_cookies() {
    let client = reader(&stranger("strict"));
    let page = client.get("/").is(200).text();
    for link in ["/t/strict/sign-in\"", "/t/strict/register\"", "/t/strict/style.css?v="] {
        assert!(page.replace("&#x2f;", "/").contains(link), "{link}: {page}");
    }
    let answer = client.get("/no-such-page").is(404);
    assert!(answer.text().contains("There is no such page."));
}

#[test]
fn a_theme_is_tried_at_the_start_and_at_each_reload() {
    let gateway = Gateway::prepare(&format!("{UNLIMITED}theme = \"look\"\n"));
    let settings = gateway.data().with_file_name("look");
    fs::create_dir(&settings).unwrap();
    let write = |name: &str, content: &str| fs::write(settings.join(name), content).unwrap();

    write("brand.html", "<p>Shop</p>\n{{ nothing }}");
    let output = gateway.command(&["serve"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(told.contains("`theme` of tenant `default`"), "{told}");
    assert!(told.contains("brand.html, line 2: undefined value"), "{told}");

    write("brand.html", "<p>Shop</p>");
    write("logo.png", "a picture");
    gateway.serve(|_| ());
    let client = gateway.client();
    assert!(client.get("/").is(200).text().contains("<p>Shop</p>"));
    let picture = client.get("/theme/logo.png").is(200);
    assert_eq!(picture.header("Content-Type"), Some("image/png"));
    assert_eq!(picture.text(), "a picture");
    client.get("/theme/brand.html").is(404);
    client.get("/theme/..%2Fportcullis.toml").is(404);

    write("brand.html", "{% if %}");
    gateway.signal("HUP");
    wait_for("the complaint", || gateway.log().contains("brand.html, line 1: syntax error"));
    assert!(client.get("/").is(200).text().contains("<p>Shop</p>"));
    write("brand.html", "<p>New shop</p>");
    gateway.signal("HUP");
    wait_for("the new look", || client.get("/").is(200).text().contains("<p>New shop</p>"));
}

#[test]
fn a_file_is_kept_for_ever_under_the_name_of_its_version() {
    let client = stranger("default");
    let page = client.get("/").is(200).text().replace("&#x2f;", "/");
    let (_, rest) = page.split_once("href=\"/style.css").unwrap();
    let version = rest.split('"').next().unwrap();
    let kept = |path: &str| client.get(path).is(200).header("Cache-Control").unwrap().to_owned();
    assert!(kept(&format!("/style.css{version}")).contains("immutable"));
    assert!(!kept("/style.css").contains("immutable"));
    assert!(!kept("/style.css?v=0").contains("immutable"));
}
