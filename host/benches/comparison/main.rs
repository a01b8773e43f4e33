//! The service beside two that do the same: better-auth (Node) and FastAPI Users (Python), each with
//! e-mail and password, sessions in SQLite, and its own default hash, as its documentation sets it up.
//!
//! One process each, as ours is. Who has more cores runs the others with Node's cluster and uvicorn's
//! `--workers`, so both are also measured with two processes; ours uses all cores by itself. Rate
//! limiters are off, and every check of a session goes to the database, which is in WAL mode in all.
//! What a commit waits for is left as each has it: ours and FastAPI Users wait for the disk, better-auth
//! does not (better-sqlite3 is made with `synchronous=NORMAL`).
//!
//! - start: from the start of the process to the first 200 to the check of a session, on data that is
//!   there; for ours also the very first one, on an empty folder, to the first 200 of `/readyz`;
//! - memory: resident, two seconds after the start, and at its highest under the loads (with several
//!   processes what they share is counted once: the sum of `Pss`);
//! - session checks on 16 connections, each with a session of its own, and sign-ins on 8, each as a
//!   user of its own: answers a second, after a second to warm up, and what one takes of the processor.
//!   The callers share the cores with the service, which costs ours most: the others use them less.
//!
//! All in turns, three rounds, medians. `cargo bench --bench comparison`; needs Python and Node with
//! npm, and fetches the two programs, of the versions that stand in `programs.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)] // a benchmark that cannot go on stops
#![allow(clippy::indexing_slicing, dead_code, unreachable_pub, unused_imports, unused_macros)] // it needs a part of what it shares with others

use std::time::Duration;

use load::{Load, Request, Seen, median, ms};
use process::Process;
use programs::{Kind, Program};

#[path = "../load/mod.rs"]
mod load;
#[path = "../../../tests/servers/mod.rs"]
mod servers;

mod process;
mod programs;

/// What some of the servers of the tests are started with.
mod program {
    pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");
}

const ROUNDS: usize = 3;
const SESSIONS: usize = 16;
const SIGN_INS: usize = 8;
const SETTLED: Duration = Duration::from_secs(2);
const WARM: Duration = Duration::from_secs(1);
const TIME: Duration = Duration::from_secs(4);

/// What one program did in one round.
struct Round {
    start: Duration,
    idle: f64,
    highest: f64,
    checks: Measured,
    sign_ins: Measured,
}

/// A load, and the processor's time of the service meanwhile.
struct Measured {
    seen: Seen,
    busy: f64,
}

/// Title, how a figure is written, and where it comes from.
type Column = (&'static str, usize, fn(&Round) -> f64);

const COLUMNS: [Column; 9] = [
    ("start ms", 0, |it| ms(it.start)),
    ("idle MiB", 1, |it| it.idle),
    ("most MiB", 1, |it| it.highest),
    ("checks/s", 0, |it| it.checks.seen.rate(200)),
    ("p99 ms", 1, |it| ms(it.checks.seen.time(200, 0.99))),
    ("CPU us", 0, |it| it.checks.busy * 1e6 / it.checks.seen.count(200) as f64),
    ("signs/s", 1, |it| it.sign_ins.seen.rate(200)),
    ("p99 ms", 0, |it| ms(it.sign_ins.seen.time(200, 0.99))),
    ("CPU ms", 1, |it| it.sign_ins.busy * 1e3 / it.sign_ins.seen.count(200) as f64),
];

fn main() {
    let ours = Program::new(Kind::Portcullis);
    let better_auth = Program::new(Kind::BetterAuth);
    let fastapi_users = Program::new(Kind::FastApiUsers);
    let subjects: [(&Program, usize); 5] = [
        (&ours, 1),
        (&better_auth, 1),
        (&better_auth, 2),
        (&fastapi_users, 1),
        (&fastapi_users, 2),
    ];
    let tokens = [&ours, &better_auth, &fastapi_users].map(Program::populate);
    let token_of = |kind: Kind, at: usize| tokens[kind as usize][at].clone();

    let mut rounds: [Vec<Round>; 5] = Default::default();
    let mut first = Vec::new();
    for _ in 0..ROUNDS {
        first.push(ms(very_first()));
        for ((program, processes), rounds) in subjects.iter().zip(&mut rounds) {
            let tokens: Vec<String> = (0..SESSIONS).map(|at| token_of(program.kind, at)).collect();
            rounds.push(round(program, *processes, tokens));
        }
    }

    table(&subjects, &rounds);
    println!("\nvery first start of ours: {:.0} ms", median(first));
    for ((program, processes), rounds) in subjects.iter().zip(&rounds) {
        for load in rounds.iter().flat_map(|it| [&it.checks, &it.sign_ins]) {
            if load.seen.others(200) > 0 {
                let title = program.kind.title(*processes);
                println!("{title}, besides 200: {:?}", load.seen.failures);
                load.seen.report("a load of it");
            }
        }
    }
}

/// Start it, look at it, load it, and stop it.
fn round(program: &Program, processes: usize, tokens: Vec<String>) -> Round {
    let kind = program.kind;
    let process = program.start(processes);
    let start = process.first_answer(&kind.check(&tokens[0]));
    std::thread::sleep(SETTLED);
    let idle = process.memory();
    let url = process.url.clone();
    let mut highest = idle;
    let checks = Load::new(&url, SESSIONS, move |at| kind.check(&tokens[at]));
    let checks = measure(&process, &checks, &mut highest);
    let sign_ins = Load::new(&url, SIGN_INS, move |at| kind.sign_in(SESSIONS + at));
    let sign_ins = measure(&process, &sign_ins, &mut highest);
    Round { start, idle, highest, checks, sign_ins }
}

fn measure(process: &Process, load: &Load, highest: &mut f64) -> Measured {
    load.clone().run_for(WARM);
    let busy = process.processor_time();
    let running = load.clone().start();
    let begun = std::time::Instant::now();
    while begun.elapsed() < TIME {
        std::thread::sleep(Duration::from_millis(100));
        *highest = highest.max(process.memory());
    }
    let seen = running.stop();
    Measured { seen, busy: process.processor_time() - busy }
}

/// Ours, on a machine where it has never run.
fn very_first() -> Duration {
    let fresh = Program::new(Kind::Portcullis);
    let process = fresh.start(1);
    process.first_answer(&Request::get("/readyz"))
}

fn table(subjects: &[(&Program, usize)], rounds: &[Vec<Round>]) {
    let titles: String = COLUMNS.iter().map(|(title, ..)| format!("{title:>10}")).collect();
    println!("{:46}{titles}", "");
    let figures: Vec<[f64; 9]> = rounds
        .iter()
        .map(|rounds| COLUMNS.map(|(.., figure)| median(rounds.iter().map(figure))))
        .collect();
    for (at, ((program, processes), row)) in subjects.iter().zip(&figures).enumerate() {
        let cells = COLUMNS.iter().zip(row);
        let cells: String =
            cells.map(|((_, digits, _), figure)| format!("{figure:>10.digits$}")).collect();
        println!("{:46}{cells}", program.kind.title(*processes));
        if at > 0 {
            let ratios = row.iter().zip(&figures[0]).map(|(theirs, ours)| ours / theirs);
            let cells: String = ratios.map(|ratio| format!("{ratio:>10.2}")).collect();
            println!("{:46}{cells}", "  ours to this");
        }
    }
}
