//! What the operator does by commands.

use serde_json::json;

use super::house::House;
use super::{TOKEN, all_events};
use crate::program::{Ground, on_every_ground};
use crate::servers;

on_every_ground! {
    a_new_admin_token_is_told_where_there_is_a_store_and_makes_none
}

fn a_new_admin_token_is_told_where_there_is_a_store_and_makes_none(ground: Ground) {
    let house = House::prepare(ground);
    house.gateway.admin_token("default");
    assert!(!house.has_records());
    house.gateway.serve(|_| ());
    // Opens the tenant.
    let admin = house.gateway.admin("default");
    let before = all_events(&admin, "").len();
    let admin = house.gateway.admin("default");
    let events = all_events(&admin, "");
    assert_eq!(events.len(), before + 1);
    let event = &events[before];
    assert_eq!(event["event"], TOKEN);
    assert_eq!((&event["outcome"], &event["by"]), (&json!("done"), &json!("operator")));
}

#[test]
fn a_migration_is_told_and_a_trial_is_not() {
    let house = House::on(Ground::Single);
    let admin = house.gateway.admin("default");
    let run = |arguments: &[&str]| servers::run(&mut house.gateway.command(arguments)).unwrap();
    run(&["migrate", "--dry-run"]);
    assert!(all_events(&admin, "?event=migrate").is_empty());
    run(&["migrate"]);
    let events = all_events(&admin, "?event=migrate");
    let told: Vec<_> = events.iter().map(|it| [&it["outcome"], &it["by"]]).collect();
    assert_eq!(told, [[&json!("done"), &json!("operator")]]);
}
