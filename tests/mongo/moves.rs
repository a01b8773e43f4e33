//! A user who gets another address on a server without transactions: what others see in between, and
//! what becomes of what a crash left half done.

use std::time::{SystemTime, UNIX_EPOCH};

use bson::{Document, doc};
use portcullis::store::mongo::{MongoStore, Options};
use portcullis::store::{
    COLLECTIONS, Change, Edit, Entry, Expectation, Put, Relocation, Store, Verdict,
};

use super::{Ground, documents, ground};

const OLD: &str = "old@example.com";
const NEW: &str = "new@example.com";

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

async fn find(store: &MongoStore, collection: &str, key: &str) -> Option<Entry> {
    let found = store.load(&COLLECTIONS, key).await.unwrap();
    found.into_iter().find(|entry| entry.collection == collection)
}

async fn blocked(store: &MongoStore, key: &str) -> Option<bool> {
    let entry = find(store, "blocked", key).await?;
    Some(serde_json::from_str::<serde_json::Value>(&entry.document).unwrap()["blocked"] == true)
}

fn relocate(entry: &Entry) -> Change {
    Change::Move(Relocation {
        collection: entry.collection.clone(),
        key: OLD.to_owned(),
        version: entry.version.clone(),
        to: NEW.to_owned(),
        edits: Vec::new(),
        due: None,
    })
}

/// The user at the old address with a block record that says `block`.
async fn prepared(block: bool) -> Ground {
    let ground = ground().await;
    let users = doc! { "email": OLD, "verified": true, "custom_data": { "n": 1 } };
    ground.insert("users", users).await;
    ground.insert("blocked", doc! { "email": OLD, "blocked": block }).await;
    ground.insert("limit", doc! { "email": OLD, "last_action": 5.5 }).await;
    ground
}

