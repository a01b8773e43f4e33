//! Forward authentication behind real proxies, configured as `docs/forward-auth.md` shows it.

use std::net::SocketAddr;
use std::sync::{LazyLock, Mutex};

use serde_json::json;

use crate::servers::application::Application;
use crate::servers::gateway::Gateway;
use crate::servers::http::{Answer, Client};
use crate::servers::proxy::{Kind, Proxy, with_every_proxy};

const DOCUMENT: &str = include_str!("../../docs/forward-auth.md");
const PASSWORD: &str = "correct horse";
const COOKIE: &str = "__Host-portcullis";

with_every_proxy! {
    who_is_signed_in_passes_and_the_application_learns_who_it_is
    who_is_not_is_sent_to_sign_in_and_comes_back_to_where_he_wanted_to_go
    what_is_no_page_for_a_browser_is_refused_and_not_sent_elsewhere
    who_is_blocked_is_out_at_the_next_request
    who_signs_out_is_out_at_the_next_request
    a_forged_header_never_arrives
    an_address_that_is_not_proven_never_arrives
    no_spelling_of_a_path_leads_past_the_question
    without_portcullis_nobody_passes
}

/// What all tests share: the application, Portcullis before it, and its administrator.
struct Ground {
    application: Application,
    gateway: Gateway,
    admin: Client,
}

static GROUND: LazyLock<Ground> = LazyLock::new(|| {
    let limits = "peer_limit = 0\npeer_secret_limit = 0\n";
    let gateway = Gateway::start(&format!("{}{limits}", block("portcullis.toml")));
    let admin = gateway.admin("default");
    Ground { application: Application::start(), gateway, admin }
});

/// The block of the document that is this file.
fn block(file: &str) -> String {
    let blocks = DOCUMENT.split("\n```").skip(1).step_by(2);
    let mut blocks = blocks.map(|block| block.split_once('\n').unwrap().1);
    let found = blocks.find(|text| text.lines().next().unwrap().contains(file));
    format!("{}\n", found.unwrap_or_else(|| panic!("{file} is not in the document")))
}

/// The text with the first replaced by the second, which must be there.
fn replaced(text: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (documented, here)| {
        assert!(text.contains(documented), "{documented} is not in:\n{text}");
        text.replace(documented, here)
    })
}

/// The files of the document. What differs is where each program listens, and that there is no TLS.
fn files(kind: Kind, listen: SocketAddr, gateway: &str, site: SocketAddr) -> Vec<(String, String)> {
    let (listen, site) = (&listen.to_string(), &site.to_string());
    let servers = [("127.0.0.1:8080", gateway), ("127.0.0.1:3000", site.as_str())];
    let file = |name: &str, changes: &[(&str, &str)]| {
        let text = block(&format!("/{name}"));
        (name.to_owned(), replaced(&text, changes))
    };
    match kind {
        Kind::Nginx => {
            let certificate = "    ssl_certificate     /etc/ssl/app.example.com.pem;\n";
            let key = "    ssl_certificate_key /etc/ssl/app.example.com.key;\n";
            let listener = format!("listen {listen};");
            let tls = [("listen 443 ssl;", listener.as_str()), (certificate, ""), (key, "")];
            vec![file("app.conf", &[servers.as_slice(), &tls].concat())]
        }
        Kind::Haproxy => {
            let listener = format!("bind {listen}\n");
            let tls = "bind :443 ssl crt /etc/haproxy/app.example.com.pem\n";
            let here =
                [(tls, listener.as_str()), ("/etc/haproxy/portcullis.lua", "portcullis.lua")];
            vec![
                file("haproxy.cfg", &[servers.as_slice(), &here].concat()),
                file("portcullis.lua", &[]),
            ]
        }
        Kind::Caddy => {
            // Its own administration would listen on the same port in every process.
            let here = format!("{{\n\tadmin off\n}}\nhttp://{listen} {{\n\tbind 127.0.0.1");
            let here = [("app.example.com {", here.as_str())];
            vec![file("Caddyfile", &[servers.as_slice(), &here].concat())]
        }
        Kind::Traefik => {
            let here = [("\":443\"", listen.as_str()), ("/etc/traefik/app.yaml", "app.yaml")];
            let host = [("      tls: {}\n", ""), ("app.example.com", "127.0.0.1")];
            vec![
                file("traefik.yaml", &here),
                file("app.yaml", &[servers.as_slice(), &host].concat()),
            ]
        }
        Kind::Envoy => {
            let ports = |address: &str| {
                let (host, port) = address.rsplit_once(':').unwrap();
                format!("address: {host}, port_value: {port} ")
            };
            let (listen, gateway, site) = (ports(listen), ports(gateway), ports(site));
            let (name, text) = file(
                "envoy.yaml",
                &[
                    ("address: 0.0.0.0, port_value: 443 ", listen.as_str()),
                    ("address: 127.0.0.1, port_value: 8080 ", gateway.as_str()),
                    ("address: 127.0.0.1, port_value: 3000 ", site.as_str()),
                ],
            );
            let (before, tls) = text.split_once("    - transport_socket:\n").unwrap();
            let (_, after) = tls.split_once("      filters:\n").unwrap();
            vec![(name, format!("{before}    - filters:\n{after}"))]
        }
    }
}

