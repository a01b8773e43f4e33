//! `/openapi.json`, against what is there.

use portcullis::functions::FUNCTIONS;
use serde_json::Value as Json;

use super::shared::stranger;

#[test]
fn every_function_is_described_and_everything_described_is_there() {
    let client = stranger("default");
    let description = client.get("/openapi.json").is(200).json();
    assert_eq!(description["openapi"], "3.1.0");
    let paths = description["paths"].as_object().unwrap();
    for function in FUNCTIONS {
        let path = format!("/v1/{}/{}", function.interface.name(), function.name);
        let operation = &paths[&path]["post"];
        assert_eq!(operation["summary"], function.summary, "{path}");
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        for parameter in function.parameters {
            assert!(schema["properties"].get(parameter.name).is_some(), "{path}");
            let required = schema["required"].as_array().unwrap().contains(&parameter.name.into());
            assert_eq!(required, parameter.default.is_none(), "{path}: {}", parameter.name);
        }
    }
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().unwrap() {
            let path = path.replace("{id}", "x");
            let answer = client.send(&method.to_uppercase(), &path, None, ());
            assert_ne!(answer.status, 405, "{method} {path}");
            let statuses: Vec<&String> =
                operation["responses"].as_object().unwrap().keys().collect();
            assert!(
                statuses.contains(&&answer.status.to_string()),
                "{method} {path}: {} is not one of {statuses:?}",
                answer.status
            );
            let described = operation["responses"][answer.status.to_string()].get("content");
            if let Some(kinds) = described.and_then(Json::as_object) {
                let kind = answer.header("Content-Type").unwrap_or_default();
                let kind = kind.split(';').next().unwrap();
                assert!(kinds.contains_key(kind), "{method} {path}: {kind}");
            }
        }
    }
}
