//! Sign-ins a second, from few connections and from more than the service lets wait.

use std::time::Duration;

use crate::load::{Refused, Seen, median, ms};
use crate::native;
use crate::service::Service;

/// In turns, so that what else the machine does falls on all.
const ROUNDS: usize = 3;
/// Of each round.
const TIME: Duration = Duration::from_secs(5);
/// The same where refused callers wait for seconds before they come back.
const LONG: Duration = Duration::from_secs(10);
const MOST: usize = 1000;
const PAUSE: Duration = Duration::from_millis(100);

const CASES: [(usize, Refused, &str, Duration); 8] = [
    (8, Refused::Insists, "", TIME),
    (64, Refused::Insists, "", TIME),
    (256, Refused::Obeys, ", the refused obey Retry-After", LONG),
    (256, Refused::Pauses(PAUSE), ", the refused pause for 100 ms", TIME),
    (256, Refused::Insists, ", the refused do not pause", TIME),
    (MOST, Refused::Obeys, ", the refused obey Retry-After", LONG),
    (MOST, Refused::Pauses(PAUSE), ", the refused pause for 100 ms", TIME),
    (MOST, Refused::Insists, ", the refused do not pause", TIME),
];

pub fn run() {
    let service = Service::start(&["default"]);
    let token = service.admin_token("default");
    service.populate("", &token, MOST);
    let mut seen: [Vec<Seen>; CASES.len()] = Default::default();
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(native::alone().as_secs_f64());
        together.push(native::together());
        for ((connections, refused, _, time), seen) in CASES.iter().zip(&mut seen) {
            let load = service.sign_ins("", *connections, 0).refused(*refused);
            seen.push(load.run_for(*time));
        }
    }
    let (alone, together) = (median(alone), median(together));
    let bound = native::cores() as f64 / alone;
    println!(
        "sign-ins; natively a hash takes {:.1} ms, so {} cores could do {bound:.1}/s, and do \
         {together:.1}/s at once:",
        alone * 1e3,
        native::cores(),
    );
    for ((connections, _, how, _), seen) in CASES.iter().zip(&seen) {
        let of = |what: fn(&Seen) -> f64| median(seen.iter().map(what));
        let rate = of(|seen| seen.rate(200));
        println!(
            "  {connections} connections{how}: {rate:.1}/s, {:.2} of what the cores could and {:.2} \
             of what they do; p50 {:.0} ms, p99 {:.0} ms; refused {:.1}/s",
            rate / bound,
            rate / together,
            of(|seen| ms(seen.time(200, 0.5))),
            of(|seen| ms(seen.time(200, 0.99))),
            of(|seen| seen.rate(503)),
        );
        refusals(seen);
    }
}

/// What those were told who were refused, whether it was true, and whatever should not be.
fn refusals(seen: &[Seen]) {
    let sum = |what: fn(&Seen) -> u64| seen.iter().map(what).sum::<u64>();
    let refused = sum(|seen| seen.count(503) as u64);
    if refused > 0 {
        let advice: Vec<u64> = seen.iter().flat_map(|seen| seen.advice.iter().copied()).collect();
        let told = |at: Option<&u64>| at.copied().unwrap_or_default();
        println!(
            "    of {refused} refused {} had Retry-After, of {} to {} s",
            advice.len(),
            told(advice.iter().min()),
            told(advice.iter().max()),
        );
    }
    let came_back = sum(|seen| seen.came_back);
    if came_back > 0 {
        let served = sum(|seen| seen.served_then);
        let share = 100.0 * served as f64 / came_back as f64;
        println!("    of {came_back} who came back after that {share:.0} % were served");
    }
    let others = sum(|seen| seen.others(200) - seen.count(503) as u64);
    if others > 0 {
        println!("    neither served nor refused: {others}");
        seen.iter().flat_map(|seen| &seen.failures).for_each(|(problem, count)| {
            println!("      {count} times: {problem}");
        });
    }
}
