//! Nothing in a notice opens the account that it is about: each of its words is tried wherever the
//! service takes a secret.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::mailed::{Mail, Mailed, signed_in};
use super::operations::{Access, Operation, operations};
use crate::servers::http::Client;
use crate::servers::{self, wait_for};

/// One word, as they are looked for.
const PASSWORD: &str = "correct-horse-battery";
/// Cheap to check: it is done some thousand times.
const HASH: &str =
    "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$qGrhjrs6wActDPwpOlnw4lroZ4XBvcNCt5G+rUZmq40";
const ANOTHER: &str = "another-horse-battery";

/// So many guesses are made at one code: fewer than kill it.
const GUESSES: usize = 90;

/// What stands in a text between spaces, between anything but letters and digits, and what digits
/// stand together.
fn words(texts: &[&str]) -> BTreeSet<String> {
    let split = |text: &str| {
        let words = text.split_whitespace();
        let words = words.chain(text.split(|it: char| !it.is_alphanumeric()));
        let words = words.chain(text.split(|it: char| !it.is_ascii_digit()));
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    texts.iter().flat_map(|text| split(text)).collect()
}

fn words_of(mails: &[Mail]) -> BTreeSet<String> {
    let texts = mails.iter().flat_map(|mail| [mail.raw.as_str(), mail.text.as_str()]);
    words(&texts.collect::<Vec<_>>())
}

/// Where a secret is given.
#[derive(Debug)]
enum Place {
    Field(String),
    Bearer,
    Cookie,
}

/// A request that is granted to whoever has the secret.
#[derive(Debug)]
struct Door {
    operation: Operation,
    place: Place,
}

/// All of them.
fn doors(client: &Client) -> Vec<Door> {
    let mut doors = Vec::new();
    for operation in operations(client) {
        let mut add = |place| doors.push(Door { operation: operation.clone(), place });
        for field in &operation.secrets {
            let is_set = field == "new_password"
                || field == "password" && operation.path.contains("/register");
            // These say whose guess it is, and open nothing.
            let goes_with_one = field == "ticket" || field == "device";
            if !is_set && !goes_with_one {
                add(Place::Field(field.clone()));
            }
        }
        let is_read = operation.method == "GET";
        if operation.access == Access::Session || is_read && operation.access == Access::Admin {
            add(Place::Bearer);
        }
        if is_read && (operation.access == Access::Session || operation.path == "/account") {
            add(Place::Cookie);
        }
    }
    doors
}

/// Somebody whose address was changed a moment ago, and all that opens his account.
struct Owner<'a> {
    service: &'a Mailed,
    client: Client,
    email: String,
    token: String,
    ticket: String,
    code: String,
    /// The mail that the code came with.
    mail: String,
    /// Another address that he could have.
    wanted: String,
}

impl<'a> Owner<'a> {
    /// One of those who were imported, and what his former address was told of the change.
    fn new(service: &'a Mailed, number: usize) -> (Self, Vec<Mail>) {
        let (client, old) = (service.client("default"), format!("old{number}@example.com"));
        let email = format!("new{number}@example.com");
        let session = client.bearer(&signed_in(&client, &old, PASSWORD));
        session.post("/v1/session/email", json!({ "new_email": email })).is(200);
        let code = service.code(&email);
        session.post("/v1/session/email/confirm", json!({ "code": code })).is(200);
        let mut told = Vec::new();
        wait_for("the former address is told", || {
            told = service.notices();
            told.retain(|mail| mail.to == old);
            told.iter().any(|mail| mail.text.contains("another address now"))
        });
        let token = signed_in(&client, &email, PASSWORD);
        let (ticket, code, mail) = Default::default();
        let wanted = format!("wanted{number}@example.com");
        (Self { service, client, email, token, ticket, code, mail, wanted }, told)
    }

    fn session(&self) -> Client {
        self.client.bearer(&self.token)
    }

    /// Have a code mailed that is right for this request.
    fn renew(&mut self, path: &str) {
        let Self { client, email, .. } = self;
        let mut receiver = email.clone();
        let answer = if path.contains("confirm") {
            receiver = self.wanted.clone();
            self.session().post("/v1/session/email", json!({ "new_email": receiver }))
        } else if path.contains("mfa") || path.ends_with("with_code") {
            let first = json!({ "email": email, "password": PASSWORD, "mfa": true });
            client.post("/v1/auth/authenticate_user", first)
        } else if path == "/v1/session" || path == "/code" {
            let first = json!({ "email": email, "password": PASSWORD, "mfa": true });
            client.post("/v1/session", first)
        } else {
            client.post("/v1/auth/generate_code", json!({ "email": email }))
        };
        let answer = answer.is(200);
        self.ticket = answer.json()["ticket"].as_str().unwrap_or_default().to_owned();
        let mail = self.service.code_mail(&receiver);
        self.code = mail.code().unwrap();
        self.mail = mail.raw;
    }

