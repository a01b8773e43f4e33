//! For how long events are kept.

use portcullis::audit::Query;
use portcullis::tenant::Tenant;

use super::house::{Clock, DAY, House};
use super::{ANN, events};
use crate::program::{Ground, on_every_ground};
use crate::servers::{blocking, wait_for};

on_every_ground! {
    an_event_is_swept_when_its_days_are_over_and_not_before
    a_gateway_sweeps_what_is_over_by_itself
}

const BOB: &str = "bob@example.com";

/// The accounts of all events.
async fn accounts(tenant: &Tenant) -> Vec<String> {
    let found = tenant.audit(&Query::default()).await.unwrap();
    found.events.into_iter().map(|event| event.about.unwrap()).collect()
}

fn an_event_is_swept_when_its_days_are_over_and_not_before(ground: Ground) {
    let house = House::prepare(ground);
    let clock = Clock::now();
    blocking(async {
        let tenant = house.tenant(30, &clock).await;
        for _ in 0..3 {
            tenant.utils().block_user(ANN).await.unwrap();
        }
        clock.pass(DAY);
        tenant.utils().block_user(BOB).await.unwrap();
        clock.pass(29 * DAY);
        assert_eq!(tenant.sweep(100).await.unwrap(), 0);
        assert_eq!(accounts(&tenant).await, [ANN, ANN, ANN, BOB]);
        clock.pass(1);
        assert_eq!(tenant.sweep(2).await.unwrap(), 2, "there may be more");
        assert_eq!(accounts(&tenant).await, [ANN, BOB]);
        assert_eq!(tenant.sweep(2).await.unwrap(), 1);
        assert_eq!(accounts(&tenant).await, [BOB]);
        clock.pass(DAY);
        assert_eq!(tenant.sweep(100).await.unwrap(), 1);
        assert!(accounts(&tenant).await.is_empty());
    });
}

fn a_gateway_sweeps_what_is_over_by_itself(ground: Ground) {
    let house = House::prepare(ground);
    let clock = Clock::now();
    clock.go_back(91 * DAY);
    blocking(async {
        let tenant = house.tenant(90, &clock).await;
        tenant.utils().block_user(ANN).await.unwrap();
        clock.pass(2 * DAY);
        tenant.utils().block_user(BOB).await.unwrap();
        tenant.close().await;
    });
    house.gateway.serve(|_| ());
    let admin = house.gateway.admin("default");
    wait_for("the old event is swept", || events(&admin, &format!("?user={ANN}")).is_empty());
    assert_eq!(events(&admin, "").len(), 1);
}

#[test]
fn a_log_that_is_no_longer_kept_is_swept_all_the_same() {
    let house = House::prepare(Ground::Embedded);
    let clock = Clock::now();
    blocking(async {
        house.tenant(30, &clock).await.utils().block_user(ANN).await.unwrap();
        let tenant = house.tenant(0, &clock).await;
        tenant.utils().block_user(BOB).await.unwrap();
        tenant.sweep(100).await.unwrap();
        assert_eq!(accounts(&tenant).await, [ANN]);
        clock.pass(30 * DAY + 1);
        tenant.sweep(100).await.unwrap();
        assert!(accounts(&tenant).await.is_empty());
    });
}

#[test]
fn an_event_is_kept_for_the_days_that_were_set_when_it_was_written() {
    let house = House::prepare(Ground::Embedded);
    let clock = Clock::now();
    blocking(async {
        house.tenant(90, &clock).await.utils().block_user(ANN).await.unwrap();
        let tenant = house.tenant(30, &clock).await;
        tenant.utils().block_user(BOB).await.unwrap();
        clock.pass(30 * DAY + 1);
        tenant.sweep(100).await.unwrap();
        assert_eq!(accounts(&tenant).await, [ANN]);
    });
}
