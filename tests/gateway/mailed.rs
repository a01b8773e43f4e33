//! A gateway whose mail leaves through a real mail server.

use std::collections::HashMap;
use std::process::Command;
use std::sync::Mutex;

use mail_parser::MessageParser;
use portcullis::mail::smtp::MailTls;
use serde_json::json;

use crate::servers::gateway::Gateway;
use crate::servers::http::Client;
use crate::servers::smtp::{Kept, Options, PASSWORD, SmtpServer, USER};
use crate::servers::wait_for;

/// What stands before a code.
const BEFORE_CODE: &str = "Your verification code is: ";

/// Both of them.
pub struct Mailed {
    pub gateway: Gateway,
    pub server: SmtpServer,
    admin_tokens: HashMap<String, String>,
    /// How many code mails to an address were read.
    read: Mutex<HashMap<String, usize>>,
}

/// A mail that has arrived.
#[derive(Debug)]
pub struct Mail {
    pub to: String,
    pub raw: String,
    pub text: String,
}

impl Mail {
    fn of(kept: &Kept) -> Self {
        let [to] = kept.to.as_slice() else { panic!("{:?}", kept.to) };
        let parsed = MessageParser::default().parse(&kept.content).unwrap();
        let text = parsed.body_text(0).unwrap().into_owned();
        let raw = String::from_utf8(kept.content.clone()).unwrap();
        Self { to: to.clone(), raw, text }
    }

    /// The code in it, if it is a code mail.
    pub fn code(&self) -> Option<String> {
        let (_, code) = self.text.split_once(BEFORE_CODE)?;
        Some(code.chars().take_while(char::is_ascii_digit).collect())
    }
}

impl Mailed {
    /// With these tenants, `default` among them, each with more settings; no request is too many.
    pub fn start(tenants: &[(&str, &str)]) -> Self {
        Self::start_with("", tenants, |_| ())
    }

    /// The same, with settings of the gateway, and something more said to the process.
    pub fn start_with(
        settings: &str,
        tenants: &[(&str, &str)],
        prepare: impl FnOnce(&mut Command),
    ) -> Self {
        let server = SmtpServer::start(&Options { tls: MailTls::None, ..Options::default() });
        let mut settings = settings.to_owned();
        for (name, more) in tenants {
            settings += &format!(
                "[tenants.{name}]\npeer_limit = 0\npeer_secret_limit = 0\nmail_limit = 0\n\
                 guess_limit = 0\nmail_tls = \"none\"\n{more}\
                 [tenants.{name}.mail_info]\nserver = \"localhost\"\nport = {}\n\
                 username = \"{USER}\"\npassword = \"{PASSWORD}\"\n",
                server.port
            );
        }
        let gateway = Gateway::start_with(&settings, prepare);
        let token = |(name, _): &(&str, _)| ((*name).to_owned(), gateway.admin_token(name));
        let admin_tokens = tenants.iter().map(token).collect();
        Self { gateway, server, admin_tokens, read: Mutex::default() }
    }

    /// Somebody whom this tenant does not know.
    pub fn client(&self, tenant: &str) -> Client {
        let url = self.gateway.url();
        Client::new(&if tenant == "default" { url } else { format!("{url}/t/{tenant}") })
    }

    /// The application of this tenant.
    pub fn admin(&self, tenant: &str) -> Client {
        self.client(tenant).bearer(self.admin_token(tenant))
    }

    /// And its token.
    pub fn admin_token(&self, tenant: &str) -> &str {
        &self.admin_tokens[tenant]
    }

    /// All that has arrived, in its order.
    pub fn mails(&self) -> Vec<Mail> {
        self.server.mails().iter().map(Mail::of).collect()
    }

    /// What has arrived and holds no code.
    pub fn notices(&self) -> Vec<Mail> {
        self.mails().into_iter().filter(|mail| mail.code().is_none()).collect()
    }

    /// The same, when everything has arrived that was handed over so far.
    pub fn all_notices(&self) -> Vec<Mail> {
        let text = self.admin("default").get("/metrics").is(200).text();
        let lines = text.lines().filter(|it| it.starts_with("portcullis_mail_messages_total{"));
        let handed_over: usize =
            lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<usize>().unwrap()).sum();
        wait_for("all mail arrives", || self.server.mails().len() >= handed_over);
        self.notices()
    }

    /// The newest code mail to this address. This waits for one that it has not yet told.
    pub fn code_mail(&self, email: &str) -> Mail {
        let read = self.read.lock().unwrap().get(email).copied().unwrap_or_default();
        let mut codes = Vec::new();
        wait_for("a code comes by mail", || {
            let kept = self.server.mails();
            codes = kept.iter().filter(|it| it.to == [email]).map(Mail::of).collect();
            codes.retain(|mail| mail.code().is_some());
            codes.len() > read
        });
        self.read.lock().unwrap().insert(email.to_owned(), codes.len());
        codes.pop().unwrap()
    }

    /// The code in it.
    pub fn code(&self, email: &str) -> String {
        self.code_mail(email).code().unwrap()
    }
}

/// Make a user who has verified his address.
pub fn verified(service: &Mailed, client: &Client, email: &str, password: &str) {
    let user = json!({ "email": email, "password": password });
    client.post("/v1/auth/register_user", user).is(200);
    let proof = json!({ "email": email, "code": service.code(email) });
    client.post("/v1/auth/verify_user", proof).is(200);
}

/// The token of a new session.
pub fn signed_in(client: &Client, email: &str, password: &str) -> String {
    let sign_in = json!({ "email": email, "password": password });
    let answer = client.post("/v1/session", sign_in).is(200);
    answer.json()["token"].as_str().unwrap().to_owned()
}
