//! Which tenant a request is for.

use serde_json::json;

use super::shared::PASSWORD;
use crate::servers::gateway::Gateway;
use crate::servers::wait_for;

/// How many users a tenant has, as its own application is told.
fn users(gateway: &Gateway, tenant: &str, client: &crate::servers::http::Client) -> u64 {
    let client = client.bearer(&gateway.admin_token(tenant));
    client.post("/v1/coredb/user_count", json!({})).is(200).json()["message"].as_u64().unwrap()
}

#[test]
fn a_tenant_is_found_by_host_by_path_and_by_name() {
    let gateway = Gateway::start(
        "[tenants.default]\n[tenants.hosted]\nhosts = [\"auth.example.com\", \"b.example.com\"]\n\
         [tenants.below]\npath = \"/accounts/eu\"\n[tenants.named]\n",
    );
    let at = |host: Option<&str>, prefix: &str| {
        let client = crate::servers::http::Client::new(&format!("{}{prefix}", gateway.url()));
        host.map_or(client.clone(), |host| client.with("Host", host))
    };
    let ways = [
        ("default", at(None, "")),
        ("hosted", at(Some("Auth.Example.com:8443"), "")),
        ("below", at(None, "/accounts/eu")),
        ("named", at(None, "/t/named")),
    ];
    for (count, (tenant, client)) in ways.iter().enumerate() {
        for number in 0..=count {
            let email = format!("{tenant}{number}@example.com");
            let arguments = json!({ "email": email, "password": PASSWORD });
            client.post("/v1/auth/register_user", arguments).is(200);
        }
    }
    for (count, (tenant, client)) in ways.iter().enumerate() {
        assert_eq!(users(&gateway, tenant, client), count as u64 + 1, "{tenant}");
    }
    // The path of another tenant is nothing on a host that is one tenant's own.
    at(Some("b.example.com"), "/t/named").get("/v1/session").is(404);
    at(None, "/t/hosted").get("/v1/session").is(404);
    at(None, "/accounts").get("/v1/session").is(404);
    at(None, "/t/namedx").get("/v1/session").is(404);
}

#[test]
fn where_there_is_no_default_tenant_a_request_must_name_one() {
    let gateway = Gateway::start("[tenants.shop]\n");
    let client = gateway.client();
    let answer = client.get("/v1/session").is(404).json();
    assert_eq!(answer["error"], "there is no such tenant");
    client.get("/t/shop/v1/session").is(401);
    client.get("/healthz").is(200);
    client.get("/readyz").is(200);
}

#[test]
fn a_thousand_tenants_are_served_by_one_process() {
    let settings: String =
        (0..1000).map(|number| format!("[tenants.t{number}]\ncode_length = 8\n")).collect();
    let gateway = Gateway::start(&settings);
    let arguments = json!({ "email": "ann@example.com", "password": PASSWORD });
    for number in [0, 500, 999] {
        let path = format!("/t/t{number}/v1/auth/register_user");
        gateway.client().post(&path, arguments.clone()).is(200);
    }
    // Only those that somebody has asked for were opened.
    let stores = std::fs::read_dir(gateway.data().join("tenants")).unwrap();
    let names = stores.map(|entry| entry.unwrap().path());
    assert_eq!(names.filter(|path| path.extension().is_some_and(|it| it == "db")).count(), 3);
}

#[test]
fn mail_of_a_tenant_leaves_although_nobody_asks_for_him() {
    // Nobody listens at the port of the mail server.
    let dead = crate::servers::free_port();
    let with_mail = format!(
        "[tenants.shop.mail_info]\nserver = \"127.0.0.1\"\nport = {dead}\n\
         username = \"shop@example.com\"\npassword = \"p\"\n[tenants.shop]\nmail_tls = \"none\"\n"
    );
    let gateway = Gateway::start(&with_mail);
    let arguments = json!({ "email": "ann@example.com", "password": PASSWORD });
    gateway.client().post("/t/shop/v1/auth/register_user", arguments).is(200);
    gateway.signal("TERM");
    gateway.wait();
    gateway.rewrite("[tenants.shop]\n");
    gateway.serve(|_| ());
    wait_for("the mail leaves", || !gateway.mails("ann@example.com").is_empty());
}