fn proxy(kind: Kind) -> &'static Proxy {
    /// One of each, when it is first asked for.
    static PROXIES: Mutex<Vec<(Kind, &'static Proxy)>> = Mutex::new(Vec::new());
    let mut proxies = PROXIES.lock().unwrap();
    if let Some((_, proxy)) = proxies.iter().find(|(known, _)| *known == kind) {
        return proxy;
    }
    let ground = &*GROUND;
    let gateway = ground.gateway.address();
    let proxy =
        Proxy::start(kind, |listen| files(kind, listen, &gateway, ground.application.address));
    let proxy: &'static Proxy = Box::leak(Box::new(proxy));
    proxies.push((kind, proxy));
    proxy
}

/// A browser at the proxy.
fn browser(kind: Kind) -> Client {
    Client::new(&proxy(kind).url()).with("Accept", "text/html,application/xhtml+xml")
}

fn address(name: &str, kind: Kind) -> String {
    format!("{name}-{kind:?}@example.com")
}

/// An account whose owner has proven to read its mailbox.
fn registered(email: &str) {
    let client = GROUND.gateway.client();
    let account = json!({"email": email, "password": PASSWORD});
    client.post("/auth/v1/auth/register_user", account).is(200);
    let code = GROUND.gateway.mailed_code(email);
    client.post("/auth/v1/auth/verify_user", json!({"email": email, "code": code})).is(200);
}

/// The browser after signing in through the proxy.
fn signed_in(browser: &Client, email: &str) -> Client {
    let wish = json!({"email": email, "password": PASSWORD, "cookie": true});
    let answer = browser.with("Sec-Fetch-Site", "same-origin").post("/auth/v1/session", wish);
    let answer = answer.is(200);
    assert!(answer.cookie(COOKIE).is_some(), "{:?}", answer.headers);
    browser.with_cookies_of(&answer)
}

/// The values of a header with which the request has reached the application, under any spelling
/// that an application may take for it.
fn arrived(answer: &Answer, name: &str) -> Vec<String> {
    let report = answer.json();
    let headers = report["headers"].as_array().unwrap().iter();
    let same = |header: &str| header.replace('_', "-").eq_ignore_ascii_case(name);
    let found = headers.filter(|pair| same(pair[0].as_str().unwrap()));
    found.map(|pair| pair[1].as_str().unwrap().to_owned()).collect()
}

