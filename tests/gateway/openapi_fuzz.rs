//! What the gateway says of itself in `/openapi.json` against what it does: Schemathesis reads the
//! description and asks every operation for what it allows and for what it does not.

use std::process::Command;

use crate::servers::gateway::{Gateway, UNLIMITED};
use crate::servers::packages;
use serde_json::json;

/// The package and all that it needs.
const PACKAGES: &str = "\
schemathesis==4.32.5
anyio==4.16.0
certifi==2026.10.19.post1
charset-normalizer==3.5.3
click==8.5.1
graphql-core==3.3.2
harfile==0.6.0
hypothesis==6.170.17
hypothesis-graphql==0.13.5
idna==3.20
iniconfig==2.3.1
jsonschema_rs==0.60.3
markdown-it-py==4.3.0
MarkupSafe==3.0.4
mdurl==0.1.2
packaging==26.4
pluggy==1.7.0
Pygments==2.21.0
pyrate-limiter==4.5.1
pytest==9.2.0
PyYAML==6.0.4
requests==2.34.2
rich==15.0.0
sortedcontainers==2.4.0
typing_extensions==4.16.0
urllib3==2.8.0
Werkzeug==3.1.9
";

const HELP: &str = "It takes python3, version 3.10 or newer, with pip.";

/// How many requests of each kind an operation gets. The seed is fixed: what fails, fails again.
const ARGUMENTS: [&str; 11] = [
    "--checks=all",
    "--max-examples=25",
    "--seed=20260101",
    "--continue-on-failure",
    "--generation-database=none",
    "--suppress-health-check=all",
    "--request-timeout=60",
    "--warnings=off",
    "--output-truncate=false",
    "--no-color",
    "--no-shrink",
];

/// 422 refuses a password that is to be set: how long one must be is a setting of the tenant, of which
/// the description knows nothing. The others are those that the program expects by itself.
const CONFIGURATION: &str = r#"
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "422", "429", "5xx"]
"#;

/// To JSON Schema 23.0 is an integer; to the gateway one is written as one.
const HOOKS: &str = "
import schemathesis

@schemathesis.hook
def filter_body(context, body):
    return not isinstance(body, dict) or not isinstance(body.get('cust_length'), float)

@schemathesis.hook
def filter_query(context, query):
    return not query or not any(isinstance(it, float) for it in query.values())
";

/// Ask every operation that `chosen` names, with this token.
fn ask(gateway: &Gateway, token: &str, chosen: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("schemathesis.toml"), CONFIGURATION).unwrap();
    std::fs::write(folder.path().join("hooks.py"), HOOKS).unwrap();
    let output = Command::new("python3")
        .args(["-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"])
        .arg(format!("{}/openapi.json", gateway.url()))
        .args(ARGUMENTS)
        .args(chosen)
        .arg(format!("--header=Authorization: Bearer {token}"))
        .env("PYTHONPATH", packages("schemathesis-4.32.5", PACKAGES, HELP))
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(gateway.runs());
}

#[test]
fn nothing_is_answered_that_the_description_does_not_say() {
    let gateway = Gateway::start(UNLIMITED);
    ask(&gateway, &gateway.admin_token("default"), &[]);
}

#[test]
fn nor_is_anything_to_somebody_who_is_signed_in() {
    let gateway = Gateway::start(UNLIMITED);
    let ann = json!({"email": "ann@example.com", "password": "correct horse"});
    gateway.admin("default").post("/v1/auth/register_user_no_verif", ann.clone()).is(200);
    let answer = gateway.client().post("/v1/session", ann).is(200).json();
    let token = answer["token"].as_str().unwrap();
    // Signing out would be the end of it. Its own session it may find among all at the very end.
    let chosen = ["--include-path-regex=^/v1/(sessions?$|sessions?/[e{]|forward)"];
    let signing_out = ["--exclude-operation-id=delete_session"];
    ask(&gateway, token, &[chosen, signing_out].concat());
}