    /// What is right in a field.
    fn right(&self, field: &str) -> &str {
        match field {
            "email" => &self.email,
            "new_email" => &self.wanted,
            "password" | "old_password" => PASSWORD,
            "new_password" => ANOTHER,
            "code" | "reset_code" => &self.code,
            "ticket" => &self.ticket,
            "token" => &self.token,
            "id" => "none",
            _ => panic!("what stands in a field {field:?}?"),
        }
    }
}

impl Door {
    /// The fields that are sent.
    fn fields(&self) -> Vec<&str> {
        let Operation { fields, required, secrets, is_form, .. } = &self.operation;
        let is_tried = |name: &String| matches!(&self.place, Place::Field(it) if it == name);
        let has_code = self.tries_code() || required.iter().any(|it| it.ends_with("code"));
        let is_sent = |name: &&String| {
            let goes_with_code = *name == "ticket" && has_code;
            required.contains(name)
                || is_tried(name)
                || goes_with_code
                || *is_form && secrets.contains(name)
        };
        fields.iter().filter(is_sent).map(String::as_str).collect()
    }

    fn tries_code(&self) -> bool {
        matches!(&self.place, Place::Field(it) if it.ends_with("code"))
    }

    fn needs_code(&self) -> bool {
        self.fields().iter().any(|it| it.ends_with("code"))
    }

    /// Whether this word opens it; everything else is right.
    fn opens(&self, owner: &Owner, word: &str) -> bool {
        let Operation { access, is_form, path, .. } = &self.operation;
        let value = |field| match &self.place {
            Place::Field(it) if it == field => word,
            _ => owner.right(field),
        };
        let fields: Vec<(&str, &str)> =
            self.fields().into_iter().map(|field| (field, value(field))).collect();
        let client = match (&self.place, access) {
            (Place::Bearer, _) => owner.client.bearer(word),
            (Place::Cookie, _) => owner.client.cookie("__Host-portcullis", word),
            (_, Access::Admin) => owner.service.admin("default"),
            (_, Access::Session) => owner.session(),
            (_, Access::Public) if *is_form => owner
                .client
                .cookie("__Host-portcullis", &owner.token)
                .cookie("__Host-portcullis-ticket", &owner.ticket),
            (_, Access::Public) => owner.client.clone(),
        };
        let answer = self.operation.send(&client, &fields);
        assert!(matches!(answer.status, 200 | 303 | 401), "{self:?}: {answer:?}");
        if path.ends_with("/sign_out") {
            return owner.session().get("/v1/session").status == 401;
        }
        match answer.status {
            303 => *is_form && !answer.leads_to().contains("sign-in-first"),
            status => status == 200,
        }
    }

    /// What opens it, in some text.
    fn key(&self, owner: &mut Owner) -> String {
        match &self.place {
            Place::Field(field) if field.ends_with("code") => {
                owner.renew(&self.operation.path);
                owner.mail.clone()
            }
            Place::Field(field) => format!("It is {} .", owner.right(field)),
            _ if self.operation.access == Access::Admin => {
                format!("It is {} .", owner.service.admin_token("default"))
            }
            _ => format!("It is {} .", owner.token),
        }
    }
}

/// See that nothing in the mails about a change opens this door, and that what does would be found.
fn stays_shut(service: &Mailed, number: usize, door: &Door) {
    let (mut owner, told) = Owner::new(service, number);
    assert_eq!(told.iter().filter(|mail| mail.code().is_none()).count(), 2, "{told:?}");
    let told: Vec<String> = words_of(&told).into_iter().collect();
    for words in told.chunks(GUESSES) {
        if door.needs_code() {
            owner.renew(&door.operation.path);
        }
        for word in words {
            assert!(!door.opens(&owner, word), "{word:?} opens {door:?}");
        }
    }
    let key = words(&[&door.key(&mut owner)]);
    assert!(key.iter().any(|word| door.opens(&owner, word)), "{key:?} does not open {door:?}");
}

#[test]
fn no_word_of_a_notice_opens_anything() {
    let service = Mailed::start(&[("default", "code_attempts = 100\nupgrade_hashes = false\n")]);
    let doors = doors(&service.client("default"));
    assert!(doors.len() > 40, "{doors:#?}");
    let user = |number| {
        let email = format!("old{number}@example.com");
        json!({ "email": email, "password": HASH, "verified": true }).to_string() + "\n"
    };
    let file = service.gateway.data().with_file_name("users.jsonl");
    fs::write(&file, (0..doors.len()).map(user).collect::<String>()).unwrap();
    let mut import = service.gateway.command(&["users", "import"]);
    servers::run(import.arg(file)).unwrap();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((number, door)) = next_of(&doors, &next) {
                    stays_shut(&service, number, door);
                }
            });
        }
    });
}

fn next_of<'a>(doors: &'a [Door], next: &AtomicUsize) -> Option<(usize, &'a Door)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    doors.get(number).map(|door| (number, door))
}
