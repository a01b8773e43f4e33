//! How many commands each function sends to the server: exactly as many as `docs/mongodb.md` says.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use portcullis::functions;
use portcullis::store::mongo::{MongoStore, Options};
use portcullis::tenant::Tenant;
use serde_json::{Value as Json, json};

use super::load::Post;
use crate::servers::mongod::{Database, Mongod};
use crate::servers::replica_set::ReplicaSet;
use crate::support::{ANN, PASSWORD, RUNTIME};

/// What the driver sends for itself.
const OF_THE_DRIVER: [&str; 4] = ["hello", "isMaster", "endSessions", "ping"];

/// A way to the server on which the commands are read.
struct Wire {
    port: u16,
    commands: Arc<Mutex<Vec<String>>>,
}

impl Wire {
    fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let wire = Self { port: listener.local_addr().unwrap().port(), commands: Arc::default() };
        let commands = Arc::clone(&wire.commands);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
                for stream in [&client, &server] {
                    stream.set_nodelay(true).unwrap();
                }
                let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || io::copy(&mut from, &mut to));
                let commands = Arc::clone(&commands);
                std::thread::spawn(move || pass_on(client, server, &commands));
            }
        });
        wire
    }

    fn uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}/?directConnection=true", self.port)
    }

    /// Those since the last time.
    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.commands.lock().unwrap())
    }
}

/// Passes on what a client sends, message by message, and notes the commands in them.
fn pass_on(mut client: TcpStream, mut server: TcpStream, commands: &Mutex<Vec<String>>) {
    // https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/: a head of 16 bytes, that
    // begins with the length of all and ends with the kind; 2013 is a command.
    let mut message = vec![0; 16];
    while client.read_exact(&mut message).is_ok() {
        let number = |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().unwrap());
        let (length, kind) = (number(0) as usize, number(12));
        message.resize(length, 0);
        client.read_exact(&mut message[16..]).unwrap();
        if kind == 2013 {
            // Flags (4), the kind of the section (1), the length of the document (4), the type of
            // its first field (1); then its name, which is that of the command.
            let name = message[26..].split(|byte| *byte == 0).next().unwrap();
            let name = String::from_utf8(name.to_vec()).unwrap();
            if !OF_THE_DRIVER.contains(&name.as_str()) {
                commands.lock().unwrap().push(name);
            }
        }
        if server.write_all(&message).is_err() {
            break;
        }
        message.resize(16, 0);
    }
}

struct Ground {
    wire: Wire,
    tenant: Tenant,
    post: Arc<Post>,
    counted: BTreeMap<String, (usize, Vec<String>)>,
    _database: Database,
}

impl Ground {
    async fn on(port: u16) -> Self {
        let wire = Wire::to(port);
        let database = Database::on(wire.uri(), None);
        let store =
            MongoStore::connect(&wire.uri(), &database.name, &Options::default()).await.unwrap();
        let post = Arc::<Post>::default();
        let tenant = Tenant::builder(&RUNTIME).secret_key([7; 32]).store(store);
        let tenant = tenant.shared_mailer(post.clone()).build().await.unwrap();
        Self { wire, tenant, post, counted: BTreeMap::new(), _database: database }
    }

    /// Make the call, see that it succeeds, and count its commands.
    async fn call(&mut self, function: &str, arguments: Json) -> Json {
        self.wire.taken();
        let call = functions::find(function).unwrap().prepare(&arguments.to_string()).unwrap();
        let reply = call.run(&self.tenant).await.unwrap().envelope();
        let commands = self.wire.taken();
        let reply: Json = serde_json::from_str(&reply).unwrap();
        assert_eq!(reply["success"], true, "{function}: {reply}");
        // The first call of each is that of the table.
        self.counted.entry(function.to_owned()).or_insert((commands.len(), commands));
        reply["message"].clone()
    }

    fn code(&self, email: &str) -> String {
        let code = self.post.code(email);
        assert!(!code.is_empty(), "no code for {email}");
        code
    }

    async fn sign_in(&mut self, email: &str) -> Json {
        self.call("sign_in", json!({"email": email, "password": PASSWORD})).await
    }

