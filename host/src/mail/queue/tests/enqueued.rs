//! Mail that is only put into the queue, so that its caller can tell nothing from how long it takes.

use super::*;

#[tokio::test]
async fn no_attempt_is_made_for_the_caller_and_one_at_once_after() {
    let world = World::new(Answer::Take);
    world.user("d1").await;
    world.queue.enqueue(&guarded("d1")).await.unwrap();
    assert_eq!((world.server.tried(), world.waiting().await), (0, 1));
    assert_eq!(world.pass().await, Passed { delivered: 1, ..Passed::default() });
    assert_eq!((world.server.taken().len(), world.waiting().await), (1, 0));
}

#[tokio::test]
async fn a_mail_about_an_account_that_is_not_there_is_kept_alike_and_never_sent() {
    let world = World::new(Answer::Take);
    world.queue.enqueue(&guarded("d1")).await.unwrap();
    assert_eq!(world.waiting().await, 1);
    assert_eq!(world.pass().await, Passed { dropped: 1, ..Passed::default() });
    assert_eq!((world.server.tried(), world.waiting().await), (0, 0));
}

#[tokio::test]
async fn whoever_delivers_is_told_of_its_coming() {
    let world = World::new(Answer::Take);
    let queue = world.queue.clone();
    let told = tokio::spawn(async move { queue.arrival().await });
    world.queue.enqueue(&guarded("d1")).await.unwrap();
    told.await.unwrap();
}

#[tokio::test]
async fn a_server_that_refuses_is_tried_again() {
    let world = World::new(Answer::Later);
    world.user("d1").await;
    world.queue.enqueue(&guarded("d1")).await.unwrap();
    assert_eq!(world.pass().await, Passed { postponed: 1, ..Passed::default() });
    world.server.always(Answer::Take);
    world.pass_time(5);
    assert_eq!(world.pass().await, Passed { delivered: 1, ..Passed::default() });
}

#[tokio::test]
async fn what_cannot_be_kept_is_an_error() {
    let world = World::new(Answer::Take);
    world.store.down(true);
    assert!(matches!(world.queue.enqueue(&guarded("d1")).await, Err(MailError::Other(_))));
    world.store.down(false);
    world.queue.close().await;
    assert!(matches!(world.queue.enqueue(&guarded("d1")).await, Err(MailError::Other(_))));
    let late = Message { valid_until: START, ..message() };
    assert!(world.queue.enqueue(&late).await.is_err());
    assert_eq!(world.waiting().await, 0);
}
