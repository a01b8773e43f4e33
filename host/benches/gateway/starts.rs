//! The start, and what the service holds when nothing happens.

use std::time::Duration;

use crate::service::Service;

const TENANTS: usize = 1000;

pub fn run() {
    let names: Vec<String> = (0..TENANTS).map(|at| format!("t{at}")).collect();
    let many: Vec<&str> = names.iter().map(String::as_str).collect();
    for tenants in [&["default"][..], &many] {
        let service = Service::start(tenants);
        let started = service.started_in;
        // What the start itself has taken is given back by then.
        std::thread::sleep(Duration::from_secs(5));
        let (idle, _) = service.memory();
        println!(
            "start with {} tenants: first answer after {} ms; idle memory {idle} MiB",
            tenants.len(),
            started.as_millis()
        );
    }
}
