//! What becomes of a mail that waits.

use super::*;

#[tokio::test]
async fn a_mail_is_tried_again_after_growing_delays_and_goes_out_once() {
    let world = World::new(Answer::Later);
    world.queued().await;
    let mut waits = Vec::new();
    for attempts in 1..=6 {
        let record = world.records().await.remove(0);
        assert_eq!(record.document.attempts, attempts);
        let wait = record.document.due - world.clock.load(Ordering::SeqCst);
        waits.push(wait);
        // Not before its time.
        world.pass_time(wait - 1);
        assert_eq!(world.pass().await, Passed::default());
        world.pass_time(1);
        assert_eq!(world.pass().await, Passed { postponed: 1, ..Passed::default() });
    }
    for (wait, most) in waits.iter().zip([5, 10, 20, 40, 80, 120]) {
        assert!(*wait <= most && *wait >= most / 2, "{waits:?}");
    }
    world.server.always(Answer::Take);
    world.pass_time(120);
    assert_eq!(world.pass().await, Passed { delivered: 1, ..Passed::default() });
    assert_eq!((world.waiting().await, world.server.taken().len()), (0, 1));
    assert_eq!(world.pass().await, Passed::default());
}

#[tokio::test]
async fn a_mail_whose_time_is_over_is_removed_without_an_attempt() {
    let world = World::new(Answer::Take);
    world.queued().await;
    world.pass_time(LIFE);
    assert_eq!(world.pass().await, Passed { dropped: 1, ..Passed::default() });
    assert_eq!((world.waiting().await, world.server.tried()), (0, 1));
}

#[tokio::test]
async fn a_mail_that_would_wait_beyond_its_time_is_removed() {
    let world = World::new(Answer::Later);
    world.queued().await;
    world.pass_time(LIFE - 4);
    assert_eq!(world.pass().await, Passed { dropped: 1, ..Passed::default() });
    assert_eq!((world.waiting().await, world.server.tried()), (0, 2));
}

#[tokio::test]
async fn a_refusal_for_good_ends_the_mail() {
    let world = World::new(Answer::Never);
    world.queued().await;
    world.pass_time(5);
    assert_eq!(world.pass().await, Passed { dropped: 1, ..Passed::default() });
    assert_eq!((world.waiting().await, world.server.tried()), (0, 2));
}

#[tokio::test]
async fn a_mail_goes_out_while_its_guard_holds() {
    let world = World::new(Answer::Take);
    world.user("one").await;
    world.server.next(&[Answer::Later]);
    world.queue.send(&guarded("one")).await.unwrap();
    // What else is written to the user does not matter.
    world.write("users", "ann@example.com", &["custom_data"], Some("x".into())).await;
    world.pass_time(5);
    assert_eq!(world.pass().await, Passed { delivered: 1, ..Passed::default() });
}

#[tokio::test]
async fn a_code_that_was_used_or_replaced_and_a_user_who_is_gone_end_the_mail() {
    for end in ["used", "replaced", "gone", "another kind", "no object"] {
        let world = World::new(Answer::Take);
        world.user("one").await;
        world.server.next(&[Answer::Later]);
        world.queue.send(&guarded("one")).await.unwrap();
        let key = "ann@example.com";
        match end {
            "used" => {
                world.write("users", key, &["portcullis", "codes", "mailbox"], None).await;
            }
            "replaced" => world.user("two").await,
            "gone" => world.store.store.remove("users").await.unwrap(),
            "another kind" => {
                let path = ["portcullis", "codes", "mailbox", "digest"];
                world.write("users", key, &path, Some(1.into())).await;
            }
            _ => world.write("users", key, &["portcullis"], Some("one".into())).await,
        }
        world.pass_time(5);
        assert_eq!(world.pass().await, Passed { dropped: 1, ..Passed::default() }, "{end}");
        assert_eq!((world.waiting().await, world.server.tried()), (0, 1), "{end}");
    }
}

#[tokio::test]
async fn every_attempt_is_the_same_mail_to_the_byte() {
    let world = World::new(Answer::TakeAndBreak);
    assert_eq!(world.send().await, Ok(Delivery::Queued));
    for _ in 0..3 {
        world.pass_time(120);
        assert_eq!(world.pass().await.postponed, 1);
    }
    let taken = world.server.taken();
    assert_eq!(taken.len(), 4);
    assert!(taken.iter().all(|mail| *mail.content == *taken[0].content && mail.to == taken[0].to));
}

#[tokio::test]
async fn a_pass_does_no_more_than_its_budget_and_says_that_there_is_more() {
    let world = World::new(Answer::Take);
    for _ in 0..5 {
        world.queued().await;
    }
    world.pass_time(5);
    let budget = Budget { mails: 3, ..Budget::default() };
    let passed = world.queue.pass(&budget).await.unwrap();
    assert_eq!(passed, Passed { delivered: 3, more: true, ..Passed::default() });
    let passed = world.queue.pass(&budget).await.unwrap();
    assert_eq!(passed, Passed { delivered: 2, ..Passed::default() });
}

#[tokio::test]
async fn a_pass_without_time_begins_nothing_that_it_must_wait_for() {
    let world = World::new(Answer::Gate);
    for _ in 0..6 {
        world.queued().await;
    }
    world.pass_time(5);
    let budget = Budget {
        time: Duration::from_millis(30),
        attempt: Duration::from_millis(60),
        ..Budget::default()
    };
    let passed = world.queue.pass(&budget).await.unwrap();
    // Four at a time; the two others are as they were.
    assert_eq!(passed, Passed { postponed: 4, more: true, ..Passed::default() });
    let untouched = world.records().await.iter().filter(|it| it.document.attempts == 1).count();
    assert_eq!(untouched, 2);
}

#[tokio::test]
async fn one_mail_that_hangs_does_not_hold_up_the_others() {
    let world = World::new(Answer::Take);
    for _ in 0..10 {
        world.queued().await;
    }
    world.pass_time(5);
    world.server.next(&[Answer::Gate]);
    let queue = world.queue.clone();
    let pass = tokio::spawn(async move { queue.pass(&Budget::default()).await.unwrap() });
    until(async || world.server.taken().len() == 9).await;
    assert_eq!(world.waiting().await, 1);
    world.server.gate.add_permits(1);
    assert_eq!(pass.await.unwrap().delivered, 10);
}

#[tokio::test]
async fn a_pass_that_nobody_waits_for_any_more_finishes_what_it_has_begun() {
    let world = World::new(Answer::Gate);
    world.queued().await;
    world.pass_time(5);
    let queue = world.queue.clone();
    let pass = tokio::spawn(async move { queue.pass(&Budget::default()).await });
    until(async || world.server.tried() == 2).await;
    pass.abort();
    assert!(pass.await.unwrap_err().is_cancelled());
    world.server.gate.add_permits(1);
    world.queue.close().await;
    assert_eq!((world.waiting().await, world.server.taken().len()), (0, 1));
}
