//! The administration of the database.

use serde_json::json;

use crate::support::{ANN, PASSWORD, both_ways};

const NOTHING: fn() -> serde_json::Value = || json!({});

#[test]
fn collections_are_removed_created_and_reset() {
    both_ways(&[("rate_limiting", 60.into()), ("guess_limit", 1.into())], async |world| {
        for (target, gone) in [
            ("users_collection", &["users", "guesses"][..]),
            ("blocked_collection", &["blocked"]),
            ("limit_collection", &["limit"]),
            ("all_collections", &["users", "guesses", "blocked", "limit"]),
            ("db", &["users", "guesses", "blocked", "limit"]),
        ] {
            for verb in ["remove", "reset"] {
                world
                    .says(
                        "register_user_no_verif",
                        json!({"email": ANN, "password": PASSWORD, "ignore_rate_limit": true}),
                        200,
                    )
                    .await;
                world
                    .says("authenticate_user", json!({"email": ANN, "password": "wrong"}), 502)
                    .await;
                let function = format!("{verb}_{target}");
                for _ in 0..2 {
                    assert_eq!(
                        world.call(&function, NOTHING()).await["success"],
                        true,
                        "{function}"
                    );
                }
                for collection in ["users", "blocked", "limit", "guesses"] {
                    let there = world.record(collection, ANN).await.is_some();
                    assert_eq!(there, !gone.contains(&collection), "{function}: {collection}");
                }
                let create = format!("create_{target}");
                for _ in 0..2 {
                    assert_eq!(world.call(&create, NOTHING()).await["success"], true, "{create}");
                }
                world.call("remove_db", NOTHING()).await;
            }
        }
    });
}

#[test]
fn a_removed_collection_comes_back_with_the_next_write() {
    both_ways(&[], async |world| {
        world.call("remove_db", NOTHING()).await;
        world.says("is_verified", json!({"email": ANN}), 404).await;
        world.verified().await;
        world.says("is_verified", json!({"email": ANN}), 300).await;
    });
}

#[test]
fn the_database_is_counted_and_measured() {
    both_ways(&[], async |world| {
        let ask = async |function: &str| world.call(function, NOTHING()).await["message"].clone();
        assert_eq!(ask("user_count").await, 0);
        world.verified().await;
        assert_eq!(ask("user_count").await, 1);
        assert!(ask("db_data_size").await.as_u64().unwrap() > 100);
        for function in ["db_storage_size", "db_index_size"] {
            assert!(ask(function).await.is_u64(), "{function}");
        }
        assert!(ask("db_raw_stats").await.is_object());
    });
}

#[test]
fn a_failure_names_its_cause() {
    both_ways(&[], async |world| {
        world.down(true);
        for (function, what) in [
            ("remove_users_collection", "users could not be removed"),
            ("create_all_collections", "users could not be created"),
            ("reset_limit_collection", "limit could not be removed"),
            ("remove_db", "database could not be removed"),
            ("user_count", "users could not be counted"),
            ("db_data_size", "size could not be read"),
            ("db_raw_stats", "statistics could not be read"),
        ] {
            let error = world.try_call(function, "{}").await.unwrap_err().to_string();
            assert!(
                error.contains(what) && error.contains("the database is down"),
                "{function}: {error}"
            );
        }
    });
}
