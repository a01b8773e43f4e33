//! Sign-ins beside calls that do not hash, for as long as one likes.

use std::time::Duration;

use crate::service::Service;

/// Connections that sign in, and of each kind that does not hash.
const SIGN_INS: usize = 48;
const READERS: usize = 8;
/// The pause of a caller that does not hash, so that the load is a busy application's and not a loop's.
const PAUSE: Duration = Duration::from_millis(20);

pub fn run() {
    let seconds = std::env::var("PORTCULLIS_LOAD_SECONDS").ok().and_then(|it| it.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(60));
    let service = Service::start(&["default"]);
    let token = service.admin_token("default");
    service.populate("", &token, SIGN_INS + 1);
    let session = service.session("", 0);

    // Other users than the one whose session is read: 32 sign-ins later it would have given way.
    let hashing = service.sign_ins("", SIGN_INS, 1).start();
    let reading = service.checks("", READERS, &session).pause(PAUSE).start();
    let asking = service.questions("", READERS, &token).pause(PAUSE).start();
    let mut memory = Vec::new();
    for _ in 0..10 {
        std::thread::sleep(time / 10);
        memory.push(service.memory().0);
    }
    let [reading, asking, hashing] = [reading, asking, hashing].map(|load| load.stop());
    println!("load: {} connections for {} s", SIGN_INS + 2 * READERS, time.as_secs());
    hashing.report("sign-ins");
    reading.report("session checks");
    asking.report("is_verified");
    println!("  memory, MiB, ten times in that time: {memory:?}; at most {}", service.memory().1);
}
