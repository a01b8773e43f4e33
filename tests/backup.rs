//! Copies of the embedded store while it is used, and the way back, with real processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value as Json, json};

use crate::program::{Site, Worker};
use crate::servers::gateway::{Gateway, UNLIMITED};
use crate::servers::wait_for;

const ANN: &str = "ann@example.com";

fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// See that it is refused, and tell what was said.
#[track_caller]
fn refused(command: &mut Command) -> String {
    let output = output(command);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
    said
}

fn backup(site: &Site, to: &str) -> PathBuf {
    succeeds(&mut site.command(&["backup", "--output", to]));
    site.path().join(to)
}

fn restore(site: &Site, from: &Path) -> String {
    succeeds(site.command(&["restore", "--yes"]).arg(from))
}

fn register(worker: &mut Worker, email: &str, data: Json) {
    let arguments = json!({"email": email, "custom_data": data});
    let reply = worker.call("register_user_no_pass", arguments);
    assert_eq!(reply["success"], true, "{reply}");
}

fn replace(worker: &mut Worker, email: &str, data: Json) {
    let arguments = json!({"email": email, "custom_data": data});
    assert_eq!(worker.call("replace_usr_data", arguments)["success"], true);
}

fn data(worker: &mut Worker, email: &str) -> Json {
    worker.call("get_cust_usr_data", json!({"email": email}))["message"].clone()
}

fn is_whole(file: &Path) {
    let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok", "{}", file.display());
    // A user and his block record are made in one commit.
    let sql = "SELECT (SELECT count(*) FROM users WHERE email NOT IN (SELECT email FROM blocked)) + \
               (SELECT count(*) FROM blocked WHERE email NOT IN (SELECT email FROM users))";
    let alone: i64 = db.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(alone, 0, "{}", file.display());
}

