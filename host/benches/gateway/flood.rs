//! What one tenant notices of another whose sign-ins are more than the machine can do.

use std::time::Duration;

use crate::load::{Load, Refused, ms};
use crate::service::Service;

const CONNECTIONS: usize = 1000;
/// How long each is looked at.
const TIME: Duration = Duration::from_secs(15);
const AFTERWARDS: Duration = Duration::from_secs(60);
/// The other tenant's callers are people, not loops.
const PAUSE: Duration = Duration::from_millis(50);

pub fn run() {
    let service = Service::start(&["one", "other"]);
    for (tenant, users) in [("one", CONNECTIONS), ("other", 2)] {
        let token = service.admin_token(tenant);
        service.populate(&format!("/t/{tenant}"), &token, users);
    }
    let other = Other {
        token: service.admin_token("other"),
        session: service.session("/t/other", 0),
        service: &service,
    };
    std::thread::sleep(Duration::from_secs(5));
    let (idle, _) = service.memory();
    println!("a tenant on his own, calling on one connection each:");
    let quiet = other.measure();
    service.forget_highest();
    let pause = Duration::from_millis(100);
    for (how, refused) in
        [("pause for 100 ms", Refused::Pauses(pause)), ("do not pause", Refused::Insists)]
    {
        println!(
            "while another floods the service with sign-ins on {CONNECTIONS} connections; the \
             refused {how}:"
        );
        let flood = service.sign_ins("/t/one", CONNECTIONS, 0).refused(refused).start();
        // Full by then.
        std::thread::sleep(Duration::from_secs(2));
        let flooded = other.measure();
        for ((what, quiet), (_, flooded)) in quiet.iter().zip(&flooded) {
            if flooded.is_zero() {
                println!("  {what}: none was served");
                continue;
            }
            println!("  p99 of {what}: {:.2} times its quiet value", ms(*flooded) / ms(*quiet));
        }
        flood.stop().report("the flood itself");
    }
    let (_, highest) = service.memory();
    std::thread::sleep(AFTERWARDS);
    let (after, _) = service.memory();
    println!(
        "  memory: {idle} MiB idle before it, at most {highest} MiB, {after} MiB {} s after it",
        AFTERWARDS.as_secs()
    );
}

/// The tenant that is looked at.
struct Other<'a> {
    service: &'a Service,
    token: String,
    session: String,
}

impl Other<'_> {
    /// The p99 of each kind of call.
    fn measure(&self) -> Vec<(&'static str, Duration)> {
        let prefix = "/t/other";
        // Not as the one whose session is looked at: it would give way after 32 sign-ins.
        let kinds: [(&str, Load); 3] = [
            ("sign-ins", self.service.sign_ins(prefix, 1, 1)),
            ("session checks", self.service.checks(prefix, 1, &self.session)),
            ("is_verified", self.service.questions(prefix, 1, &self.token)),
        ];
        let running = kinds.map(|(what, load)| {
            // As somebody who obeys would, at the least.
            (what, load.pause(PAUSE).refused(Refused::Obeys).start())
        });
        std::thread::sleep(TIME);
        let seen = running.map(|(what, running)| {
            let seen = running.stop();
            seen.report(what);
            (what, seen.time(200, 0.99))
        });
        seen.to_vec()
    }
}
