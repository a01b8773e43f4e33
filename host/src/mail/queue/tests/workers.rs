//! Many hosts on one store: each mail has one of them at a time.

use std::collections::BTreeSet;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_workers_one_claims_each_mail() {
    let world = World::new(Answer::Take);
    for _ in 0..60 {
        world.queued().await;
    }
    world.pass_time(5);
    drain(&world.server, (0..8).map(|_| world.host(&[1])).collect()).await;
    assert_eq!(world.waiting().await, 0);
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_workers_on_one_file_one_claims_each_mail() {
    use crate::store::sqlite::{Options as Sqlite, SqliteStore};

    let folder = tempfile::tempdir().unwrap();
    let server = Server::new(Answer::Later);
    let clock = Arc::new(AtomicU64::new(START));
    // Each host has connections of its own, as another process would.
    let hosts: Vec<_> = (0..4)
        .map(|_| {
            let store = SqliteStore::open(folder.path().join("db"), &Sqlite::default()).unwrap();
            queue(&server, Arc::new(store), &clock, &[1], Options::default())
        })
        .collect();
    for _ in 0..60 {
        assert_eq!(hosts[0].send(&message()).await, Ok(Delivery::Queued));
    }
    server.always(Answer::Take);
    clock.fetch_add(5, Ordering::SeqCst);
    drain(&server, hosts).await;
}

/// All hosts pass at once: 60 mails go out, each once.
async fn drain(server: &Arc<Server>, hosts: Vec<QueuedMailer>) {
    let passes: Vec<_> = hosts
        .into_iter()
        .map(|host| tokio::spawn(async move { host.pass(&Budget::default()).await.unwrap() }))
        .collect();
    let mut delivered = 0;
    for pass in passes {
        delivered += pass.await.unwrap().delivered;
    }
    let ids = server.ids();
    assert_eq!((delivered, ids.len()), (60, 60));
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>().len(), 60);
}

#[tokio::test]
async fn a_mail_in_hand_is_nobody_elses_until_the_claim_ends() {
    let world = World::new(Answer::Take);
    world.queued().await;
    world.pass_time(5);
    world.server.next(&[Answer::Gate]);
    let dies = world.host(&[1]);
    let pass = tokio::spawn(async move { dies.pass(&Budget::default()).await });
    until(async || world.server.tried() == 2).await;
    assert_eq!(world.pass().await, Passed::default());
    world.pass_time(29);
    assert_eq!(world.pass().await, Passed::default());
    // Its process died: nobody hears of it any more.
    world.pass_time(1);
    assert_eq!(world.pass().await, Passed { delivered: 1, ..Passed::default() });
    // Should it live after all, it changes nothing that is not its own any more.
    world.server.gate.add_permits(1);
    pass.await.unwrap().unwrap();
    assert_eq!(world.waiting().await, 0);
    let ids = world.server.ids();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
}

#[tokio::test]
async fn a_worker_that_lost_its_claim_does_not_give_the_mail_back() {
    let world = World::new(Answer::Gate);
    world.queued().await;
    world.pass_time(5);
    world.server.next(&[Answer::GateAndLater]);
    let slow = world.host(&[1]);
    let pass = tokio::spawn(async move { slow.pass(&Budget::default()).await });
    until(async || world.server.tried() == 2).await;
    world.pass_time(30);
    let queue = world.queue.clone();
    let other = tokio::spawn(async move { queue.pass(&Budget::default()).await });
    until(async || world.server.tried() == 3).await;
    let claimed = world.records().await;
    world.server.gate.add_permits(1);
    assert_eq!(pass.await.unwrap().unwrap(), Passed::default());
    assert_eq!(world.records().await, claimed);
    world.server.gate.add_permits(1);
    assert_eq!(other.await.unwrap().unwrap().delivered, 1);
    assert_eq!(world.waiting().await, 0);
}

#[tokio::test]
async fn a_mail_that_was_claimed_since_it_was_found_is_left_alone() {
    let world = World::new(Answer::Gate);
    world.queued().await;
    world.pass_time(5);
    let key = world.records().await.remove(0).key;
    let queue = world.queue.clone();
    let pass = tokio::spawn(async move { queue.pass(&Budget::default()).await });
    until(async || world.server.tried() == 2).await;
    let claimed = world.records().await;
    // As this host found it a moment before.
    *world.store.stale.lock().unwrap() = Some(vec![key]);
    let late = world.host(&[1]);
    assert_eq!(late.pass(&Budget::default()).await.unwrap(), Passed::default());
    *world.store.stale.lock().unwrap() = None;
    assert_eq!((world.server.tried(), world.records().await), (2, claimed));
    world.server.gate.add_permits(1);
    assert_eq!(pass.await.unwrap().unwrap().delivered, 1);
}