fn who_is_signed_in_passes_and_the_application_learns_who_it_is(kind: Kind) {
    let email = address("Ann", kind);
    registered(&email);
    let ann = signed_in(&browser(kind), &email);
    let target = "/reports/7?year=2026&for=a%26b";
    let answer = ann.get(target).is(200);
    assert_eq!(answer.json()["target"], target);
    assert_eq!(arrived(&answer, "X-Auth-Email"), [email]);
    assert_eq!(arrived(&answer, "X-Auth-Tenant"), ["default"]);
    assert_eq!(arrived(&answer, "X-Auth-Second-Factor"), ["false"]);
    let session = ann.get("/auth/v1/session").is(200).json();
    assert_eq!(arrived(&answer, "X-Auth-Session"), [session["session"]["id"].as_str().unwrap()]);

    let answer = ann.post("/reports", json!({"year": 2026})).is(200).json();
    assert_eq!((&answer["method"], &answer["body"]), (&json!("POST"), &json!(r#"{"year":2026}"#)));
}

fn who_is_not_is_sent_to_sign_in_and_comes_back_to_where_he_wanted_to_go(kind: Kind) {
    let email = address("ben", kind);
    registered(&email);
    let target = format!("/{kind:?}/ben?year=2026&for=a%26b");
    let browser = browser(kind);
    let answer = browser.get(&target);
    assert_eq!(answer.status, 302);
    let page = here(answer.leads_to(), kind);
    assert!(!GROUND.application.was_asked_for(&target));

    let form = browser.get(&page).is(200).text();
    let return_to = hidden(&form, "return_to");
    let fields = [("email", email.as_str()), ("password", PASSWORD), ("return_to", &return_to)];
    let answer = browser.post_form("/auth/sign-in", &fields);
    let back = here(answer.leads_to(), kind);
    assert_eq!(back, target);
    let answer = browser.with_cookies_of(&answer).get(&back).is(200);
    assert_eq!(answer.json()["target"], target.as_str());
    assert_eq!(arrived(&answer, "X-Auth-Email"), [email]);
}

fn what_is_no_page_for_a_browser_is_refused_and_not_sent_elsewhere(kind: Kind) {
    let program = Client::new(&proxy(kind).url());
    program.get("/list.json").is(401);
    program.with("Cookie", &format!("{COOKIE}=x")).get("/list.json").is(401);
    program.post("/list.json", json!({})).is(401);
    browser(kind).post("/list.json", json!({})).is(401);
    assert!(!GROUND.application.was_asked_for("/list.json"), "{kind:?}");
}

fn who_is_blocked_is_out_at_the_next_request(kind: Kind) {
    let email = address("cat", kind);
    registered(&email);
    let cat = signed_in(&browser(kind), &email);
    cat.get("/").is(200);
    GROUND.admin.post("/auth/v1/utils/block_user", json!({"email": email})).is(200);
    let target = format!("/{kind:?}/blocked");
    assert_eq!(cat.get(&target).status, 302);
    assert!(!GROUND.application.was_asked_for(&target));
}

fn who_signs_out_is_out_at_the_next_request(kind: Kind) {
    let email = address("dan", kind);
    registered(&email);
    let dan = signed_in(&browser(kind), &email);
    dan.get("/").is(200);
    dan.with("Sec-Fetch-Site", "same-origin").delete("/auth/v1/session").is(200);
    assert_eq!(dan.get("/").status, 302);
}

fn a_forged_header_never_arrives(kind: Kind) {
    let email = address("eve", kind);
    registered(&email);
    let forged = |client: &Client| {
        let mut forged = client.with("Connection", "close, X-Auth-Email, X-Auth-Tenant");
        for name in ["Email", "Session", "Second-Factor", "Tenant"] {
            for prefix in ["X-Auth-", "x-auth-", "X_Auth_", "X-Auth_", "X_Auth-"] {
                forged = forged.with(&format!("{prefix}{name}"), "forged");
                forged = forged.with(&format!("{prefix}{}", name.replace('-', "_")), "forged");
            }
        }
        forged
    };
    let eve = signed_in(&browser(kind), &email);
    let answer = forged(&eve).get("/").is(200);
    assert_eq!(arrived(&answer, "X-Auth-Email"), [email]);
    assert_eq!(arrived(&answer, "X-Auth-Tenant"), ["default"]);
    assert!(!answer.text().contains("forged"), "{}", answer.text());
    // Nor does one help who is not signed in.
    let target = format!("/{kind:?}/forged");
    assert_eq!(forged(&browser(kind)).get(&target).status, 302);
    assert!(!GROUND.application.was_asked_for(&target));
}

fn an_address_that_is_not_proven_never_arrives(kind: Kind) {
    let email = address("fay", kind);
    // Whoever administers may make an account for any address.
    let account = json!({"email": email, "password": PASSWORD});
    GROUND.admin.post("/auth/v1/auth/register_user_no_verif", account).is(200);
    let fay = signed_in(&browser(kind), &email);
    let target = format!("/{kind:?}/unproven");
    // A browser is led to where a code for the address can be had; a program is refused.
    let led = fay.get(&target);
    assert!(led.leads_to().contains("/auth/account"), "{:?}", led.headers);
    fay.post(&target, json!({})).is(403);
    assert!(!GROUND.application.was_asked_for(&target));
}

fn no_spelling_of_a_path_leads_past_the_question(kind: Kind) {
    let secret = format!("secret-{kind:?}");
    let stranger = Client::new(&proxy(kind).url());
    for before in [
        "/auth/../",
        "/auth/%2e%2e/",
        "/auth/..%2f",
        "/auth/..%5c",
        "/auth/..;/",
        "/auth//../",
        "//",
        "/auth/../auth/../",
        "/AUTH/",
        "/auth%2f",
        "/%61uth/../",
        "/auth/v1/../../",
        "/auth/v1/forward-auth/../../../",
        "/.portcullis/check/",
        "/auth?/",
        "/?/auth/",
    ] {
        let answer = stranger.get(&format!("{before}{secret}"));
        assert_ne!(answer.status, 200, "{before}: {}", answer.text());
    }
    for method in ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"] {
        let answer = stranger.send(method, &format!("/{secret}"), None, ());
        assert_eq!(answer.status, 401, "{method}");
    }
    assert!(!GROUND.application.was_asked_for(&secret));
}

fn without_portcullis_nobody_passes(kind: Kind) {
    // Nobody listens on this one.
    let gone = SocketAddr::from(([127, 0, 0, 1], crate::servers::free_port())).to_string();
    let application = GROUND.application.address;
    let proxy = Proxy::start(kind, |listen| files(kind, listen, &gone, application));
    let target = format!("/{kind:?}/gone");
    let answer = Client::new(&proxy.url()).cookie(COOKIE, "x").get(&target);
    assert!((500..600).contains(&answer.status), "{answer:?}");
    assert!(!GROUND.application.was_asked_for(&target));
}

#[test]
fn where_a_proxy_keeps_the_host_to_itself_public_url_says_where_the_pages_are() {
    let gateway = Gateway::start(
        "[tenants.default]\npath = \"/auth\"\npublic_url = \"https://app.example.com/auth\"\n",
    );
    let asking = |host: &str| {
        let client = gateway.client().with("Accept", "text/html").with("X-Forwarded-Method", "GET");
        let client = client.with("X-Forwarded-Proto", "https").with("X-Forwarded-Host", host);
        let answer = client.with("X-Forwarded-Uri", "/a?b=c&d").get("/auth/v1/forward-auth");
        answer.is(302).leads_to().to_owned()
    };
    assert_eq!(
        asking("app.example.com"),
        "https://app.example.com/auth/?return_to=https%3A//app.example.com/a%3Fb%3Dc%26d"
    );
    // Nobody is sent back to a host that is none of ours.
    assert_eq!(asking("evil.example"), "https://app.example.com/auth/");
}

/// The path of an address on the proxy's own host.
fn here(location: &str, kind: Kind) -> String {
    let path = location.strip_prefix(&proxy(kind).url()).unwrap_or(location);
    assert!(path.starts_with('/') && !path.starts_with("//"), "{location}");
    path.to_owned()
}

/// The value of a hidden field of a page.
fn hidden(page: &str, name: &str) -> String {
    let (_, field) = page.split_once(&format!("name=\"{name}\"")).expect(page);
    let (_, value) = field.split_once("value=\"").unwrap();
    let value = value.split('"').next().unwrap();
    // What a template escapes.
    [
        ("&#x2f;", "/"),
        ("&#x3d;", "="),
        ("&quot;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(value.to_owned(), |value, (escaped, plain)| value.replace(escaped, plain))
}
