//! A small application behind a proxy: it answers every request with what has reached it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::json;

/// A running application, for as long as the tests run.
pub struct Application {
    pub address: SocketAddr,
    targets: Arc<Mutex<Vec<String>>>,
}

impl Application {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let targets = Arc::<Mutex<Vec<String>>>::default();
        let reached = targets.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let reached = reached.clone();
                std::thread::spawn(move || serve(&stream, &reached));
            }
        });
        Self { address, targets }
    }

    /// Whether a request with this in its path or query has reached it.
    pub fn was_asked_for(&self, part: &str) -> bool {
        self.targets.lock().unwrap().iter().any(|reached| reached.contains(part))
    }
}

/// One request; a connection carries no other.
fn serve(mut stream: &TcpStream, reached: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut input = BufReader::new(stream.take(1 << 20));
    let mut line = || {
        let mut line = String::new();
        input.read_line(&mut line).map(|_| line.trim_end().to_owned())
    };
    let request = line()?;
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers: Vec<(String, String)> = Vec::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap_or(0));
    let mut body = String::new();
    input.take(length).read_to_string(&mut body)?;

    reached.lock().unwrap().push(target.to_owned());
    let answer = json!({"method": method, "target": target, "headers": headers, "body": body});
    let answer = answer.to_string();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{answer}",
        answer.len()
    )
}
