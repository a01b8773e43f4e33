//! From a message to an answer.

use super::*;

#[tokio::test]
async fn a_mail_that_the_server_takes_is_stored_nowhere() {
    let world = World::new(Answer::Take);
    assert_eq!(world.send().await, Ok(Delivery::Accepted));
    assert_eq!(world.waiting().await, 0);
    let taken = world.server.taken();
    let [mail] = taken.as_slice() else { panic!("{} mails", taken.len()) };
    assert_eq!((&*mail.from, &*mail.to), ("codes@portcullis.example", "Ann@example.com"));
    let parsed = MessageParser::default().parse(mail.content.as_slice()).unwrap();
    assert!(parsed.message_id().unwrap().ends_with("@portcullis.example"));
    assert!(parsed.body_text(0).unwrap().starts_with("Your verification code is: 271828"));
}

#[tokio::test]
async fn a_refusal_for_good_is_told_with_its_reason_and_nothing_is_stored() {
    let world = World::new(Answer::Never);
    let refused = world.send().await;
    assert_eq!(refused, Err(MailError::Rejected("550 no such mailbox".into())));
    assert_eq!(world.waiting().await, 0);
}

#[tokio::test]
async fn a_refusal_for_now_queues_the_mail() {
    let world = World::new(Answer::Later);
    assert_eq!(world.send().await, Ok(Delivery::Queued));
    let records = world.records().await;
    let [record] = records.as_slice() else { panic!("{records:?}") };
    assert!(record.key.starts_with("mail:") && record.key.len() == 37, "{}", record.key);
    let document = &record.document;
    assert_eq!((document.queued, document.valid_until), (START, START + LIFE));
    assert_eq!((document.attempts, &document.worker), (1, &None));
    assert!((START + 2..=START + 5).contains(&document.due), "{}", document.due);
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_is_refused_without_an_attempt() {
    let world = World::new(Answer::Take);
    let bad = Message { to: "ann@example.com, eve@example.com".into(), ..message() };
    assert!(matches!(world.queue.send(&bad).await, Err(MailError::Rejected(_))));
    for valid_until in [0, START - 1, START] {
        let late = Message { valid_until, ..message() };
        assert!(matches!(world.queue.send(&late).await, Err(MailError::Other(_))));
    }
    assert_eq!((world.server.tried(), world.waiting().await), (0, 0));
}

/// Options with which nobody waits long for a server that does not answer.
fn impatient() -> Options {
    Options { patience: Duration::from_millis(30), ..Options::default() }
}

#[tokio::test]
async fn a_slow_server_is_not_waited_for_and_its_answer_still_counts() {
    let world = World::with(Answer::Gate, impatient());
    assert_eq!(world.send().await, Ok(Delivery::Queued));
    let record = world.records().await.remove(0);
    assert!(record.document.worker.is_some() && record.document.due >= START + 30, "{record:?}");
    // Nobody else has it meanwhile.
    world.pass_time(20);
    assert_eq!(world.pass().await, Passed::default());
    world.server.gate.add_permits(1);
    until(async || world.waiting().await == 0).await;
    assert_eq!((world.server.tried(), world.server.taken().len()), (1, 1));
}

#[tokio::test]
async fn a_slow_server_that_refuses_for_now_gets_the_mail_later() {
    let world = World::with(Answer::GateAndLater, impatient());
    assert_eq!(world.send().await, Ok(Delivery::Queued));
    world.server.gate.add_permits(1);
    until(async || world.records().await[0].document.worker.is_none()).await;
    world.server.always(Answer::Take);
    world.pass_time(5);
    assert_eq!(world.pass().await.delivered, 1);
    assert_eq!(world.waiting().await, 0);
}

#[tokio::test]
async fn when_the_server_has_let_one_wait_the_next_do_not_wait() {
    let world = World::with(Answer::Gate, impatient());
    assert_eq!(world.send().await, Ok(Delivery::Queued));
    for _ in 0..3 {
        assert_eq!(world.send().await, Ok(Delivery::Queued));
    }
    assert_eq!((world.server.tried(), world.waiting().await), (1, 4));
    // The worker sees that it answers again, so callers try again too.
    world.server.always(Answer::Take);
    world.pass_time(5);
    assert_eq!(world.pass().await.delivered, 3);
    assert_eq!(world.send().await, Ok(Delivery::Accepted));
    world.server.gate.add_permits(1);
}

#[tokio::test]
async fn a_caller_who_hangs_up_does_not_lose_the_mail() {
    let world = World::new(Answer::GateAndLater);
    let (queue, message) = (world.queue.clone(), message());
    let caller = tokio::spawn(async move { queue.send(&message).await });
    until(async || world.server.tried() == 1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    assert_eq!(world.waiting().await, 0);
    world.server.gate.add_permits(1);
    until(async || world.waiting().await == 1).await;
}

#[tokio::test]
async fn a_full_queue_refuses_and_says_so() {
    let options = Options { capacity: 2, ..Options::default() };
    let world = World::with(Answer::Later, options.clone());
    let counted = {
        let keys = [from_bytes(&[1; 32])];
        let database = Arc::new(MemoryStore::default());
        let parts = Parts {
            tenant: "default",
            from: "codes@portcullis.example",
            keys: &keys,
            store: database.clone(),
            database: Some(database),
            transport: world.server.clone(),
            clock: Arc::new(|| UNIX_EPOCH + Duration::from_secs(START)),
        };
        QueuedMailer::new(parts, options).unwrap()
    };
    for queue in [&world.queue, &counted] {
        for _ in 0..2 {
            assert_eq!(queue.send(&guarded("d")).await, Ok(Delivery::Queued));
        }
        match queue.send(&guarded("d")).await {
            Err(MailError::Other(why)) => assert!(why.contains("too many mails"), "{why}"),
            other => panic!("{other:?}"),
        }
        // What needs no queue still works.
        world.server.next(&[Answer::Take]);
        assert_eq!(queue.send(&message()).await, Ok(Delivery::Accepted));
    }
    assert_eq!(world.waiting().await, 2);
}

#[tokio::test]
async fn notices_leave_half_of_the_places_to_codes() {
    let world = World::with(Answer::Later, Options { capacity: 4, ..Options::default() });
    for _ in 0..2 {
        assert_eq!(world.queue.enqueue(&message()).await, Ok(()));
    }
    assert!(matches!(world.queue.enqueue(&message()).await, Err(MailError::Other(_))));
    for _ in 0..2 {
        assert_eq!(world.queue.enqueue(&guarded("d")).await, Ok(()));
    }
    assert!(matches!(world.queue.enqueue(&guarded("d")).await, Err(MailError::Other(_))));
    assert_eq!(world.waiting().await, 4);
}

#[tokio::test]
async fn a_closed_queue_takes_nothing_and_has_finished_what_it_had() {
    let world = World::new(Answer::GateAndLater);
    let (queue, message) = (world.queue.clone(), message());
    let caller = tokio::spawn(async move { queue.send(&message).await });
    until(async || world.server.tried() == 1).await;
    let queue = world.queue.clone();
    let closing = tokio::spawn(async move { queue.close().await });
    world.server.gate.add_permits(1);
    closing.await.unwrap();
    assert_eq!(world.waiting().await, 1);
    assert_eq!(caller.await.unwrap(), Ok(Delivery::Queued));
    assert!(matches!(world.send().await, Err(MailError::Other(_))));
    world.pass_time(5);
    assert_eq!(world.pass().await, Passed { more: true, ..Passed::default() });
    assert_eq!(world.server.tried(), 1);
}

#[test]
fn a_sender_that_is_no_address_is_refused_at_the_start() {
    for from in ["", "portcullis", "a@b, c@d", "Ann <ann@example.com>", "a@b\r\nBcc: c@d"] {
        let keys = [from_bytes(&[1; 32])];
        let parts = Parts {
            tenant: "default",
            from,
            keys: &keys,
            store: Arc::new(MemoryStore::default()),
            database: None,
            transport: Server::new(Answer::Take),
            clock: Arc::new(std::time::SystemTime::now),
        };
        let refused = QueuedMailer::new(parts, Options::default()).unwrap_err();
        assert!(refused.to_string().contains("sender"), "{refused}");
    }
}
