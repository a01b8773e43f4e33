//! Programs that write to the same collections and know nothing of versions.

use bson::oid::ObjectId;
use bson::{DateTime, doc};
use portcullis::store::mongo::migrate::migrate;
use portcullis::store::{COLLECTIONS, Change, Edit, Entry, Error, Put, Removal, Store, Verdict};

use super::{Ground, documents, ground};

const ANN: &str = "ann@example.com";

async fn user(ground: &Ground) -> Entry {
    ground.store.load(&COLLECTIONS, ANN).await.unwrap().remove(0)
}

fn put(version: &str, path: &[&str], value: &str) -> Change {
    Change::Put(Put {
        collection: "users".to_owned(),
        key: ANN.to_owned(),
        version: Some(version.to_owned()),
        edits: vec![Edit {
            path: path.iter().map(|name| (*name).to_owned()).collect(),
            value: Some(value.to_owned()),
        }],
        due: None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_of_another_program_is_noticed() {
    let ground = ground().await;
    ground.insert("users", doc! { "email": ANN, "verified": false }).await;
    // Before and after the first write of ours, which adds a version.
    for round in 0..2 {
        let read = user(&ground).await;
        ground.update("users", doc! { "email": ANN }, doc! { "$set": { "round": round } }).await;
        let remove = Change::Remove(Removal {
            collection: "users".to_owned(),
            key: ANN.to_owned(),
            version: read.version.clone(),
        });
        for change in [put(&read.version, &["verified"], "true"), remove] {
            let verdict = ground.store.commit(&[change]).await;
            assert!(matches!(verdict, Ok(Verdict::Conflict)), "{round}: {verdict:?}");
        }
        let verdict = ground.store.commit(&[put(&user(&ground).await.version, &["a"], "1")]).await;
        assert!(matches!(verdict, Ok(Verdict::Committed(_))), "{round}: {verdict:?}");
        let document = documents(&ground, "users").await.remove(0);
        assert_eq!(document.get_i32("round").unwrap(), round, "and is kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_json_has_no_word_for_stay_as_they_are() {
    let ground = ground().await;
    let (date, id) = (DateTime::from_millis(1_000_000_000_000), ObjectId::new());
    let data = doc! { "date": date, "id": id, "n": 1_i64 << 40, "half": 0.5 };
    ground.insert("users", doc! { "email": ANN, "custom_data": data.clone(), "mine": date }).await;
    let read = user(&ground).await;
    assert!(read.document.contains(r#"{"$date":"2001-09-09T01:46:40Z"}"#), "{}", read.document);
    ground.store.commit(&[put(&read.version, &["custom_data", "new"], "[1]")]).await.unwrap();
    let document = documents(&ground, "users").await.remove(0);
    let after = document.get_document("custom_data").unwrap();
    for (name, value) in &data {
        assert_eq!(after.get(name), Some(value), "{name}");
    }
    assert_eq!(document.get_datetime("mine").unwrap(), &date);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_found_in_any_case_and_keeps_its_spelling_until_it_is_migrated() {
    let ground = ground().await;
    ground.insert("users", doc! { "email": "Ann@Example.com", "verified": true }).await;
    let read = user(&ground).await;
    ground.store.commit(&[put(&read.version, &["a"], "1")]).await.unwrap();
    let spelling = async || documents(&ground, "users").await.remove(0);
    assert_eq!(spelling().await.get_str("email").unwrap(), "Ann@Example.com");

    let planned = migrate(&ground.store, true).await.unwrap();
    assert_eq!(planned.moved.len(), 1);
    assert_eq!(spelling().await.get_str("email").unwrap(), "Ann@Example.com", "a dry run");
    let done = migrate(&ground.store, false).await.unwrap();
    assert_eq!((done.moved.len(), done.collisions.len()), (1, 0));
    let document = spelling().await;
    assert_eq!(document.get_str("email").unwrap(), ANN);
    let ours = document.get_document("portcullis").unwrap();
    assert_eq!(ours.get_str("address").unwrap(), "Ann@Example.com", "mail goes there as before");
    assert!(migrate(&ground.store, false).await.unwrap().moved.is_empty(), "nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_spellings_any_block_counts_and_all_are_written() {
    let ground = ground().await;
    for (spelling, blocked) in [(ANN, false), ("Ann@example.com", true), ("ANN@EXAMPLE.COM", false)]
    {
        ground.insert("blocked", doc! { "email": spelling, "blocked": blocked }).await;
    }
    let read = ground.store.load(&COLLECTIONS, ANN).await.unwrap().remove(0);
    assert!(read.document.contains(r#""blocked":true"#), "{}", read.document);
    let Change::Put(mut unblock) = put(&read.version, &["blocked"], "false") else { panic!() };
    unblock.collection = "blocked".to_owned();
    ground.store.commit(&[Change::Put(unblock)]).await.unwrap();
    for document in documents(&ground, "blocked").await {
        assert!(!document.get_bool("blocked").unwrap(), "{document}");
    }
    let tried = migrate(&ground.store, false).await.unwrap();
    assert_eq!((tried.moved.len(), tried.collisions.len()), (0, 1), "a human has to choose");
    assert_eq!(documents(&ground, "blocked").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_users_of_one_address_stop_calls_on_it_and_registrations_and_nothing_else() {
    let ground = ground().await;
    ground.drop_indexes("users").await;
    for spelling in [ANN, "Ann@example.com", "bob@example.com"] {
        ground.insert("users", doc! { "email": spelling, "verified": true }).await;
    }
    let ann = ground.store.load(&COLLECTIONS, ANN).await;
    let Err(Error::Damaged(text)) = ann else { panic!("{ann:?}") };
    assert!(text.contains("portcullis migrate"), "{text}");
    assert_eq!(ground.store.load(&COLLECTIONS, "bob@example.com").await.unwrap().len(), 1);

    let Change::Put(mut register) = put("", &["verified"], "false") else { panic!() };
    (register.key, register.version) = ("carol@example.com".to_owned(), None);
    let registered = ground.store.commit(&[Change::Put(register.clone())]).await;
    let Err(Error::Damaged(text)) = registered else { panic!("{registered:?}") };
    assert!(text.contains("portcullis migrate"), "{text}");
    assert!(!text.contains(ANN), "others are not named to whoever registers: {text}");
    let problems = ground.store.check().await;
    assert!(problems.iter().any(|problem| problem.to_string().contains(ANN)), "{problems:?}");
    let tried = migrate(&ground.store, false).await.unwrap();
    assert_eq!(tried.collisions.len(), 1);
    assert_eq!(documents(&ground, "users").await.len(), 3, "nothing is deleted by itself");

    ground.delete("users", doc! { "email": "Ann@example.com" }).await;
    let registered = ground.store.commit(&[Change::Put(register)]).await;
    assert!(matches!(registered, Ok(Verdict::Committed(_))), "{registered:?}");
}
