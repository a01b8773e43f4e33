use std::collections::BTreeSet;
use std::fs;

use mail_parser::MessageParser;

use super::*;

fn message(text: &str) -> Message {
    Message {
        to: "ada@example.com".to_owned(),
        subject: "Verification Code".to_owned(),
        text: text.to_owned(),
        html: None,
        valid_until: 0,
        guard: None,
    }
}

/// The names in the folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_message_becomes_one_file_for_its_owner_alone() {
    let top = tempfile::tempdir().unwrap();
    let outbox = Outbox::new(top.path().join("data/outbox"));
    assert!(!outbox.folder().exists(), "nothing is made before it is needed");
    let delivery = outbox.send(&message("code 123456")).await.unwrap();
    assert_eq!(delivery, Delivery::Accepted);
    let names = names(outbox.folder());
    let [name] = names.as_slice() else { panic!("{names:?}") };
    assert!(name.starts_with("2") && name.ends_with(".eml") && !name.contains("ada"), "{name}");
    let path = outbox.folder().join(name);
    let content = fs::read(&path).unwrap();
    let parsed = MessageParser::default().parse(&content).unwrap();
    assert_eq!(parsed.to().unwrap().first().unwrap().address(), Some("ada@example.com"));
    assert_eq!(parsed.from().unwrap().first().unwrap().address(), Some("portcullis@localhost"));
    assert_eq!(parsed.body_text(0).unwrap(), "code 123456\r\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(outbox.folder()), mode(&path)), (0o700, 0o600));
    }
}

#[tokio::test]
async fn names_sort_in_the_order_of_sending() {
    let top = tempfile::tempdir().unwrap();
    let outbox = Outbox::new(top.path());
    for number in 0..10 {
        outbox.send(&message(&format!("number {number}"))).await.unwrap();
    }
    let texts: Vec<_> = names(top.path())
        .iter()
        .map(|name| fs::read_to_string(top.path().join(name)).unwrap())
        .collect();
    for (number, text) in texts.iter().enumerate() {
        assert!(text.ends_with(&format!("number {number}\r\n")), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_messages_at_once_are_a_hundred_whole_files() {
    let top = tempfile::tempdir().unwrap();
    let outbox = Outbox::new(top.path().join("outbox"));
    let sends: Vec<_> = (0..100)
        .map(|number| {
            let outbox = outbox.clone();
            tokio::spawn(async move { outbox.send(&message(&format!("number {number}."))).await })
        })
        .collect();
    for send in sends {
        assert_eq!(send.await.unwrap().unwrap(), Delivery::Accepted);
    }
    let files = names(outbox.folder());
    assert!(files.iter().all(|name| name.ends_with(".eml")), "{files:?}");
    let (mut bodies, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for name in &files {
        let content = fs::read(outbox.folder().join(name)).unwrap();
        let parsed = MessageParser::default().parse(&content).unwrap();
        bodies.insert(parsed.body_text(0).unwrap().into_owned());
        ids.insert(parsed.message_id().unwrap().to_owned());
    }
    assert_eq!((files.len(), bodies.len(), ids.len()), (100, 100, 100));
}

#[tokio::test]
async fn a_refused_message_leaves_no_file() {
    let top = tempfile::tempdir().unwrap();
    let outbox = Outbox::new(top.path());
    let mut bad = message("code");
    bad.subject = "Hello\r\nBcc: eve@example.com".to_owned();
    assert!(matches!(outbox.send(&bad).await, Err(Error::Rejected(_))));
    assert_eq!(names(top.path()), Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_be_written_is_not_claimed_delivered_and_tells_no_path() {
    let top = tempfile::tempdir().unwrap();
    let in_the_way = top.path().join("in_the_way");
    fs::write(&in_the_way, "").unwrap();
    for folder in [in_the_way.clone(), in_the_way.join("below")] {
        match Outbox::new(folder).send(&message("code 123456")).await {
            Err(Error::Rejected(text)) => assert_eq!(text, "the outbox cannot be written"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_full_or_read_only_disk_is_a_refusal() {
    // The only file system that is read-only, or without room for files, on every Linux.
    match Outbox::new("/proc/outbox").send(&message("code")).await {
        Err(Error::Rejected(_)) => {}
        other => panic!("{other:?}"),
    }
}
