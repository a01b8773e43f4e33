//! Mails at rest: who can read them, and what happens to those that nobody can.

use super::*;

#[tokio::test]
async fn nothing_of_a_mail_can_be_read_in_the_store() {
    let world = World::new(Answer::Later);
    world.user("3f1d").await;
    world.queue.send(&guarded("3f1d")).await.unwrap();
    let key = world.records().await.remove(0).key;
    let entry = world.store.store.load(&[MAIL], &key).await.unwrap().remove(0);
    for secret in ["271828", "Verification", "Ann@", "Message-ID", "codes@portcullis.example"] {
        assert!(!entry.document.contains(secret), "{secret} in {}", entry.document);
    }
    let record = format!("{:?}", world.queue);
    assert_eq!(record, "QueuedMailer { tenant: \"default\", .. }");
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn nothing_of_a_mail_can_be_read_in_the_files_of_the_embedded_store() {
    use crate::store::sqlite::{Options as Sqlite, SqliteStore};

    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("db"), &Sqlite::default()).unwrap();
    let server = Server::new(Answer::Later);
    let clock = Arc::new(AtomicU64::new(START));
    let queue = queue(&server, Arc::new(store), &clock, &[1], Options::default());
    assert_eq!(queue.send(&message()).await, Ok(Delivery::Queued));
    clock.fetch_add(5, Ordering::SeqCst);
    assert_eq!(queue.pass(&Budget::default()).await.unwrap().postponed, 1);
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let holds = |text: &str| bytes.windows(text.len()).any(|at| at == text.as_bytes());
    assert!(holds("valid_until"), "the record is not in the files: this has tested nothing");
    for secret in ["271828", "Ann@", "ann@", "Verification", "codes@portcullis.example"] {
        assert!(!holds(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_mail_of_before_a_change_of_keys_goes_out_after_it() {
    let world = World::new(Answer::Take);
    world.queued().await;
    world.pass_time(5);
    let rotated = world.host(&[2, 1]);
    assert_eq!(rotated.pass(&Budget::default()).await.unwrap().delivered, 1);
    assert_eq!(world.server.taken()[0].to, "Ann@example.com");
}

#[tokio::test]
async fn a_host_without_the_key_leaves_the_mail_to_those_who_have_it() {
    let world = World::new(Answer::Take);
    world.queued().await;
    world.pass_time(5);
    let stranger = world.host(&[2]);
    let passed = stranger.pass(&Budget::default()).await.unwrap();
    assert_eq!((passed.postponed, world.server.tried()), (1, 1));
    world.pass_time(10);
    assert_eq!(world.pass().await.delivered, 1);
}

#[tokio::test]
async fn a_mail_that_nobody_can_open_ends_with_its_time() {
    let world = World::new(Answer::Take);
    world.queued().await;
    let stranger = world.host(&[2]);
    let mut passes = 0;
    while world.waiting().await == 1 {
        world.pass_time(60);
        stranger.pass(&Budget::default()).await.unwrap();
        passes += 1;
        assert!(passes <= 10);
    }
    assert_eq!(world.server.tried(), 1);
}

#[tokio::test]
async fn a_mail_that_somebody_has_changed_is_removed_and_not_sent() {
    for (field, value) in [
        ("valid_until", Json::from(START + 2 * LIFE)),
        ("queued", Json::from(START + 1)),
        ("sealed", Json::from("AAAA")),
        ("guard", Json::Null),
    ] {
        let world = World::new(Answer::Take);
        world.user("one").await;
        world.server.next(&[Answer::Later]);
        world.queue.send(&guarded("one")).await.unwrap();
        world.pass_time(5);
        let key = world.records().await.remove(0).key;
        world.write(MAIL, &key, &[field], Some(value)).await;
        assert_eq!(world.pass().await, Passed { dropped: 1, ..Passed::default() }, "{field}");
        assert_eq!((world.waiting().await, world.server.tried()), (0, 1), "{field}");
    }
}

#[tokio::test]
async fn a_mail_copied_to_another_record_or_tenant_is_not_sent() {
    let world = World::new(Answer::Take);
    world.queued().await;
    let record = world.records().await.remove(0);
    let copy = record.document.creation("mail:copy").unwrap();
    world.store.store.commit(&[copy, record.removal()]).await.unwrap();
    world.pass_time(5);
    assert_eq!(world.pass().await, Passed { dropped: 1, ..Passed::default() });
    assert_eq!(world.server.tried(), 1);
}
