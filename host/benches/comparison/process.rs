//! A service at work, with all processes that it consists of.

use std::fs;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::load::Request;
use crate::servers;

/// Killed when dropped, with its children.
pub struct Process {
    child: Child,
    started: Instant,
    pub url: String,
}

impl Process {
    pub fn start(command: &mut Command, port: u16) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // A group of its own, so that its children end with it.
        command.process_group(0);
        let started = Instant::now();
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, started, url: format!("http://127.0.0.1:{port}") }
    }

    /// How long it took from the start until this was answered with 200.
    pub fn first_answer(&self, request: &Request) -> Duration {
        let address = self.url.trim_start_matches("http://");
        loop {
            assert!(self.started.elapsed() < servers::PATIENCE, "{} does not answer", self.url);
            if TcpStream::connect(address).is_ok() && request.send_once(&self.url) == Some(200) {
                return self.started.elapsed();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Resident memory in MiB: `VmRSS`; of several processes the sum of `Pss`, which counts once what
    /// they share.
    pub fn memory(&self) -> f64 {
        let all = self.all();
        let (file, field) =
            if all.len() == 1 { ("status", "VmRSS:") } else { ("smaps_rollup", "Pss:") };
        let kib = all.iter().filter_map(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix(field))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        });
        kib.sum::<f64>() / 1024.0
    }

    /// What its processes that are running now have taken of the processor, in seconds.
    pub fn processor_time(&self) -> f64 {
        // Linux counts in hundredths for programs, whatever it does itself.
        const TICKS: f64 = 100.0;
        let ticks = self.all().into_iter().filter_map(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // Behind the name, which may hold anything: state is the first.
            let (_, fields) = text.rsplit_once(") ")?;
            let mut fields = fields.split(' ').skip(11);
            let [user, system] = [(); 2].map(|()| fields.next().and_then(|it| it.parse().ok()));
            Some(user.unwrap_or(0.0) + system.unwrap_or(0.0))
        });
        ticks.sum::<f64>() / TICKS
    }

    /// Its processes.
    fn all(&self) -> Vec<u32> {
        let mut all = vec![self.child.id()];
        let mut at = 0;
        while let Some(pid) = all.get(at) {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            let children = children.unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|it| it.parse::<u32>().ok()));
            at += 1;
        }
        all
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = servers::run(Command::new("kill").args(["-s", "KILL", "--", &group]));
        let _ = self.child.wait();
    }
}
