//! `/openapi.json` as others read it: a validator, and a generator of clients.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::servers::gateway::{Gateway, UNLIMITED};
use crate::servers::{packages, run};

/// openapi-spec-validator and openapi-python-client with all that they need, and all that a generated
/// client needs.
const PACKAGES: &str = "\
openapi-spec-validator==0.9.0
openapi-python-client==0.29.1
annotated-doc==0.0.7
annotated-types==0.8.0
anyio==4.16.0
attrs==26.1.0
certifi==2026.10.19.post1
h11==0.16.0
httpcore==1.0.9
httpx==0.28.1
idna==3.20
Jinja2==3.1.6
jsonschema==4.26.0
jsonschema-path==0.5.0
jsonschema-specifications==2025.9.1
lazy-object-proxy==1.13.0
markdown-it-py==4.3.0
MarkupSafe==3.0.4
mdurl==0.1.2
openapi-schema-validator==0.9.0
pathable==0.6.0
pydantic==2.14.4
pydantic-settings==2.16.3
pydantic_core==2.50.5
Pygments==2.21.0
python-dotenv==1.2.4
PyYAML==6.0.4
referencing==0.37.0
rfc3339-validator==0.1.4
rich==15.0.0
rpds-py==2026.9.1
ruamel.yaml==0.19.1
shellingham==1.5.4
six==1.17.0
typer==0.27.3
typing-inspection==0.4.5
typing_extensions==4.16.0
";

const HELP: &str = "It takes python3, version 3.11 or newer, with pip.";

/// The generator knows no media type of anything and none of metrics, and needs not put what it writes
/// in order.
const CONFIGURATION: &str = r#"
content_type_overrides:
  "*/*": application/octet-stream
  "application/openmetrics-text": text/plain
post_hooks: []
"#;

const GENERATE: &str = "from openapi_python_client.cli import app; app()";
const SCRIPT: &str = include_str!("client.py");

/// Python with these packages, and with what is in this folder.
fn python(folder: &Path) -> Command {
    let packages = packages("openapi-readers-1", PACKAGES, HELP);
    let path = std::env::join_paths([packages.as_path(), folder]).unwrap();
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", path).current_dir(folder);
    python
}

/// A folder with the description that this gateway gives.
fn described(gateway: &Gateway) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let description = gateway.client().get("/openapi.json").is(200).body;
    fs::write(folder.path().join("openapi.json"), description).unwrap();
    folder
}

#[test]
fn a_validator_of_others_finds_the_description_in_order() {
    let folder = described(&Gateway::start(UNLIMITED));
    let mut validator = python(folder.path());
    validator.args([
        "-m",
        "openapi_spec_validator",
        "--schema",
        "3.1",
        "--validation-errors",
        "all",
    ]);
    let output = run(validator.arg("openapi.json")).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.trim(), "openapi.json: OK");
}

#[test]
fn a_client_that_is_generated_from_the_description_has_the_first_session() {
    let gateway = Gateway::start(UNLIMITED);
    let folder = described(&gateway);
    fs::write(folder.path().join("generator.yaml"), CONFIGURATION).unwrap();
    let mut generator = python(folder.path());
    generator.args(["-c", GENERATE, "generate", "--path", "openapi.json", "--meta", "none"]);
    generator.args(["--config", "generator.yaml", "--output-path", "portcullis_client"]);
    let output = generator.arg("--fail-on-warning").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));

    let mut session = python(folder.path())
        .args(["-c", SCRIPT, &gateway.url(), &gateway.admin_token("default")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(session.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().expect("it registers").unwrap(), "registered");
    let code = gateway.mailed_code("Ann@example.com");
    writeln!(session.stdin.take().unwrap(), "{code}").unwrap();
    assert_eq!(lines.next().expect("it gets to the end").unwrap(), "done");
    assert!(session.wait().unwrap().success());
}
