//! What the program is installed with: manual pages, the unit for systemd, and what its image promises.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::PROGRAM;
use crate::servers::run;

const UNIT: &str = include_str!("../packaging/portcullis.service");
const SETTINGS: &str = include_str!("../README.md");

fn portcullis(arguments: &[&str]) -> Command {
    let mut program = Command::new(PROGRAM);
    program.args(arguments);
    program
}

/// The commands below this one, as its help names them.
fn commands(below: &[&str]) -> Vec<String> {
    let help = run(portcullis(below).arg("--help")).unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    // Continued lines are further in.
    let names = commands.lines().filter_map(|line| line.strip_prefix("  "));
    let names = names.filter(|line| !line.starts_with(' '));
    names.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man/man1");
    run(portcullis(&["man", "--output"]).arg(&pages)).unwrap();
    let names = commands(&[]);
    assert!(["serve", "backup", "users"].iter().all(|name| names.iter().any(|it| it == name)));
    let below = commands(&["users"]).into_iter().filter(|name| name != "help");
    let below = below.map(|name| format!("users-{name}"));
    let names: Vec<String> = names.into_iter().chain(below).collect();
    assert!(names.contains(&"users-import".to_owned()), "{names:?}");
    for name in &names {
        let page = fs::read_to_string(pages.join(format!("portcullis-{name}.1"))).unwrap();
        assert!(page.contains(".TH") && page.contains("tenant"), "{name}: {page}");
    }
    let page = fs::read(pages.join("portcullis.1")).unwrap();
    assert_eq!(run(&mut portcullis(&["man"])).unwrap().stdout, page);
    assert_eq!(fs::read_dir(&pages).unwrap().count(), names.len() + 1);
}

#[test]
#[cfg(target_os = "linux")]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("portcullis.service");
    let installed = "ExecStart=/usr/local/bin/portcullis ";
    assert!(UNIT.contains(installed));
    fs::write(&unit, UNIT.replace(installed, &format!("ExecStart={PROGRAM} "))).unwrap();
    let mut verify = Command::new("systemd-analyze");
    let output = verify.args(["verify", "--man=no"]).arg(&unit).output();
    let output = output.expect("systemd-analyze is needed for this test: ./test installs it");
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
    assert!(output.status.success(), "{said:?}");
    assert!(said.iter().all(String::is_empty), "{said:?}");
}

#[test]
fn the_unit_waits_longer_for_the_end_than_the_service_takes() {
    let seconds =
        |line: &str| UNIT.lines().find_map(|it| it.strip_prefix(line)?.parse::<u64>().ok());
    let (_, default) = SETTINGS.split_once("| `shutdown_time` | ").unwrap();
    let default: u64 = default.split(' ').next().unwrap().parse().unwrap();
    assert!(seconds("TimeoutStopSec=").unwrap() > default);
}

/// Without it a command knows nothing of a database that the settings name, and takes an embedded store.
#[test]
fn every_command_of_the_unit_names_the_settings_that_its_steps_make() {
    const SETTINGS: &str = "/etc/portcullis/portcullis.toml";
    assert!(UNIT.contains(&format!("#   touch {SETTINGS}\n")));
    let commands: Vec<&str> = UNIT.lines().filter(|line| line.contains("--data ")).collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    for command in commands {
        let begin = format!("portcullis --config {SETTINGS} --data /var/lib/portcullis ");
        assert!(command.contains(&begin), "{command}");
    }
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("portcullis.toml");
    fs::write(&empty, "").unwrap();
    let mut check = portcullis(&["call", "user_count"]);
    check.arg("--config").arg(&empty).arg("--data").arg(folder.path().join("data"));
    assert_eq!(run(&mut check).unwrap().stdout, b"0\n");
}

/// As in the image: a root that holds the program, what it is linked with and a folder of data, and
/// nobody there but a user without a name.
#[test]
#[cfg(target_os = "linux")]
fn nothing_but_the_folder_of_data_is_written_to_and_no_privilege_is_needed() {
    use std::os::unix::fs::PermissionsExt;

    use crate::servers::http::Client;
    use crate::servers::{Daemon, wait_for};
    use serde_json::json;

    const SCRIPT: &str = r#"
        mount --bind "$1" "$1" &&
        mount --bind "$2" "$1/portcullis" &&
        mount --rbind /proc "$1/proc" &&
        mount -t tmpfs -o uid=10001,gid=10001,mode=700 tmpfs "$1/data" &&
        mount -o remount,bind,ro "$1" &&
        exec setpriv --no-new-privs chroot --userspec=10001:10001 --groups= "$1" \
            /portcullis --data /data serve --listen 127.0.0.1:0
    "#;
    if run(Command::new("id").arg("-u")).unwrap().stdout != b"0\n" {
        assert!(std::env::var_os("CI").is_none(), "only root can be another user, as this test is");
        println!("not tested: only root can be another user");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for folder in ["data", "proc"] {
        fs::create_dir(root.path().join(folder)).unwrap();
    }
    fs::write(root.path().join("portcullis"), "").unwrap();
    let linked = String::from_utf8(run(Command::new("ldd").arg(PROGRAM)).unwrap().stdout).unwrap();
    for library in linked.split_whitespace().filter(|word| word.starts_with('/')) {
        let inside = root.path().join(library.trim_start_matches('/'));
        fs::create_dir_all(inside.parent().unwrap()).unwrap();
        fs::copy(library, inside).unwrap();
    }
    let daemon = Daemon::new("portcullis-image-");
    let mut service = Command::new("unshare");
    service.args(["--mount", "sh", "-c", SCRIPT, "sh"]).arg(root.path()).arg(PROGRAM);
    daemon.start(service.env_clear().env("PATH", std::env::var_os("PATH").unwrap()));
    let url = || {
        let printed = daemon.printed();
        let line = printed.lines().find_map(|line| line.strip_prefix("listening on "))?;
        Some(line.to_owned())
    };
    wait_for("the service answers", || {
        assert!(daemon.runs(), "it ended:\n{}", daemon.last_words());
        url().is_some()
    });
    let client = Client::new(&url().unwrap());
    client.get("/healthz").is(200);
    let ann = json!({"email": "ann@example.com", "password": "correct horse"});
    client.post("/v1/auth/register_user", ann).is(200);
    daemon.end("TERM");
    assert!(!Path::new(&root.path().join("data/portcullis.db")).exists(), "that is in memory");
}