    /// Every function, each once with success at least.
    async fn all(&mut self) {
        let ann = json!({"email": ANN});
        let with_password = json!({"email": ANN, "password": PASSWORD});
        self.call("register_user", with_password.clone()).await;
        self.call("verify_user", json!({"email": ANN, "code": self.code(ANN)})).await;
        self.call("authenticate_user", with_password.clone()).await;
        let mfa = json!({"email": ANN, "password": PASSWORD, "mfa": true});
        self.call("authenticate_user", mfa).await;
        self.call("verify_mfa_code", json!({"email": ANN, "code": self.code(ANN)})).await;
        self.call("generate_code", ann.clone()).await;
        let reset = json!({"email": ANN, "reset_code": self.code(ANN), "new_password": PASSWORD});
        self.call("verify_reset_code_and_reset_password", reset).await;
        let reset = json!({"email": ANN, "old_password": PASSWORD, "new_password": PASSWORD});
        self.call("reset_password_no_verif", reset).await;
        let limits = ["is_rate_limited", "update_rate_limit", "check_and_update_rate_limit"];
        for function in limits {
            self.call(function, ann.clone()).await;
        }
        self.utils(&ann).await;
        self.sessions(&ann).await;
        self.moves_and_deletions().await;
    }

    async fn utils(&mut self, ann: &Json) {
        self.call("replace_usr_data", json!({"email": ANN, "custom_data": {"plan": "free"}})).await;
        let update = json!({"email": ANN, "field": "plan", "custom_data": "paid"});
        self.call("update_usr_data", update).await;
        self.call("get_some_cust_usr_data", json!({"email": ANN, "field": "plan"})).await;
        for function in ["get_cust_usr_data", "is_verified", "block_user", "is_blocked"] {
            self.call(function, ann.clone()).await;
        }
        self.call("unblock_user", ann.clone()).await;
        let call = functions::find("time_since_request").unwrap().prepare(&ann.to_string());
        self.wire.taken();
        call.unwrap().run(&self.tenant).await.unwrap();
        let commands = self.wire.taken();
        self.counted.insert("time_since_request".into(), (commands.len(), commands));
    }

    async fn sessions(&mut self, ann: &Json) {
        let one = self.sign_in(ANN).await;
        let token = json!({"token": one["token"]});
        self.call("who_am_i", token.clone()).await;
        self.call("list_sessions", token.clone()).await;
        let other = self.sign_in(ANN).await;
        let end = json!({"token": one["token"], "id": other["session"]["id"]});
        self.call("end_session", end).await;
        self.sign_in(ANN).await;
        self.call("end_other_sessions", token.clone()).await;
        self.call("sign_out", token).await;
        self.sign_in(ANN).await;
        self.call("end_user_sessions", ann.clone()).await;
        let cat = "cat@example.com";
        self.call("register_user_no_pass", json!({"email": cat})).await;
        let with_code = json!({"email": cat, "code": self.code(cat)});
        self.call("sign_in_with_code", with_code).await;
    }

    async fn moves_and_deletions(&mut self) {
        let token = self.sign_in(ANN).await["token"].clone();
        let [second, third, fourth] = [2, 3, 4].map(|number| format!("ann{number}@example.com"));
        let request = json!({"token": token, "new_email": second, "password": PASSWORD});
        self.call("request_email_change", request).await;
        self.call("confirm_email_change", json!({"token": token, "code": self.code(&second)}))
            .await;
        let change = json!({"email": second, "new_email": third, "password": PASSWORD});
        self.call("change_email_no_verif", change).await;
        self.call("generate_code", json!({"email": third})).await;
        let change = json!({"email": third, "new_email": fourth, "reset_code": self.code(&third)});
        self.call("verify_reset_code_and_change_email", change).await;
        self.call("generate_code", json!({"email": fourth})).await;
        let delete = json!({"email": fourth, "password": PASSWORD, "code": self.code(&fourth)});
        self.call("delete_user_with_verif", delete).await;
        let bob = json!({"email": "bob@example.com", "password": PASSWORD});
        self.call("register_user_no_verif", bob.clone()).await;
        self.call("delete_user", bob).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_function_sends_as_many_commands_as_the_documentation_says() {
    let single = tokio::task::block_in_place(Mongod::shared).port();
    let set = tokio::task::block_in_place(|| ReplicaSet::shared().primary().port());
    let (mut single, mut set) = (Ground::on(single).await, Ground::on(set).await);
    single.all().await;
    set.all().await;

    let documentation = include_str!("../../docs/mongodb.md");
    let mut table = String::new();
    let mut missing = Vec::new();
    for (name, (one, commands)) in &single.counted {
        let (other, others) = &set.counted[name];
        let row = format!("| `{name}` | {one} | {other} |\n");
        if !documentation.contains(&row) {
            missing.push(format!("{name}: {commands:?} and {others:?}"));
        }
        table += &row;
    }
    assert!(missing.is_empty(), "the table should be:\n{table}\n{missing:#?}");
}
