//! One gateway for all tests that need nothing of their own but an address.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::servers::gateway::Gateway;
use crate::servers::http::Client;

pub const PASSWORD: &str = "correct horse";

/// Accounts are hidden in `default` and not in `open`; `strict` wants a second factor, and `numbers`
/// answers with numbers.
const SETTINGS: &str = "
[tenants.default]
peer_limit = 0
peer_secret_limit = 0
mail_limit = 0
guess_limit = 0
[tenants.open]
peer_limit = 0
peer_secret_limit = 0
mail_limit = 0
guess_limit = 0
hide_accounts = false
[tenants.strict]
peer_limit = 0
peer_secret_limit = 0
mail_limit = 0
guess_limit = 0
require_mfa = true
[tenants.numbers]
peer_limit = 0
peer_secret_limit = 0
readable_errors = false
";

/// The gateway.
pub static GATEWAY: LazyLock<Gateway> = LazyLock::new(|| Gateway::start(SETTINGS));

static TOKENS: LazyLock<HashMap<&str, String>> = LazyLock::new(|| {
    let tenants = ["default", "open", "strict", "numbers"];
    tenants.map(|tenant| (tenant, GATEWAY.admin_token(tenant))).into()
});

/// Somebody whom this tenant does not know.
pub fn stranger(tenant: &str) -> Client {
    let url = GATEWAY.url();
    Client::new(&if tenant == "default" { url } else { format!("{url}/t/{tenant}") })
}

/// The application of this tenant.
pub fn admin(tenant: &str) -> Client {
    stranger(tenant).bearer(&TOKENS[tenant])
}

/// An address that no other test has.
pub fn fresh(name: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("{name}{}@example.com", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A verified user with [`PASSWORD`].
pub fn user(tenant: &str, name: &str) -> String {
    let email = fresh(name);
    let arguments = json!({ "email": email, "password": PASSWORD });
    admin(tenant).post("/v1/auth/register_user_no_verif", arguments).is(200);
    email
}

/// The token of a session of this user.
pub fn token(tenant: &str, email: &str) -> String {
    let arguments = json!({ "email": email, "password": PASSWORD });
    let answer = stranger(tenant).post("/v1/session", arguments).is(200);
    answer.json()["token"].as_str().unwrap().to_owned()
}
