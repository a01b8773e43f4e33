use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;

const LONG: Duration = Duration::from_secs(60);

fn admission(hashing: usize, queue: usize) -> Arc<Admission> {
    let limits = Limits { hashing, queue, plain: 4, queue_plain: 2, ..Limits::default() };
    Arc::new(Admission::new(&limits, Arc::default()))
}

fn soon() -> Instant {
    Instant::now() + LONG
}

fn tenants<const N: usize>() -> [TenantId; N] {
    [(); N].map(|()| TenantId::new())
}

async fn hashing(admission: &Admission, tenant: TenantId) -> Permit {
    admission.enter(tenant, Work::Hashing, soon()).await.unwrap()
}

/// Who waits, once he does.
async fn waits(admission: &Arc<Admission>, tenant: TenantId) -> JoinHandle<Result<Permit, u64>> {
    let before = admission.hashing.door().waiting();
    let task = tokio::spawn({
        let admission = Arc::clone(admission);
        async move {
            let answer = admission.enter(tenant, Work::Hashing, soon()).await;
            answer.map_err(|error| match error {
                CallError::Overloaded { retry_after } => retry_after.as_secs(),
                other => panic!("{other}"),
            })
        }
    });
    // Whoever takes another's place leaves the number as it is.
    for _ in 0..100 {
        if admission.hashing.door().waiting() > before {
            break;
        }
        tokio::task::yield_now().await;
    }
    task
}

async fn entered(task: JoinHandle<Result<Permit, u64>>) -> Permit {
    tokio::time::timeout(LONG, task).await.expect("his turn").unwrap().unwrap()
}

