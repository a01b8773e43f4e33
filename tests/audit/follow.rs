//! Following the log loses nothing, whoever is late.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

use super::house::{Clock, House};
use crate::program::Ground;
use crate::servers;

const LAST: &str = "last@example.com";

fn following(house: &House) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = house.gateway.command(&["audit", "--follow"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

/// The accounts of all lines up to the first of this one, and without it.
fn accounts_before(last: &str, lines: &mut Lines<BufReader<ChildStdout>>) -> Vec<String> {
    let accounts = lines.map(|line| line.unwrap().rsplit(' ').next().unwrap().to_owned());
    accounts.take_while(|account| account != last).collect()
}

fn end(mut child: Child) {
    servers::signal(child.id(), "INT");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_that_does_not_read_for_a_while_then_reads_all() {
    // More than a pipe holds, so that the program waits for its reader.
    const MANY: usize = 1500;
    let house = House::prepare(Ground::Embedded);
    let clock = Clock::now();
    clock.go_back(2 * MANY as u64);
    servers::blocking(async {
        let tenant = house.tenant(90, &clock).await;
        tenant.utils().block_user("u0@example.com").await.unwrap();
        let (child, mut lines) = following(&house);
        assert!(lines.next().unwrap().unwrap().ends_with("about u0@example.com"));
        for number in 1..MANY {
            clock.pass(1);
            tenant.utils().block_user(&format!("u{number}@example.com")).await.unwrap();
        }
        // What is of this moment is told in any case.
        house.tenant(90, &Clock::now()).await.utils().block_user(LAST).await.unwrap();
        let told = accounts_before(LAST, &mut lines);
        let expected = (1..MANY).map(|number| format!("u{number}@example.com"));
        assert!(told.iter().cloned().eq(expected), "{} of them: {told:?}", told.len());
        end(child);
    });
}

#[test]
fn an_event_of_a_host_whose_clock_is_late_is_told() {
    let house = House::prepare(Ground::Embedded);
    let (right, late) = (Clock::now(), Clock::now());
    late.go_back(60);
    servers::blocking(async {
        let (right, late) = (house.tenant(90, &right).await, house.tenant(90, &late).await);
        right.utils().block_user("first@example.com").await.unwrap();
        let (child, mut lines) = following(&house);
        assert!(lines.next().unwrap().unwrap().ends_with("about first@example.com"));
        late.utils().block_user("late@example.com").await.unwrap();
        right.utils().block_user(LAST).await.unwrap();
        assert_eq!(accounts_before(LAST, &mut lines), ["late@example.com"]);
        // Nothing is told twice.
        late.utils().block_user("later@example.com").await.unwrap();
        right.utils().block_user("end@example.com").await.unwrap();
        assert_eq!(accounts_before("end@example.com", &mut lines), ["later@example.com"]);
        end(child);
    });
}