async fn nothing_is_left_over(ground: &Ground) {
    for collection in ["users", "blocked", "limit"] {
        for document in documents(ground, collection).await {
            let meta = document.get_document("portcullis_meta").cloned().unwrap_or_default();
            for note in ["busy", "moving", "copied_to", "copied_from", "at"] {
                assert!(!meta.contains_key(note), "{collection}: {document}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_of_a_user_moves_with_him() {
    let ground = prepared(true).await;
    let before = documents(&ground, "users").await.remove(0);
    let entries = ground.store.load(&COLLECTIONS, OLD).await.unwrap();
    let moved: Vec<Change> = ["blocked", "users", "limit"]
        .iter()
        .map(|name| relocate(entries.iter().find(|entry| entry.collection == *name).unwrap()))
        .collect();
    let Verdict::Committed(versions) = ground.store.commit(&moved).await.unwrap() else {
        panic!("nobody else is there");
    };
    for (name, version) in ["blocked", "users", "limit"].iter().zip(versions) {
        assert!(find(&ground.store, name, OLD).await.is_none(), "{name}");
        assert_eq!(find(&ground.store, name, NEW).await.unwrap().version, version, "{name}");
        assert_eq!(documents(&ground, name).await.len(), 1, "{name}");
    }
    assert_eq!(blocked(&ground.store, NEW).await, Some(true));
    let after = documents(&ground, "users").await.remove(0);
    assert_eq!(before.get("_id"), after.get("_id"), "the same document");
    nothing_is_left_over(&ground).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_ended_before_the_user_moved_is_taken_back() {
    let ground = prepared(true).await;
    let at = now() - 3600;
    let marked = doc! { "$set": { "portcullis_meta": { "copied_to": NEW, "at": at } } };
    ground.update("blocked", doc! { "email": OLD }, marked).await;
    let copy = doc! {
        "email": NEW, "blocked": true, "portcullis_meta": { "copied_from": OLD, "at": at },
    };
    ground.insert("blocked", copy).await;
    // Whichever of the two addresses is asked for.
    assert_eq!(blocked(&ground.store, NEW).await, None);
    assert_eq!(blocked(&ground.store, OLD).await, Some(true));
    assert!(find(&ground.store, "users", OLD).await.is_some());
    nothing_is_left_over(&ground).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_ended_after_the_user_moved_is_finished() {
    for asked in [NEW, OLD] {
        let ground = prepared(false).await;
        let at = now() - 3600;
        let moved =
            doc! { "$set": { "email": NEW, "portcullis_meta": { "moving": OLD, "at": at } } };
        ground.update("users", doc! { "email": OLD }, moved).await;
        // Somebody has blocked him in between, where he was.
        let marked = doc! {
            "$set": { "blocked": true, "portcullis_meta": { "copied_to": NEW, "at": at } },
        };
        ground.update("blocked", doc! { "email": OLD }, marked).await;
        let copy = doc! {
            "email": NEW, "blocked": false, "portcullis_meta": { "copied_from": OLD, "at": at },
        };
        ground.insert("blocked", copy).await;
        ground.store.load(&COLLECTIONS, asked).await.unwrap();
        assert_eq!(blocked(&ground.store, NEW).await, Some(true), "the block goes with him");
        assert_eq!(blocked(&ground.store, OLD).await, None);
        assert!(find(&ground.store, "limit", OLD).await.is_none(), "and so does the limit");
        assert!(find(&ground.store, "limit", NEW).await.is_some());
        nothing_is_left_over(&ground).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_in_hand_is_left_to_whoever_has_it() {
    let ground = prepared(true).await;
    let marked = doc! { "$set": { "portcullis_meta": { "copied_to": NEW, "at": now() } } };
    ground.update("blocked", doc! { "email": OLD }, marked).await;
    ground.store.load(&COLLECTIONS, OLD).await.unwrap();
    let document: Document = documents(&ground, "blocked").await.remove(0);
    assert!(document.get_document("portcullis_meta").unwrap().contains_key("copied_to"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_commit_has_in_hand_is_waited_for_and_not_for_ever() {
    let ground = prepared(true).await;
    // As a commit leaves it whose process was killed in the middle.
    let noted = doc! { "$set": { "portcullis_meta": { "busy": now() * 1000 } } };
    ground.update("blocked", doc! { "email": OLD }, noted).await;
    let user = find(&ground.store, "users", OLD).await.unwrap();
    let block = find(&ground.store, "blocked", OLD).await.unwrap();
    let put = |entry: &Entry| {
        Change::Put(Put {
            collection: entry.collection.clone(),
            key: OLD.to_owned(),
            version: Some(entry.version.clone()),
            edits: vec![Edit { path: vec!["n".to_owned()], value: Some("1".to_owned()) }],
            due: None,
        })
    };
    let verdict = ground.store.commit(&[put(&block), put(&user)]).await;
    assert!(matches!(verdict, Ok(Verdict::Committed(_))), "{verdict:?}");
    nothing_is_left_over(&ground).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_users_who_are_moved_and_blocked_at_once_none_stands_without_his_block() {
    let ground = ground().await;
    for round in 0..60 {
        let (old, new) = (format!("{round}@old.example"), format!("{round}@new.example"));
        ground.insert("users", doc! { "email": &old, "verified": true }).await;
        let user = find(&ground.store, "users", &old).await.unwrap();
        let relocate = Change::Move(Relocation {
            collection: "users".to_owned(),
            key: old.clone(),
            version: user.version.clone(),
            to: new.clone(),
            edits: Vec::new(),
            due: None,
        });
        let expect = Change::Expect(Expectation {
            collection: "users".to_owned(),
            key: old.clone(),
            version: Some(user.version),
        });
        let block = Change::Put(Put {
            collection: "blocked".to_owned(),
            key: old.clone(),
            version: None,
            edits: vec![Edit { path: vec!["blocked".to_owned()], value: Some("true".to_owned()) }],
            due: None,
        });
        let other =
            MongoStore::connect(&ground.uri, &ground.name, &Options::default()).await.unwrap();
        let mover = ground.store.clone();
        let moving = tokio::spawn(async move { mover.commit(&[relocate]).await });
        let blocking = tokio::spawn(async move { other.commit(&[expect, block]).await });
        let (moved, blocked_him) = (moving.await.unwrap(), blocking.await.unwrap());
        if matches!(blocked_him, Ok(Verdict::Committed(_))) {
            let home = if matches!(moved, Ok(Verdict::Committed(_))) { &new } else { &old };
            assert_eq!(blocked(&ground.store, home).await, Some(true), "{round}: {moved:?}");
        }
    }
}