mod waiting {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let (admission, [tenant]) = (admission(1, 0), tenants());
        let _first = hashing(&admission, tenant).await;
        let second = admission.enter(tenant, Work::Hashing, soon()).await;
        assert!(matches!(second, Err(CallError::Overloaded { .. })));
    }

    #[tokio::test]
    async fn who_waits_enters_when_another_leaves() {
        let (admission, [tenant]) = (admission(1, 1), tenants());
        let first = hashing(&admission, tenant).await;
        let second = waits(&admission, tenant).await;
        drop(first);
        drop(entered(second).await);
        assert!(admission.hashing.door().is_idle());
    }

    #[tokio::test]
    async fn who_waits_gives_up_at_the_deadline_and_leaves_the_queue() {
        let (admission, [tenant]) = (admission(1, 1), tenants());
        let first = hashing(&admission, tenant).await;
        let near = Instant::now() + Duration::from_millis(20);
        let second = admission.enter(tenant, Work::Hashing, near).await;
        assert!(matches!(second, Err(CallError::Overloaded { .. })));
        drop(first);
        assert!(admission.hashing.door().is_idle());
    }

    #[tokio::test]
    async fn calls_that_do_not_hash_pass_those_that_do() {
        let (admission, [tenant]) = (admission(1, 0), tenants());
        let _hashing = hashing(&admission, tenant).await;
        admission.enter(tenant, Work::Plain, soon()).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_lost_however_calls_end() {
        let (admission, tenants) = (admission(2, 8), tenants::<3>());
        let mut calls = Vec::new();
        for number in 0..600_u64 {
            let (admission, tenant) = (Arc::clone(&admission), tenants[number as usize % 3]);
            let call = tokio::spawn(async move {
                let Ok(permit) = admission.enter(tenant, Work::Hashing, soon()).await else {
                    return;
                };
                permit.lend_while(sleep(Duration::from_millis(number % 11))).await;
            });
            if number % 7 == 0 {
                calls.push(call);
            } else {
                // Callers who hang up at any moment.
                tokio::spawn(async move {
                    sleep(Duration::from_millis(number % 17)).await;
                    call.abort();
                });
            }
            if number % 5 == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        }
        for call in calls {
            call.await.unwrap();
        }
        for _ in 0..1000 {
            if admission.hashing.door().is_idle() {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
        panic!("permits or places are missing");
    }
}

mod sharing {
    use super::*;

    #[tokio::test]
    async fn a_newcomer_has_the_next_turn_however_many_of_another_tenant_wait() {
        let (admission, [flood, other]) = (admission(2, 9), tenants());
        let (first, _second) = (hashing(&admission, flood).await, hashing(&admission, flood).await);
        let mut waiting = Vec::new();
        for _ in 0..8 {
            waiting.push(waits(&admission, flood).await);
        }
        let newcomer = waits(&admission, other).await;
        drop(first);
        let his = entered(newcomer).await;
        assert!(waiting.iter().all(|task| !task.is_finished()));
        drop(his);
        entered(waiting.remove(0)).await;
    }

    #[tokio::test]
    async fn tenants_take_turns() {
        let (admission, [one, other]) = (admission(1, 8), tenants());
        let mut now = hashing(&admission, one).await;
        let mut waiting = [Vec::new(), Vec::new()];
        for _ in 0..3 {
            waiting[0].push(waits(&admission, one).await);
        }
        for _ in 0..3 {
            waiting[1].push(waits(&admission, other).await);
        }
        for line in [0, 1, 0, 1, 0, 1] {
            drop(now);
            now = entered(waiting[line].remove(0)).await;
        }
    }

    #[tokio::test]
    async fn in_a_full_queue_a_newcomer_takes_the_place_of_the_last_of_the_longest_line() {
        let (admission, [flood, other]) = (admission(1, 3), tenants());
        let first = hashing(&admission, flood).await;
        let mut waiting = Vec::new();
        for _ in 0..3 {
            waiting.push(waits(&admission, flood).await);
        }
        let newcomer = waits(&admission, other).await;
        let last = waiting.pop().unwrap().await.unwrap();
        assert!(last.is_err_and(|seconds| seconds <= 1));
        assert!(waiting.iter().all(|task| !task.is_finished()));
        drop(first);
        // No line is longer than both now.
        drop(entered(waiting.remove(0)).await);
        drop(entered(newcomer).await);
    }

    #[tokio::test]
    async fn whoever_does_not_hash_leaves_room_for_other_tenants() {
        let (admission, [greedy, other]) = (admission(1, 0), tenants());
        let enter = |tenant| admission.enter(tenant, Work::Plain, Instant::now());
        let first = enter(greedy).await.unwrap();
        let _second = enter(greedy).await.unwrap();
        assert!(enter(greedy).await.is_err());
        let _his = enter(other).await.unwrap();
        drop(first);
        enter(greedy).await.unwrap();
    }
}

mod advice {
    use super::*;

    #[tokio::test]
    async fn those_sent_away_get_a_turn_each() {
        let (admission, [tenant]) = (admission(1, 0), tenants());
        let _first = hashing(&admission, tenant).await;
        let mut advice = Vec::new();
        for _ in 0..100 {
            match admission.enter(tenant, Work::Hashing, soon()).await {
                Err(CallError::Overloaded { retry_after }) => advice.push(retry_after),
                _ => panic!("he entered"),
            }
        }
        // 50 ms each, as long as no call was seen, in whole seconds.
        let seconds: Vec<_> = advice.iter().map(Duration::as_secs).collect();
        assert!(seconds.is_sorted(), "{seconds:?}");
        assert_eq!((seconds[0], seconds[99]), (1, 5), "{seconds:?}");
    }

    #[tokio::test]
    async fn one_tenants_flood_does_not_lengthen_the_advice_for_another() {
        let (admission, [flood, other]) = (admission(1, 0), tenants());
        let _first = hashing(&admission, flood).await;
        for _ in 0..10_000 {
            assert!(admission.enter(flood, Work::Hashing, soon()).await.is_err());
        }
        match admission.enter(other, Work::Hashing, soon()).await {
            Err(CallError::Overloaded { retry_after }) => {
                assert_eq!(retry_after, Duration::from_secs(1));
            }
            _ => panic!("he entered"),
        }
        match admission.enter(flood, Work::Hashing, soon()).await {
            Err(CallError::Overloaded { retry_after }) => assert!(retry_after <= LONG),
            _ => panic!("he entered"),
        }
    }
}

mod lending {
    use super::*;

    /// A call whose store answers when it is told so.
    struct Stuck {
        store: Arc<Notify>,
        call: JoinHandle<()>,
    }

    impl Stuck {
        fn begin(admission: &Arc<Admission>, tenant: TenantId) -> Self {
            let (store, admission) = (Arc::new(Notify::new()), Arc::clone(admission));
            let answer = Arc::clone(&store);
            let call = tokio::spawn(async move {
                let permit = hashing(&admission, tenant).await;
                permit.lend_while(answer.notified()).await;
            });
            Self { store, call }
        }

        /// Once it has lent its permit.
        async fn lent(admission: &Arc<Admission>, tenant: TenantId) -> Self {
            let stuck = Self::begin(admission, tenant);
            until(|| admission.hashing.door().lent() == 1).await;
            stuck
        }
    }

    async fn until(holds: impl Fn() -> bool) {
        for _ in 0..10_000 {
            if holds() {
                return;
            }
            sleep(Duration::from_millis(1)).await;
        }
        panic!("it does not come to that");
    }

    #[tokio::test]
    async fn a_tenant_whose_store_does_not_answer_keeps_nobody_from_hashing() {
        for permits in [1, 2, 4, 8] {
            let (admission, [down, other]) = (admission(permits, 99), tenants());
            let calls: Vec<_> = (0..60).map(|_| Stuck::begin(&admission, down)).collect();
            until(|| admission.hashing.door().waiting() > 0).await;
            sleep(PATIENCE * 4).await;
            let mut his = Vec::new();
            for _ in 0..permits {
                his.push(hashing(&admission, other).await);
            }
            drop(his);
            for Stuck { store, call } in calls {
                store.notify_one();
                call.await.unwrap();
            }
            assert!(admission.hashing.door().is_idle());
        }
    }

    #[tokio::test]
    async fn a_tenant_whose_calls_keep_their_permits_leaves_others_some() {
        let (admission, [down, other]) = (admission(4, 99), tenants());
        let answer = Arc::new(Notify::new());
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let (admission, answer) = (Arc::clone(&admission), Arc::clone(&answer));
                tokio::spawn(async move {
                    let permit = hashing(&admission, down).await;
                    // As if it had hashed.
                    permit.keep_while(answer.notified()).await;
                })
            })
            .collect();
        // All four are his, as long as nobody knows that his store does not answer.
        until(|| admission.hashing.door().waiting() == 4).await;
        sleep(PATIENCE * 4).await;
        answer.notify_one();
        answer.notify_one();
        let [first, second] = [hashing(&admission, other).await, hashing(&admission, other).await];
        assert_eq!(admission.hashing.door().waiting(), 4);
        drop((first, second));
        for _ in 0..6 {
            answer.notify_one();
            tokio::task::yield_now().await;
        }
        until(|| {
            answer.notify_one();
            calls.iter().all(JoinHandle::is_finished)
        })
        .await;
        assert!(admission.hashing.door().is_idle());
    }

    #[tokio::test]
    async fn whoever_comes_back_makes_room_for_another_of_his_tenant() {
        let (admission, [slow]) = (admission(2, 99), tenants());
        let calls: Vec<_> = (0..30).map(|_| Stuck::begin(&admission, slow)).collect();
        until(|| admission.hashing.door().waiting() > 0).await;
        sleep(PATIENCE * 4).await;
        // Everybody has his turn, though only a few may have lent their permit at one time.
        for Stuck { store, call } in calls {
            store.notify_one();
            tokio::time::timeout(LONG, call).await.expect("his turn").unwrap();
        }
        assert!(admission.hashing.door().is_idle());
    }

    #[tokio::test]
    async fn whoever_comes_back_goes_before_those_who_wait() {
        let (admission, [slow, other]) = (admission(1, 9), tenants());
        let Stuck { store, call } = Stuck::lent(&admission, slow).await;
        let second = hashing(&admission, other).await;
        let third = waits(&admission, other).await;
        store.notify_one();
        until(|| admission.hashing.door().is_awaited()).await;
        drop(second);
        call.await.unwrap();
        drop(entered(third).await);
        assert!(admission.hashing.door().is_idle());
    }

    #[tokio::test]
    async fn whoever_is_stopped_while_he_has_lent_his_permit_leaves_nothing() {
        let (admission, [slow, other]) = (admission(1, 9), tenants());
        let lent = Stuck::lent(&admission, slow).await;
        let second = hashing(&admission, other).await;
        let still = Stuck::begin(&admission, slow);
        until(|| admission.hashing.door().waiting() == 1).await;
        lent.store.notify_one();
        until(|| admission.hashing.door().is_awaited()).await;
        // One was about to come back, the other waits for his first turn.
        for call in [lent.call, still.call] {
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
        }
        drop(second);
        assert!(admission.hashing.door().is_idle());
    }
}