/// Users with much data, so that a copy takes a while, and Ann with a mark.
fn fill(worker: &mut Worker, mark: &str, users: usize) {
    for user in 0..users {
        register(worker, &format!("u{user}@example.com"), json!("x".repeat(60_000)));
    }
    register(worker, ANN, json!(mark));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_backup_under_load_is_true_at_one_moment() {
    const WRITERS: usize = 3;
    let site = Site::new(&[]);
    let pair = |writer: usize| [format!("a{writer}@example.com"), format!("b{writer}@example.com")];
    let mut workers = site.workers(WRITERS);
    for (writer, worker) in workers.iter_mut().enumerate() {
        for email in pair(writer) {
            register(worker, &email, json!(0));
        }
    }
    let enough = AtomicBool::new(false);
    let written = AtomicU64::new(0);
    let backups: Vec<PathBuf> = std::thread::scope(|scope| {
        for (writer, worker) in workers.iter_mut().enumerate() {
            let (enough, written) = (&enough, &written);
            scope.spawn(move || {
                // The second follows the first.
                for number in 1_u64.. {
                    for email in pair(writer) {
                        replace(worker, &email, json!(number));
                    }
                    register(worker, &format!("u{writer}-{number}@example.com"), json!(number));
                    written.fetch_add(1, Ordering::SeqCst);
                    if enough.load(Ordering::SeqCst) {
                        break;
                    }
                }
            });
        }
        let backups = (0..4).map(|number| {
            let before = written.load(Ordering::SeqCst);
            wait_for("more is written", || written.load(Ordering::SeqCst) > before + 10);
            backup(&site, &format!("backup-{number}"))
        });
        let backups = backups.collect();
        enough.store(true, Ordering::SeqCst);
        backups
    });
    for backup in backups {
        is_whole(&backup);
        let other = Site::new(&[]);
        restore(&other, &backup);
        let mut worker = other.worker();
        for writer in 0..WRITERS {
            let [first, second] =
                pair(writer).map(|email| data(&mut worker, &email).as_u64().unwrap());
            assert!(second <= first && first <= second + 1, "{first} and {second}");
        }
    }
}

#[test]
fn a_running_service_goes_on_with_what_was_restored() {
    let gateway = Gateway::start(UNLIMITED);
    let client = gateway.client();
    let admin = gateway.admin("default");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db").into_os_string().into_string().unwrap();
    let sign_in = |name: &str, status| {
        let who = json!({"email": format!("{name}@example.com"), "password": "correct horse"});
        client.post("/v1/session", who).is(status)
    };
    let register = |name: &str| {
        let who = json!({"email": format!("{name}@example.com"), "password": "correct horse"});
        admin.post("/v1/auth/register_user_no_verif", who).is(200);
    };
    register("ann");
    sign_in("ann", 200);
    succeeds(&mut gateway.command(&["backup", "--output", &file]));
    register("bob");
    sign_in("bob", 200);

    let said = succeeds(&mut gateway.command(&["restore", "--yes", &file]));
    sign_in("ann", 200);
    sign_in("bob", 401);
    // He may register anew: nothing of him is left in the way.
    register("bob");
    // What was there before is there to be had back.
    let kept = said.split(": what was there before").next().unwrap();
    assert!(kept.contains("portcullis.db.before-restore-"), "{said}");
    is_whole(Path::new(kept));
    succeeds(&mut gateway.command(&["restore", "--yes", "--no-keep", kept]));
    sign_in("ann", 200);
    sign_in("bob", 200);
    assert!(gateway.runs());
}

#[test]
fn what_is_no_whole_backup_is_refused_and_nothing_changes() {
    let site = Site::new(&[]);
    let mut worker = site.worker();
    fill(&mut worker, "before", 5);
    let good = backup(&site, "good");
    let bytes = fs::read(&good).unwrap();
    let at = |name: &str| site.path().join(name);
    let write = |name: &str, content: &[u8]| fs::write(at(name), content).unwrap();
    write("empty", b"");
    write("byte", b"S");
    write("text", b"These are no accounts, however long they may be read.");
    write("torn", &bytes[..bytes.len() / 2]);
    write("short", &bytes[..bytes.len() - 4096]);
    let mut damaged = bytes.clone();
    damaged[3 * 4096..6 * 4096].fill(0xA5);
    write("damaged", &damaged);
    write("raw", &bytes);
    write("raw-wal", b"a log that belongs to it");
    Connection::open(at("foreign")).unwrap().execute_batch("CREATE TABLE users (email)").unwrap();
    fs::copy(&good, at("acting")).unwrap();
    let trigger = "CREATE TRIGGER act AFTER INSERT ON users BEGIN DELETE FROM blocked; END";
    Connection::open(at("acting")).unwrap().execute_batch(trigger).unwrap();
    fs::create_dir(at("folder")).unwrap();
    for (name, why) in [
        ("missing", "cannot be read"),
        ("folder", "not a file"),
        ("empty", "is empty"),
        ("byte", "not a SQLite database"),
        ("text", "not a SQLite database"),
        ("torn", "damaged"),
        ("short", "damaged"),
        ("damaged", "damaged"),
        ("raw", "raw-wal"),
        ("foreign", "some other program"),
        ("acting", "triggers"),
        ("portcullis-data/portcullis.db", "the store itself"),
    ] {
        let said = refused(&mut site.command(&["restore", name, "--yes"]));
        assert!(said.contains(name) && said.contains(why), "{name}: {said}");
    }
    assert!(refused(&mut site.command(&["restore", "good"])).contains("--yes"));
    assert_eq!(data(&mut worker, ANN), "before");
    let left = names(&site.data());
    assert!(!left.iter().any(|name| name.contains("before-restore")), "{left:?}");
}

#[test]
fn a_backup_is_for_its_owner_alone_and_replaces_nothing_but_a_backup() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new(&[]);
    let said = refused(&mut site.command(&["backup", "--output", "early"]));
    assert!(said.contains("there is no store yet"), "{said}");
    assert!(!site.data().exists());

    let mut worker = site.worker();
    fill(&mut worker, "one", 0);
    let file = backup(&site, "backup");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let first = fs::read(&file).unwrap();
    replace(&mut worker, ANN, json!("two"));
    let said = refused(&mut site.command(&["backup", "--output", "backup"]));
    assert!(said.contains("backup: is there already"), "{said}");
    assert_eq!(fs::read(&file).unwrap(), first);
    succeeds(&mut site.command(&["backup", "--output", "backup", "--force"]));
    assert_ne!(fs::read(&file).unwrap(), first);

    succeeds(&mut site.command(&["call", "coredb.create_db", "--data", "elsewhere"]));
    fs::write(site.path().join("letter"), "a letter").unwrap();
    let store = "portcullis-data/portcullis.db";
    for to in ["letter", store, "elsewhere/portcullis.db", "portcullis-data/portcullis.db-wal"] {
        let said = refused(&mut site.command(&["backup", "--output", to, "--force"]));
        assert!(said.contains(to), "{said}");
    }
    let said = refused(&mut site.command(&["backup", "--output", "no/such/folder"]));
    assert!(said.contains("no/such/folder"), "{said}");
    assert_eq!(data(&mut worker, ANN), "two");
    assert_eq!(names(site.path()).iter().filter(|name| name.ends_with(".tmp")).count(), 0);
}

