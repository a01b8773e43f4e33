//! A disk without room: a small file system of its own for the folder of data, which only one
//! process sees, so that it is gone with that process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value as Json, json};

use crate::program::{PROGRAM, Site, Worker};

/// Something else that takes room.
const BALLAST: &str = "ballast";

/// A process whose data stands on a disk of three megabytes, of which one is free.
fn worker(site: &Site) -> Worker {
    let script = r#"
        mkdir -p "$1" && mount -t tmpfs -o size=3m tmpfs "$1" &&
        head -c 2000000 /dev/zero >"$1/ballast" && exec "$2" batch
    "#;
    let mut command = Command::new("unshare");
    // Only root may mount; where the kernel lets others be root of their own namespace, that will do.
    command.args(["--mount", "--map-root-user", "sh", "-c", script, "sh"]);
    command.arg(site.data()).arg(PROGRAM).current_dir(site.path());
    site.start(&mut command)
}

/// The folder of data as that process sees it.
fn inside(worker: &Worker, site: &Site) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", worker.id()));
    root.join(site.data().strip_prefix("/").unwrap_or(Path::new("")))
}

fn email(user: usize) -> Json {
    json!({"email": format!("u{user}@example.com")})
}

fn data(worker: &mut Worker, user: usize) -> Json {
    worker.call("get_some_cust_usr_data", {
        let mut arguments = email(user);
        arguments["field"] = json!("number");
        arguments
    })["message"]
        .clone()
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told_and_nothing_is_lost_and_room_is_all_it_takes() {
    const USERS: usize = 8;
    let site = Site::new(&[]);
    let mut worker = worker(&site);
    let mut known = [0; USERS];
    for user in 0..USERS {
        let mut arguments = email(user);
        arguments["custom_data"] = json!({"number": 0});
        worker.ask("register_user_no_pass", arguments);
        let answer = worker.listen().unwrap_or_else(|| panic!("{}", site.log()));
        assert_eq!(answer["reply"]["success"], true, "{answer}");
    }

    let mut write = |worker: &mut Worker, user: usize, number: usize| {
        let mut arguments = email(user);
        arguments["custom_data"] = json!({"number": number, "filling": "x".repeat(60_000)});
        worker.ask("replace_usr_data", arguments);
        let answer = worker.hear();
        if answer["reply"]["success"] == true {
            known[user] = number;
            return true;
        }
        assert_eq!(answer["kind"], "storage", "{answer}");
        let text = answer["error"].as_str().unwrap();
        assert!(text.contains("the disk is full"), "{text}");
        false
    };
    let full = (1..1000).find(|&number| !write(&mut worker, number % USERS, number));
    let full = full.expect("the disk is full at last");
    // Nothing more can be written; everything can be read.
    for user in 0..USERS {
        write(&mut worker, user, full + 1);
    }
    let so_far = known;
    let all_is_there = |worker: &mut Worker| {
        for (user, number) in so_far.into_iter().enumerate() {
            assert_eq!(data(worker, user), number);
        }
    };
    all_is_there(&mut worker);

    fs::remove_file(inside(&worker, &site).join(BALLAST)).unwrap();
    all_is_there(&mut worker);
    for user in 0..USERS {
        let mut arguments = email(user);
        arguments["custom_data"] = json!({"number": full + 2});
        let reply = worker.call("replace_usr_data", arguments);
        assert_eq!(reply["success"], true, "{reply}");
        assert_eq!(data(&mut worker, user), full + 2);
    }
}
