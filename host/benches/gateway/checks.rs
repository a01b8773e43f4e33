//! Checks of sessions alone, without pause: what lies between the socket and the store.

use std::time::Duration;

use crate::service::Service;

const TIME: Duration = Duration::from_secs(10);

pub fn run() {
    let service = Service::start(&["default"]);
    let token = service.admin_token("default");
    service.populate("", &token, 1);
    let session = service.session("", 0);
    for connections in [1, 16, 256] {
        println!("{connections} connections without pause:");
        service.checks("", connections, &session).run_for(TIME).report("session checks");
    }
}