#[test]
fn records_in_mongodb_are_for_its_own_tools() {
    let site = Site::new(&[]).with("mongo_uri", "mongodb://127.0.0.1:1/").with("db_name", "users");
    let said = refused(&mut site.command(&["backup", "--output", "backup"]));
    assert!(said.contains("mongodump"), "{said}");
    let said = refused(&mut site.command(&["restore", "backup", "--yes"]));
    assert!(said.contains("mongorestore"), "{said}");
}

#[test]
fn a_backup_that_is_killed_leaves_no_file_of_its_name() {
    let site = Site::new(&[]);
    fill(&mut site.worker(), "all", 200);
    let mut killed = 0;
    for round in 0..12 {
        let name = format!("backup-{round}");
        let mut command = site.command(&["backup", "--output", &name]);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let half = || names(site.path()).into_iter().find(|name| name.ends_with(".tmp"));
        wait_for("a copy is begun", || half().is_some() || child.try_wait().unwrap().is_some());
        std::thread::sleep(Duration::from_millis(round * 7));
        let _ = child.kill();
        let ended = child.wait().unwrap();
        let file = site.path().join(&name);
        if file.exists() {
            is_whole(&file);
        } else {
            assert!(!ended.success());
            killed += 1;
        }
        for name in names(site.path()).into_iter().filter(|name| name.contains(".tmp")) {
            fs::remove_file(site.path().join(name)).unwrap();
        }
    }
    assert!(killed > 0, "no kill came in time: this has tested nothing");
}

#[test]
fn a_restore_that_is_killed_leaves_the_old_or_the_new() {
    const USERS: usize = 200;
    let old = Site::new(&[]);
    fill(&mut old.worker(), "old", USERS);
    let [before, after] = [backup(&old, "before"), old.path().join("after")];
    let new = Site::new(&[]);
    fill(&mut new.worker(), "new", USERS + 1);
    fs::rename(backup(&new, "after"), &after).unwrap();

    // It lives through all of it.
    let mut witness = old.worker();
    let mut stayed = 0;
    for round in 0..12 {
        restore(&old, &before);
        assert_eq!(data(&mut witness, ANN), "old");
        let mut command = old.command(&["restore", "--yes", "--no-keep"]);
        let mut child = command.arg(&after).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20 + round * 25));
        let _ = child.kill();
        child.wait().unwrap();
        let expected = match data(&mut witness, ANN).as_str() {
            Some("old") => USERS + 1,
            Some("new") => USERS + 2,
            other => panic!("{other:?}"),
        };
        stayed += usize::from(expected == USERS + 1);
        assert_eq!(witness.call("user_count", json!({})), expected);
        is_whole(&old.database());
        // And it can be written to.
        replace(&mut witness, ANN, json!("mine"));
    }
    assert!(stayed > 0, "no kill came in time: this has tested nothing");
}

/// What a broken disk makes of it.
fn overwrite(file: &Path, pages: std::ops::Range<usize>) -> Vec<u8> {
    let mut bytes = fs::read(file).unwrap();
    assert!(bytes.len() >= pages.end * 4096, "{} bytes", bytes.len());
    let pages = pages.start * 4096..pages.end * 4096;
    bytes[pages.clone()].fill(0xA5);
    let open = fs::File::options().write(true).open(file).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&open, &bytes[pages.clone()], pages.start as u64)
        .unwrap();
    bytes
}

#[test]
fn a_store_that_is_damaged_is_replaced_and_its_files_are_kept() {
    for pages in [3..6, 0..1] {
        let site = Site::new(&[]);
        let mut worker = site.worker();
        fill(&mut worker, "before", 5);
        let good = backup(&site, "good");
        drop(worker);
        // The last to close it brings the log into it.
        succeeds(&mut site.command(&["call", "user_count"]));
        let damaged = overwrite(&site.database(), pages.clone());
        if pages.start == 0 {
            let said = refused(site.command(&["restore", "--yes", "--no-keep"]).arg(&good));
            assert!(said.contains("portcullis.db") && said.contains("--no-keep"), "{said}");
            assert_eq!(fs::read(site.database()).unwrap(), damaged);
        }

        let said = restore(&site, &good);
        let kept = said.lines().find_map(|line| line.split_once(": as it was there before"));
        let (kept, _) = kept.unwrap_or_else(|| panic!("{said}"));
        assert!(kept.contains("portcullis.db.before-restore-"), "{said}");
        assert_eq!(fs::read(kept).unwrap(), damaged, "{pages:?}");
        is_whole(&site.database());
        let mut worker = site.worker();
        assert_eq!(data(&mut worker, ANN), "before");
        register(&mut worker, "bob@example.com", json!(1));
    }
}

