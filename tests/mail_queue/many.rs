//! A thousand mails through a real server that fails every third.

use std::collections::BTreeMap;

use mail_parser::MessageParser;
use portcullis::mail::smtp::{MailTls, SmtpTransport};

use super::*;
use crate::servers::smtp::{Options, SmtpServer};

/// Mails that the server keeps without saying so: its answer is never seen.
const UNSEEN: usize = 40;
const MAILS: usize = 1000;

#[test]
fn of_a_thousand_mails_each_arrives_once_or_as_the_same_mail_and_its_code_verifies() {
    run(async {
        let server = SmtpServer::start(&Options { tls: MailTls::None, ..Options::default() });
        let clock = Arc::new(AtomicU64::new(START));
        let store = Arc::new(MemoryStore::default());
        let mut hosts = Vec::new();
        for _ in 0..3 {
            let transport = SmtpTransport::new(&server.account(), None).unwrap();
            let host = tenant(&clock)
                .set("code_ttl", 36_000)
                .shared_store(store.clone())
                .shared_database(store.clone())
                .transport("codes@example.com", transport);
            hosts.push(host.build().await.unwrap());
        }
        server.behave("data-close-kept");
        register(&hosts, 0..UNSEEN).await;
        assert_eq!(waiting(&hosts).await, UNSEEN as u64);
        server.behave("every-third-fails");
        register(&hosts, UNSEEN..MAILS).await;
        assert!(waiting(&hosts).await > UNSEEN as u64, "the server failed nothing");

        for round in 0.. {
            assert!(round < 60, "{} mails are left", waiting(&hosts).await);
            if waiting(&hosts).await == 0 {
                break;
            }
            clock.fetch_add(120, Ordering::SeqCst);
            let passes: Vec<_> = hosts
                .iter()
                .cloned()
                .map(|host| {
                    tokio::spawn(async move { host.deliver_mail(&Budget::default()).await })
                })
                .collect();
            for pass in passes {
                pass.await.unwrap().unwrap();
            }
        }

        let mut arrived: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for mail in server.mails() {
            let parsed = MessageParser::default().parse(&mail.content).unwrap();
            let text = parsed.body_text(0).unwrap();
            let code = text.chars().filter(char::is_ascii_digit).collect();
            let entry = (parsed.message_id().unwrap().to_owned(), code);
            arrived.entry(mail.to[0].clone()).or_default().push(entry);
        }
        assert_eq!(arrived.len(), MAILS);
        for number in 0..MAILS {
            let mails = &arrived[&address(number)];
            // The server had the first of the unseen ones already.
            assert_eq!(mails.len(), if number < UNSEEN { 2 } else { 1 }, "{number}: {mails:?}");
            assert!(mails.iter().all(|mail| *mail == mails[0]), "{number}: {mails:?}");
            let (_, code) = &mails[0];
            let verify = json!({"email": address(number), "code": code});
            let reply = call(&hosts[number % 3], "verify_user", verify).await;
            assert_eq!(reply["success"], true, "{number}: {reply}");
        }
        for host in hosts {
            host.close().await;
        }
    });
}

fn address(number: usize) -> String {
    format!("u{number}@example.com")
}

async fn waiting(hosts: &[Tenant]) -> u64 {
    hosts[0].mail_queue().await.unwrap().unwrap().length
}

/// Register users, a few at a time, on all hosts.
async fn register(hosts: &[Tenant], numbers: std::ops::Range<usize>) {
    let clients: Vec<_> = (0..6)
        .map(|client| {
            let host = hosts[client % hosts.len()].clone();
            let numbers: Vec<_> = numbers.clone().skip(client).step_by(6).collect();
            tokio::spawn(async move {
                for number in numbers {
                    let user = json!({"email": address(number)});
                    let reply = call(&host, "register_user_no_pass", user).await;
                    assert_eq!(reply["success"], true, "{number}: {reply}");
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
}
