//! What edits do to a document, and what they leave alone.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Capabilities;
use super::tools::*;
use crate::store::{Edit, Store};

/// Puts edits into a new record and more edits into it afterwards, and gives the document.
async fn after(store: &dyn Store, first: Vec<Edit>, then: Vec<Edit>) -> Value {
    let version = commit_one(store, put_edits("users", ADA, None, first)).await;
    commit_one(store, put_edits("users", ADA, Some(&version), then)).await;
    value(&user(store, ADA).await)
}

pub(super) async fn fields_that_no_edit_names_survive(store: Arc<dyn Store>, _: Capabilities) {
    let first = vec![
        edit(&["foreign"], Some(r#"{"a":[1,{"b":null}],"c":"d"}"#)),
        edit(&["custom_data"], Some(r#"{"x":{"y":1,"z":[]},"empty":{}}"#)),
        edit(&["null"], Some("null")),
    ];
    let then = vec![edit(&["custom_data", "x", "y"], Some("2")), edit(&["verified"], Some("true"))];
    let expected = json!({
        "email": ADA, "foreign": { "a": [1, { "b": null }], "c": "d" },
        "custom_data": { "x": { "y": 2, "z": [] }, "empty": {} }, "null": null, "verified": true,
    });
    assert_eq!(after(&*store, first, then).await, expected);
}

pub(super) async fn names_are_taken_literally(store: Arc<dyn Store>, _: Capabilities) {
    let names = [
        "a.b",
        "a",
        "$set",
        "$date",
        "$",
        ".",
        "",
        " ",
        "🦀",
        "\"",
        "'",
        "\\",
        "a\nb",
        "0",
        "[0]",
        "a/b",
        "~0",
        "__proto__",
        "_id2",
        "\u{e9}",
        "e\u{301}",
        "$$ROOT",
        "a.$[].b",
    ];
    let mut first = vec![edit(&["custom_data"], Some("{}"))];
    let mut then = Vec::new();
    let mut expected = serde_json::Map::new();
    for (n, name) in names.iter().enumerate() {
        first.push(edit(&["custom_data", name], Some("{\"old\":true}")));
        then.push(edit(&["custom_data", name, name], Some(&n.to_string())));
        expected.insert((*name).to_owned(), json!({ "old": true, *name: n }));
    }
    let document = after(&*store, first, then).await;
    assert_eq!(document["custom_data"], Value::Object(expected.clone()));

    let version = user(&*store, ADA).await.version;
    let edits = names.iter().skip(1).map(|name| edit(&["custom_data", name], None)).collect();
    commit_one(&*store, put_edits("users", ADA, Some(&version), edits)).await;
    expected.retain(|name, _| name == "a.b");
    assert_eq!(value(&user(&*store, ADA).await)["custom_data"], Value::Object(expected));
}

pub(super) async fn missing_objects_on_the_way_are_made(store: Arc<dyn Store>, _: Capabilities) {
    let first = vec![edit(&["a", "b", "c"], Some("1"))];
    let then = vec![
        edit(&["a", "d", "e"], Some("2")),
        edit(&["x", "y"], None),
        edit(&["a", "nothing"], None),
    ];
    let expected = json!({ "email": ADA, "a": { "b": { "c": 1 }, "d": { "e": 2 } } });
    assert_eq!(after(&*store, first, then).await, expected, "only for values, not for removals");

    let deep = ["d"; 16];
    let version = user(&*store, ADA).await.version;
    let edits = vec![edit(&deep, Some("\"deep\""))];
    commit_one(&*store, put_edits("users", ADA, Some(&version), edits)).await;
    let document = value(&user(&*store, ADA).await);
    let found = deep.iter().try_fold(&document, |value, name| value.get(name));
    assert_eq!(found, Some(&json!("deep")), "a path has up to 16 names");
}

pub(super) async fn a_removed_field_is_gone(store: Arc<dyn Store>, _: Capabilities) {
    let first = vec![edit(&["a"], Some("1")), edit(&["b"], Some(r#"{"c":1,"d":2}"#))];
    let then = vec![edit(&["a"], None), edit(&["b", "c"], None)];
    assert_eq!(after(&*store, first, then).await, json!({ "email": ADA, "b": { "d": 2 } }));
}

pub(super) async fn edits_are_applied_in_their_order(store: Arc<dyn Store>, _: Capabilities) {
    let first = vec![edit(&["a"], Some("1")), edit(&["a"], Some("2")), edit(&["b"], Some("3"))];
    let then = vec![
        edit(&["a"], None),
        edit(&["a", "b"], Some("1")),
        edit(&["a", "c"], Some("2")),
        edit(&["a", "b"], None),
        edit(&["b"], Some("4")),
        edit(&["b"], None),
    ];
    assert_eq!(after(&*store, first, then).await, json!({ "email": ADA, "a": { "c": 2 } }));
}

pub(super) async fn an_edit_through_a_value_is_refused_and_changes_nothing(
    store: Arc<dyn Store>,
    _: Capabilities,
) {
    let edits = vec![
        edit(&["text"], Some("\"x\"")),
        edit(&["list"], Some("[{\"a\":1}]")),
        edit(&["nothing"], Some("null")),
    ];
    let version = commit_one(&*store, put_edits("users", ADA, None, edits)).await;
    for path in [["text", "a"], ["list", "0"], ["nothing", "a"]] {
        let edits = vec![edit(&["new"], Some("1")), edit(&path, Some("1"))];
        refused(&*store, path[0], &[put_edits("users", ADA, Some(&version), edits)]).await;
    }
    let found = user(&*store, ADA).await;
    assert_eq!(found.version, version);
    let expected = json!({ "email": ADA, "text": "x", "list": [{ "a": 1 }], "nothing": null });
    assert_eq!(value(&found), expected);
}

pub(super) async fn the_key_stands_in_the_field_email(store: Arc<dyn Store>, _: Capabilities) {
    let first = vec![edit(&["email"], Some("\"other@x.y\""))];
    let then = vec![edit(&["email"], None), edit(&["a"], Some("1"))];
    assert_eq!(after(&*store, first, then).await, json!({ "email": ADA, "a": 1 }));
    assert!(load(&*store, "other@x.y").await.is_empty());
}

pub(super) async fn values_keep_their_kind(store: Arc<dyn Store>, _: Capabilities) {
    let text = r#"{"one":1,"double":1.0,"most":9223372036854775807,"least":-9223372036854775808,
        "large":9007199254740993,"half":0.5,"tiny":5e-324,"huge":1.7976931348623157e308,
        "true":true,"null":null,"list":[1,1.0,"1",[],{}],"object":{},"empty":"",
        "text":"\u0000\n\"\\\u00e9 🦀","date":{"$date":"2020-01-01T00:00:00Z"},
        "oid":{"$oid":"not one"},"number":{"$numberLong":"1"}}"#;
    let first = vec![edit(&["custom_data"], Some(text))];
    let document = after(&*store, first, vec![edit(&["other"], Some("1"))]).await;
    let expected: Value = serde_json::from_str(text).expect("this is JSON");
    // Number by number: 1 and 1.0 are equal for some, and 2^53 + 1 shows a detour through doubles.
    assert_eq!(document["custom_data"], expected);
    assert!(document["custom_data"]["one"].is_i64() && document["custom_data"]["double"].is_f64());
}

pub(super) async fn numbers_are_kept_to_the_letter(
    store: Arc<dyn Store>,
    capabilities: Capabilities,
) {
    if !capabilities.exact_numbers {
        return;
    }
    let numbers = [
        "1.0",
        "1e2",
        "1E+2",
        "12345678901234567890",
        "-0",
        "0.10",
        "1e400",
        "3.14159265358979323846",
    ];
    let mut edits = Vec::new();
    for (n, number) in numbers.iter().enumerate() {
        edits.push(edit(&["custom_data", &format!("n{n}")], Some(number)));
    }
    let version = commit_one(&*store, put_edits("users", ADA, None, edits)).await;
    let edits = vec![edit(&["custom_data", "more"], Some("[1.50]"))];
    let version = commit_one(&*store, put_edits("users", ADA, Some(&version), edits)).await;
    commit_one(&*store, relocate(ADA, &version, BOB, vec![edit(&["a"], Some("1"))])).await;
    let document = user(&*store, BOB).await.document;
    for (n, number) in numbers.iter().enumerate() {
        assert!(document.contains(&format!("\"n{n}\":{number}")), "{number} in {document}");
    }
    assert!(document.contains("[1.50]"), "{document}");
}

pub(super) async fn a_large_document_is_kept(store: Arc<dyn Store>, _: Capabilities) {
    // Larger than the default limit of custom data, in one text and in many fields.
    let text = format!("\"{}\"", "🦀é\\\"".repeat(12_000));
    let fields: Vec<String> =
        (0..3000).map(|n| format!("\"field {n}\":[{n},\"value {n}\"]")).collect();
    let object = format!("{{{}}}", fields.join(","));
    let first = vec![edit(&["text"], Some(&text)), edit(&["object"], Some(&object))];
    let document = after(&*store, first, vec![edit(&["object", "field 7"], Some("true"))]).await;
    assert_eq!(document["text"], serde_json::from_str::<Value>(&text).expect("this is JSON"));
    let mut expected: Value = serde_json::from_str(&object).expect("this is JSON");
    expected["field 7"] = json!(true);
    assert_eq!(document["object"], expected);
}
