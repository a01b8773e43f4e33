//! Three servers that hold the same data and elect one that writes.

use std::sync::LazyLock;
use std::time::Duration;

use bson::{Document, doc};

use super::mongod::{Database, Mongod, client};
use super::{blocking, wait_for};

pub struct ReplicaSet {
    members: Vec<Mongod>,
}

impl ReplicaSet {
    /// A set for all tests of this program, which do it no harm.
    pub fn shared() -> &'static ReplicaSet {
        static SHARED: LazyLock<ReplicaSet> = LazyLock::new(ReplicaSet::of_three);
        &SHARED
    }

    /// Start three servers and wait until one of them is the primary. The loss of the primary is
    /// noticed after two seconds.
    pub fn of_three() -> Self {
        let arguments = ["--replSet", "test", "--oplogSize", "64"];
        let members: Vec<Mongod> = std::thread::scope(|scope| {
            let starting: Vec<_> =
                (0..3).map(|_| scope.spawn(|| Mongod::started(&arguments))).collect();
            starting.into_iter().map(|server| server.join().unwrap()).collect()
        });
        let hosts: Vec<Document> = members
            .iter()
            .enumerate()
            .map(|(at, server)| {
                doc! { "_id": at as i32, "host": format!("127.0.0.1:{}", server.port()) }
            })
            .collect();
        let config = doc! {
            "_id": "test",
            "members": hosts,
            "settings": { "electionTimeoutMillis": 2000, "heartbeatIntervalMillis": 500 },
        };
        members[0].admin(doc! { "replSetInitiate": config });
        let set = Self { members };
        set.primary();
        set
    }

    pub fn uri(&self) -> String {
        let hosts: Vec<String> =
            self.members.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect();
        format!("mongodb://{}/?replicaSet=test", hosts.join(","))
    }

    /// The member that writes, waited for.
    pub fn primary(&self) -> &Mongod {
        let mut primary = None;
        wait_for("the set has a primary", || {
            primary = self.members.iter().find(|server| server.runs() && says_primary(server));
            primary.is_some()
        });
        primary.unwrap()
    }

    /// End the primary in the middle of whatever it does. It can be started again.
    pub fn kill_primary(&self) -> &Mongod {
        let primary = self.primary();
        primary.kill();
        primary
    }

    /// Wait until every member holds what the primary holds.
    pub fn settle(&self) {
        wait_for("all members follow the primary", || {
            let status = self.primary().admin(doc! { "replSetGetStatus": 1 });
            let members = status.get_array("members").unwrap();
            members
                .iter()
                .filter_map(|member| member.as_document())
                .all(|member| matches!(member.get_str("stateStr"), Ok("PRIMARY" | "SECONDARY")))
        });
    }
}

fn says_primary(server: &Mongod) -> bool {
    let answer = blocking(async {
        let client = client(&server.uri(), None).await;
        let admin = client.database("admin");
        let hello = async { admin.run_command(doc! { "hello": 1 }).await };
        tokio::time::timeout(Duration::from_secs(10), hello).await
    });
    matches!(answer, Ok(Ok(answer)) if answer.get_bool("isWritablePrimary").unwrap_or(false))
}

impl From<&ReplicaSet> for Database {
    fn from(set: &ReplicaSet) -> Self {
        Self::on(set.uri(), None)
    }
}