#[test]
fn a_store_that_was_cut_short_is_replaced_and_its_files_are_kept() {
    let site = Site::new(&[]);
    fill(&mut site.worker(), "before", 5);
    let good = backup(&site, "good");
    let store = fs::File::options().write(true).open(site.database()).unwrap();
    store.set_len(store.metadata().unwrap().len() / 2).unwrap();
    let cut = fs::read(site.database()).unwrap();
    let said = restore(&site, &good);
    let (kept, _) = said.split_once(": as it was there before").unwrap();
    assert_eq!(fs::read(kept).unwrap(), cut);
    is_whole(&site.database());
    assert_eq!(data(&mut site.worker(), ANN), "before");
}

#[test]
fn users_of_a_damaged_store_sign_in_after_a_restore_beside_the_service() {
    let gateway = Gateway::start(UNLIMITED);
    let client = gateway.client();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db").into_os_string().into_string().unwrap();
    let ann = json!({"email": ANN, "password": "correct horse"});
    gateway.admin("default").post("/v1/auth/register_user_no_verif", ann.clone()).is(200);
    succeeds(&mut gateway.command(&["backup", "--output", &file]));
    let store = gateway.data().join("portcullis.db");
    let db = Connection::open(&store).unwrap();
    let checkpointed = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    assert_eq!(checkpointed, Ok(0));
    drop(db);
    let pages = usize::try_from(fs::metadata(&store).unwrap().len()).unwrap() / 4096;
    overwrite(&store, 1..pages);
    let said = succeeds(&mut gateway.command(&["restore", "--yes", &file]));
    assert!(said.contains("as it was there before"), "{said}");
    client.post("/v1/session", ann).is(200);
    is_whole(&store);
}

#[test]
fn what_is_no_store_is_not_replaced_by_one() {
    let site = Site::new(&[]);
    fill(&mut site.worker(), "before", 0);
    let good = backup(&site, "good");
    let foreign = |name: &str| {
        let db = Connection::open(site.path().join(name)).unwrap();
        db.execute_batch("CREATE TABLE mine (thing)").unwrap();
        fs::read(site.path().join(name)).unwrap()
    };
    let letter = b"A letter, and no store at all.".to_vec();
    for content in [letter, foreign("foreign")] {
        for ending in ["-wal", "-shm"] {
            let _ = fs::remove_file(site.data().join(format!("portcullis.db{ending}")));
        }
        fs::write(site.database(), &content).unwrap();
        let said = refused(site.command(&["restore", "--yes"]).arg(&good));
        assert!(said.contains("portcullis.db"), "{said}");
        assert_eq!(fs::read(site.database()).unwrap(), content);
    }
}

#[test]
fn a_backup_of_another_tenant_is_refused_unless_it_is_meant() {
    let site = Site::new(&[]);
    let settings = "[tenants.default]\n[tenants.other]\n";
    fs::write(site.path().join("portcullis.toml"), settings).unwrap();
    fill(&mut site.worker(), "mine", 0);
    let file = backup(&site, "of-default");
    let other = |arguments: &[&str]| {
        let mut command = site.command(&["--tenant", "other"]);
        command.args(arguments);
        command
    };
    succeeds(&mut other(&["call", "create_db"]));
    let said = refused(other(&["restore", "--yes"]).arg(&file));
    assert!(said.contains("of the tenant default") && said.contains("--other-tenant"), "{said}");
    assert_eq!(succeeds(&mut other(&["call", "user_count"])), "0\n");

    succeeds(other(&["restore", "--yes", "--other-tenant"]).arg(&file));
    assert_eq!(succeeds(&mut other(&["call", "user_count"])), "1\n");
    // Now it is this one's, and nothing of the note is in a store.
    succeeds(&mut other(&["backup", "--output", "of-other"]));
    let said = refused(&mut site.command(&["restore", "--yes", "of-other"]));
    assert!(said.contains("of the tenant other"), "{said}");
    let store = Connection::open(site.data().join("tenants/other.db")).unwrap();
    assert!(!store.table_exists(None, "portcullis_backup").unwrap());

    // As an earlier version made it.
    let old = Connection::open(&file).unwrap();
    old.execute_batch("DROP TABLE portcullis_backup").unwrap();
    drop(old);
    succeeds(other(&["restore", "--yes"]).arg(&file));
}
