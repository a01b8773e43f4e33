//! The pages in a real browser: `browser.mjs` says what is looked at.

use std::path::Path;
use std::process::Command;

use crate::servers::gateway::Gateway;
use crate::servers::{node_packages, run};

/// No test is refused for asking often; `strict` wants a second factor.
const SETTINGS: &str = "
[tenants.default]
peer_limit = 0
peer_secret_limit = 0
mail_limit = 0
[tenants.strict]
peer_limit = 0
peer_secret_limit = 0
mail_limit = 0
require_mfa = true
";

#[test]
fn every_page_works_in_a_browser_with_and_without_javascript() {
    let gateway = Gateway::start(SETTINGS);
    let packages = node_packages("browser-1", &["playwright-core@1.65.1", "axe-core@4.14.1"]);
    // Browsers keep cookies that are for TLS alone for a host of this name, too.
    let base = gateway.url().replace("127.0.0.1", "localhost");
    let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/gateway"));
    let mut node = Command::new("node");
    node.arg(sources.join("browser.mjs")).current_dir(packages);
    node.args(["--base", &base, "--strict", &format!("{base}/t/strict")]);
    node.arg("--outbox").arg(gateway.data().join("outbox"));
    if let Some(chromium) = on_path("chromium") {
        node.arg("--chromium").arg(chromium);
    }
    if let Err(problem) = run(&mut node) {
        panic!("{problem}\nThe gateway:\n{}", gateway.log());
    }
}

fn on_path(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
