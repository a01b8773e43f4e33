//! A store that is down, at the worst moments.

use super::*;

#[tokio::test]
async fn with_the_store_down_the_caller_is_told_that_the_mail_is_not_kept() {
    let world = World::new(Answer::Later);
    world.store.down(true);
    match world.send().await {
        Err(MailError::Other(why)) => assert!(why.contains("the store cannot keep it"), "{why}"),
        other => panic!("{other:?}"),
    }
    world.store.down(false);
    assert_eq!(world.waiting().await, 0);
    // What needs no queue needs no store.
    world.store.down(true);
    world.server.next(&[Answer::Take]);
    assert_eq!(world.send().await, Ok(Delivery::Accepted));
}

#[tokio::test]
async fn a_pass_with_the_store_down_fails_and_loses_nothing() {
    let world = World::new(Answer::Take);
    world.queued().await;
    world.pass_time(5);
    world.store.down(true);
    let failed = world.queue.pass(&Budget::default()).await;
    assert!(matches!(failed, Err(Error::Unavailable(_))), "{failed:?}");
    assert_eq!(world.server.tried(), 1);
    world.store.down(false);
    assert_eq!(world.pass().await.delivered, 1);
}

#[tokio::test]
async fn a_store_that_fails_during_an_attempt_leaves_the_mail_to_the_end_of_the_claim() {
    let world = World::new(Answer::GateAndLater);
    world.queued().await;
    world.pass_time(5);
    let queue = world.queue.clone();
    let pass = tokio::spawn(async move { queue.pass(&Budget::default()).await });
    until(async || world.server.tried() == 2).await;
    world.store.down(true);
    world.server.gate.add_permits(1);
    pass.await.unwrap().unwrap();
    world.store.down(false);
    world.server.always(Answer::Take);
    world.pass_time(29);
    assert_eq!(world.pass().await, Passed::default());
    world.pass_time(1);
    assert_eq!(world.pass().await.delivered, 1);
}

#[tokio::test]
async fn a_mail_that_is_out_and_cannot_be_removed_is_not_sent_again_by_this_process() {
    let world = World::new(Answer::Take);
    world.queued().await;
    world.pass_time(5);
    world.store.keeps(true);
    assert_eq!(world.pass().await.delivered, 1);
    assert_eq!(world.waiting().await, 1);
    world.pass_time(30);
    // Still the removal fails, so the store does.
    assert!(world.queue.pass(&Budget::default()).await.is_err());
    world.store.keeps(false);
    assert_eq!(world.pass().await, Passed::default());
    assert_eq!((world.waiting().await, world.server.taken().len()), (0, 1));
}

#[tokio::test]
async fn after_a_crash_between_success_and_removal_the_same_mail_goes_out_again() {
    let world = World::new(Answer::Take);
    world.queued().await;
    world.pass_time(5);
    world.store.keeps(true);
    let dies = world.host(&[1]);
    assert_eq!(dies.pass(&Budget::default()).await.unwrap().delivered, 1);
    drop(dies);
    world.store.keeps(false);
    world.pass_time(30);
    assert_eq!(world.pass().await.delivered, 1);
    let ids = world.server.ids();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
    assert_eq!(world.waiting().await, 0);
}

#[tokio::test]
async fn a_mail_whose_guard_stands_in_a_damaged_record_waits_and_others_go_out() {
    let world = World::new(Answer::Take);
    world.user("one").await;
    world.server.next(&[Answer::Later]);
    world.queue.send(&guarded("one")).await.unwrap();
    world.queued().await;
    world.pass_time(5);
    world.store.damaged.store(true, Ordering::SeqCst);
    assert_eq!(world.pass().await, Passed { delivered: 1, postponed: 1, ..Passed::default() });
    world.store.damaged.store(false, Ordering::SeqCst);
    world.pass_time(10);
    assert_eq!(world.pass().await, Passed { delivered: 1, ..Passed::default() });
}

#[tokio::test]
async fn what_is_no_mail_of_ours_is_removed() {
    let world = World::new(Answer::Take);
    world.write(MAIL, "mail:0", &["queued"], Some("soon".into())).await;
    assert_eq!(world.pass().await, Passed { dropped: 1, ..Passed::default() });
    assert_eq!(world.waiting().await, 0);
}

#[tokio::test]
async fn a_removal_whose_answer_is_lost_is_a_removal() {
    let world = World::new(Answer::Gate);
    world.queued().await;
    world.pass_time(5);
    let queue = world.queue.clone();
    let pass = tokio::spawn(async move { queue.pass(&Budget::default()).await });
    until(async || world.server.tried() == 2).await;
    world.store.lost.store(1, Ordering::SeqCst);
    world.server.gate.add_permits(1);
    assert_eq!(pass.await.unwrap().unwrap().delivered, 1);
    assert_eq!((world.waiting().await, world.queue.inner.sent().len()), (0, 0));
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_not_acted_on_until_it_ends() {
    let world = World::new(Answer::Take);
    world.queued().await;
    world.pass_time(5);
    world.store.lost.store(1, Ordering::SeqCst);
    assert!(world.queue.pass(&Budget::default()).await.is_err());
    world.pass_time(29);
    assert_eq!(world.pass().await, Passed::default());
    assert_eq!(world.server.tried(), 1);
    world.pass_time(1);
    assert_eq!(world.pass().await.delivered, 1);
}

#[tokio::test]
async fn a_mail_whose_queueing_is_not_known_to_have_worked_is_told_as_lost_and_not_sent() {
    let world = World::new(Answer::Later);
    world.user("one").await;
    world.store.lost.store(1, Ordering::SeqCst);
    assert!(matches!(world.queue.send(&guarded("one")).await, Err(MailError::Other(_))));
    // Whoever was told so takes the code back.
    world.user("none").await;
    world.server.always(Answer::Take);
    world.pass_time(5);
    assert_eq!(world.pass().await, Passed { dropped: 1, ..Passed::default() });
}
