//! SIGKILL in the middle of writing: what was acknowledged is there afterwards, and the database
//! opens.

use std::io::Write;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::program::{Ground, Site, Worker, on_every_ground};
use crate::servers;

on_every_ground! { every_acknowledged_change_survives_a_sigkill }

/// More than a process can write before it is killed.
const WRITES: u64 = 100_000;

/// Writes without pause until it is killed: the number of the last write that was acknowledged.
///
/// Even writes change a user, odd ones make a new one.
fn write_until_killed(worker: &mut Worker, round: u64, life: Duration) -> u64 {
    let mut input = worker.take_input();
    let writer = thread::spawn(move || {
        for number in 0..WRITES {
            let line = match number % 2 {
                0 => {
                    json!({"function": "replace_usr_data", "arguments": {"email": "ann@example.com", "custom_data": [round, number]}})
                }
                _ => {
                    json!({"function": "register_user_no_pass", "arguments": {"email": made_by(round, number), "custom_data": number}})
                }
            };
            if writeln!(input, "{line}").is_err() {
                break; // killed
            }
        }
    });
    // The first answer is to write 0.
    let known = 1 + round % 4;
    for _ in 0..=known {
        let answer = worker.hear();
        assert_eq!(answer["reply"]["success"], true, "{answer}");
    }
    let pid = worker.id();
    let killer = thread::spawn(move || {
        thread::sleep(life);
        servers::signal(pid, "KILL");
    });
    let mut acknowledged = known;
    while let Some(answer) = worker.listen() {
        assert_eq!(answer["reply"]["success"], true, "{answer}");
        acknowledged += 1;
    }
    worker.wait();
    killer.join().unwrap();
    writer.join().unwrap();
    acknowledged
}

fn made_by(round: u64, number: u64) -> String {
    format!("u{round}-{number}@example.com")
}

fn every_acknowledged_change_survives_a_sigkill(ground: Ground) {
    let site = Site::on(ground, &[("mail_limit", 0)]);
    // A server answers more slowly than a file, and fewer kills come at a bad moment.
    let rounds = if ground == Ground::Embedded { 50 } else { 12 };
    let mut survivor = site.worker();
    survivor.call("register_user_no_pass", json!({"email": "ann@example.com"}));
    let mut written = 0;
    for round in 0..rounds {
        // Spread over what a commit takes, so that kills fall into every part of one.
        let life = Duration::from_micros(1_000 + round * 7_919 % 60_000);
        let last = write_until_killed(&mut site.worker(), round, life);
        written += last;

        let data = survivor.call("get_cust_usr_data", json!({"email": "ann@example.com"}));
        let [wrote_round, wrote_number] = [0, 1].map(|at| data["message"][at].as_u64().unwrap());
        assert_eq!(wrote_round, round, "{data}");
        assert!(
            wrote_number + 1 >= last, // the last may have been an odd one
            "acknowledged {last}, found {wrote_number}"
        );
        for number in (1..=last).filter(|number| number % 2 == 1) {
            let data = survivor.call("get_cust_usr_data", json!({"email": made_by(round, number)}));
            assert_eq!(data["message"], number, "{data}");
        }
        for number in last..last + 3 {
            let email = made_by(round, number);
            let reply = survivor.call("is_blocked", json!({"email": email}));
            if reply["message"] != "User is not found in blocked database." {
                continue;
            }
            // Without transactions the user may be there before his block record, which is as good
            // as one that says false. Elsewhere nothing is half done.
            assert!(ground == Ground::Single, "{email} is half there");
            survivor.call("block_user", json!({"email": email}));
            let reply = survivor.call("is_blocked", json!({"email": email}));
            assert_eq!(reply["message"], "User is blocked.");
        }
    }
    assert!(written >= rounds, "only {written} writes were seen: this has tested nothing");
}
