//! What must not be read anywhere is not: neither in the database nor in the log nor in errors.

use bson::{Bson, RawDocumentBuf, doc};
use portcullis::mail::smtp::MailTls;
use serde_json::{Value as Json, json};

use crate::program::Site;
use crate::servers::mongod::{Mongod, ROOT};
use crate::servers::smtp::{Options, PASSWORD, SmtpServer, USER};
use crate::servers::{blocking, wait_for};
use crate::support::another;

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";

/// Long enough that no other number looks like one.
const CODE_LENGTH: i64 = 24;

/// Everything in the database, as text.
fn dump(site: &Site) -> String {
    let dumped = async {
        let database = site.server().open().await;
        let mut text = String::new();
        for name in database.list_collection_names().await.unwrap() {
            let collection = database.collection::<RawDocumentBuf>(&name);
            let mut found = collection.find(doc! {}).await.unwrap();
            while found.advance().await.unwrap() {
                let document = bson::Document::try_from(found.current()).unwrap();
                text += &format!("{name} {}\n", Bson::Document(document).into_canonical_extjson());
            }
        }
        text
    };
    blocking(dumped)
}

#[test]
fn no_code_and_no_password_can_be_read_in_the_database_or_the_log() {
    let site = Site::at(Mongod::guarded(), &[("code_length", CODE_LENGTH), ("mail_limit", 0)]);
    let mut worker = site.logging_worker("trace");
    let mut passwords = (0..).map(|number| format!("pass-word-{number}-of-nobody"));
    let mut secrets: Vec<String> = Vec::new();
    let mut replies = String::new();
    let mut ask = |function: &str, arguments: Json| {
        worker.ask(function, arguments);
        let answer = worker.hear();
        replies += &format!("{answer}\n");
        answer["reply"]["message"].clone()
    };

    // Every kind of call that takes a secret, right and wrong.
    let [first, second, third] = [(); 3].map(|()| passwords.next().unwrap());
    let registered = json!({"email": ANN, "password": first, "custom_data": {"plan": "free"}});
    assert_eq!(ask("register_user", registered), "Verification email sent.");
    let mut mailed = |email: &str| {
        let code = site.mailed_code(email);
        secrets.push(code.clone());
        code
    };
    let code = mailed(ANN);
    let verify = |code: &str| json!({"email": ANN, "code": code});
    assert_eq!(ask("verify_user", verify(&another(&code))), "Invalid code.");
    assert_eq!(ask("verify_user", verify(&code)), "User verified.");
    let sign_in = |password: &str, mfa| json!({"email": ANN, "password": password, "mfa": mfa});
    assert_eq!(ask("authenticate_user", sign_in(&second, false)), "Invalid credentials.");
    assert_eq!(ask("authenticate_user", sign_in(&first, true)), "Verification email sent.");
    let code = mailed(ANN);
    assert_eq!(ask("verify_mfa_code", verify(&another(&code))), "Invalid code.");
    assert_eq!(ask("verify_mfa_code", verify(&code)), "Authentication successful.");
    let reset = json!({"email": ANN, "old_password": first, "new_password": second});
    assert_eq!(ask("reset_password_no_verif", reset), "Password reset successful.");
    assert_eq!(ask("generate_code", json!({"email": ANN})), "Verification email sent.");
    let code = mailed(ANN);
    let reset = json!({"email": ANN, "reset_code": code, "new_password": third});
    assert_eq!(ask("verify_reset_code_and_reset_password", reset), "Password reset successful.");
    let change = json!({"email": ANN, "new_email": BOB, "password": third});
    assert_eq!(ask("change_email_no_verif", change), "Success");
    assert_eq!(ask("generate_code", json!({"email": BOB})), "Verification email sent.");
    let code = mailed(BOB);
    let delete = json!({"email": BOB, "password": first, "code": code});
    assert_eq!(ask("delete_user_with_verif", delete), "Invalid password.");
    let change = json!({"email": BOB, "new_email": ANN, "reset_code": code, "password": third});
    assert_eq!(ask("verify_reset_code_and_change_email", change), "Success");
    let nobody = json!({"email": "nobody@example.com", "password": first});
    assert_eq!(ask("delete_user", nobody), "User not found.");
    // And calls that are none, with secrets in them.
    ask("authenticate_user", json!({"email": 5, "password": first}));
    ask("authenticate_user", json!({"email": ANN, "password": first, "pass": second}));
    ask("verify_user", json!({"email": ANN, "code": [code]}));

    // Two codes are alive at the end, and one of a user who has never verified.
    assert_eq!(ask("generate_code", json!({"email": ANN})), "Verification email sent.");
    let live = mailed(ANN);
    assert_eq!(ask("authenticate_user", sign_in(&third, true)), "Verification email sent.");
    mailed(ANN);
    let registered = json!({"email": BOB, "password": passwords.next().unwrap()});
    assert_eq!(ask("register_user", registered), "Verification email sent.");
    mailed(BOB);

    secrets.push("of-nobody".to_owned());
    secrets.push(ROOT.1.to_owned());
    secrets.push(std::fs::read_to_string(site.path().join("portcullis-data/secret.key")).unwrap());
    let database = dump(&site);
    let verify = json!({"email": ANN, "code": live});
    assert_eq!(ask("verify_user", verify), "User verified.", "the code was alive");
    drop(worker.take_input());
    worker.wait();
    let log = site.log();
    assert!(database.contains(ANN), "the dump is one");
    assert!(log.contains("DEBUG"), "the log is one: {log}");
    for (what, text) in [("database", &database), ("log", &log), ("replies", &replies)] {
        for secret in &secrets {
            assert!(!text.contains(secret.trim()), "{secret} in the {what}:\n{text}");
        }
    }
}

#[test]
fn mail_that_waits_in_the_database_cannot_be_read_there() {
    let server = SmtpServer::start(&Options { tls: MailTls::None, ..Options::default() });
    let site = Site::at(Mongod::guarded(), &[("code_length", CODE_LENGTH)])
        .with("mail_info.server", "localhost")
        .with("mail_info.port", server.port)
        .with("mail_info.username", USER)
        .with("mail_info.password", PASSWORD)
        .with("mail_tls", "none");
    let mut worker = site.logging_worker("trace");
    server.behave("rcpt-4xx");
    let reply = worker.call("register_user_no_pass", json!({"email": ANN}));
    assert_eq!(reply["message"], "Verification email sent.");
    let database = dump(&site);
    assert!(database.contains("mail {"), "{database}");

    server.behave("accept");
    wait_for("the mail has arrived", || !server.mails().is_empty());
    let mail = String::from_utf8(server.mails()[0].content.clone()).unwrap();
    let (_, code) = mail.split_once("code is: ").unwrap();
    let code = &code[..usize::try_from(CODE_LENGTH).unwrap()];
    for (what, text) in [("database", &database), ("log", &site.log())] {
        for secret in [code, PASSWORD] {
            assert!(!text.contains(secret), "{secret} in the {what}:\n{text}");
        }
    }
    let verify = json!({"email": ANN, "code": code});
    assert_eq!(worker.call("verify_user", verify)["message"], "User verified.");
}
