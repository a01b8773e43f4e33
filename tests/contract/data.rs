//! Custom data: any JSON value, taken literally and given back to the letter.

use serde_json::{Value, json};

use crate::support::{ANN, PASSWORD, both_ways};

#[test]
fn custom_data_is_kept_replaced_and_updated() {
    both_ways(&[], async |world| {
        let one = json!({"email": ANN});
        world.says("get_cust_usr_data", one.clone(), 404).await;
        world.says("get_some_cust_usr_data", json!({"email": ANN, "field": "a"}), 404).await;
        world.says("replace_usr_data", json!({"email": ANN, "custom_data": {}}), 404).await;
        world
            .says("update_usr_data", json!({"email": ANN, "field": "a", "custom_data": 1}), 404)
            .await;

        world.verified().await;
        let data = async || world.call("get_cust_usr_data", one.clone()).await["message"].clone();
        assert_eq!(data().await, json!({}));
        world
            .says(
                "replace_usr_data",
                json!({"email": ANN, "custom_data": {"a": 1, "b": [true]}}),
                206,
            )
            .await;
        world
            .says(
                "update_usr_data",
                json!({"email": ANN, "field": "b", "custom_data": {"c": null}}),
                205,
            )
            .await;
        assert_eq!(data().await, json!({"a": 1, "b": {"c": null}}));
        let field = world.call("get_some_cust_usr_data", json!({"email": ANN, "field": "b"})).await;
        assert_eq!(field, json!({"success": true, "message": {"c": null}}));
        world.says("get_some_cust_usr_data", json!({"email": ANN, "field": "c"}), 412).await;
        world
            .says("update_usr_data", json!({"email": ANN, "field": "c", "custom_data": 1}), 412)
            .await;
    });
}

#[test]
fn the_name_of_a_field_is_just_a_name() {
    both_ways(&[], async |world| {
        let names =
            ["a.b", "$set", "", "a", "ü😀", "__proto__", "a/b", "~0", "0", "\"", "\\", "\r\n"];
        let data: serde_json::Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), json!(0))).collect();
        world
            .says(
                "register_user_no_verif",
                json!({"email": ANN, "password": PASSWORD, "custom_data": data}),
                200,
            )
            .await;
        for (at, name) in names.iter().enumerate() {
            world
                .says(
                    "update_usr_data",
                    json!({"email": ANN, "field": name, "custom_data": at + 1}),
                    205,
                )
                .await;
        }
        let stored =
            world.call("get_cust_usr_data", json!({"email": ANN})).await["message"].clone();
        for (at, name) in names.iter().enumerate() {
            assert_eq!(stored[*name], at + 1, "{name}");
            let reply =
                world.call("get_some_cust_usr_data", json!({"email": ANN, "field": name})).await;
            assert_eq!(reply["message"], at + 1);
        }
        for name in ["b", "custom_data", "email", "set"] {
            world.says("get_some_cust_usr_data", json!({"email": ANN, "field": name}), 412).await;
        }
    });
}

#[test]
fn data_that_is_no_object_has_no_fields() {
    both_ways(&[], async |world| {
        world.verified().await;
        for data in [json!(null), json!(1), json!("a"), json!([1, 2]), json!(true)] {
            world.says("replace_usr_data", json!({"email": ANN, "custom_data": data}), 206).await;
            world.says("get_some_cust_usr_data", json!({"email": ANN, "field": "0"}), 412).await;
            world
                .says("update_usr_data", json!({"email": ANN, "field": "0", "custom_data": 1}), 412)
                .await;
            assert_eq!(
                world.call("get_cust_usr_data", json!({"email": ANN})).await["message"],
                data
            );
        }
    });
}

#[test]
fn what_some_store_could_not_keep_is_refused() {
    both_ways(&[], async |world| {
        world.verified().await;
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        for (bad, why) in [
            (r#"{"a\u0000b": 1}"#.to_owned(), "NUL"),
            ("18446744073709551617".to_owned(), "double"),
            ("[1e999]".to_owned(), "number"),
            (nested(65), "levels"),
            (r#"{"a": 1, "a": 2}"#.to_owned(), "twice"),
        ] {
            for (function, rest) in
                [("replace_usr_data", ""), ("update_usr_data", r#", "field": "a""#)]
            {
                let arguments = format!(r#"{{"email": "{ANN}", "custom_data": {bad}{rest}}}"#);
                let reply = world.try_call(function, &arguments).await.unwrap();
                assert_eq!(reply["message"], world.message(400), "{bad}: {reply}");
                assert!(reply["detail"].as_str().unwrap().contains(why), "{bad}: {reply}");
            }
            let arguments =
                format!(r#"{{"email": "b@b.cc", "password": "{PASSWORD}", "custom_data": {bad}}}"#);
            let reply = world.try_call("register_user", &arguments).await.unwrap();
            assert_eq!(reply["message"], world.message(400), "{bad}: {reply}");
        }
        let arguments = format!(r#"{{"email": "{ANN}", "custom_data": {}}}"#, nested(64));
        assert_eq!(world.try_call("replace_usr_data", &arguments).await.unwrap()["success"], true);
        assert_eq!(world.record("users", "b@b.cc").await, None);
    });
}

#[test]
fn the_size_limit_holds_for_the_whole() {
    both_ways(&[("custom_data_limit", 20.into())], async |world| {
        world.verified().await;
        world
            .says(
                "replace_usr_data",
                json!({"email": ANN, "custom_data": {"a": "0123456789"}}),
                206,
            )
            .await;
        let more = json!({"email": ANN, "field": "a", "custom_data": "01234567890123456"});
        let reply = world.says("update_usr_data", more, 400).await;
        assert!(reply["detail"].as_str().unwrap().contains("more than 20"), "{reply}");
        let long = json!({"email": ANN, "custom_data": "0123456789012345678901234567890"});
        world.says("replace_usr_data", long, 400).await;
        let field = json!({"email": ANN, "field": "a"});
        assert_eq!(world.call("get_some_cust_usr_data", field).await["message"], "0123456789");
    });
}
