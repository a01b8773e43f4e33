//! All requests that the description of the service has, to be made without naming each.

use serde_json::{Map, Value as Json};

use crate::servers::http::{Answer, Client, FORM, JSON};

/// What must come with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Public,
    Session,
    Admin,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Operation {
    pub method: String,
    pub path: String,
    pub access: Access,
    pub is_form: bool,
    /// What can be sent.
    pub fields: Vec<String>,
    pub required: Vec<String>,
    /// Which of these are passwords, codes and the like.
    pub secrets: Vec<String>,
}

/// All of them.
pub fn operations(client: &Client) -> Vec<Operation> {
    let description = client.get("/openapi.json").is(200).json();
    let mut operations = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations.push(read(path, method, operation));
        }
    }
    operations
}

fn read(path: &str, method: &str, operation: &Json) -> Operation {
    let content = &operation["requestBody"]["content"];
    let is_form = content.get(FORM).is_some();
    let schema = &content[if is_form { FORM } else { JSON }]["schema"];
    let no_fields = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&no_fields);
    let is_secret = |name: &str| match is_form {
        // Nothing in a form says so.
        true => ["password", "new_password", "code"].contains(&name),
        false => properties[name]["format"] == "password",
    };
    let fields: Vec<String> = properties.keys().cloned().collect();
    let required = schema["required"].as_array().into_iter().flatten();
    let security = operation["security"].as_array().unwrap();
    let asks_for = |scheme| security.iter().any(|it| it.get(scheme).is_some());
    Operation {
        method: method.to_uppercase(),
        path: path.to_owned(),
        access: match (asks_for("session"), asks_for("admin"), security.len()) {
            (true, ..) => Access::Session,
            (_, true, 1) => Access::Admin,
            _ => Access::Public,
        },
        is_form,
        secrets: fields.iter().filter(|name| is_secret(name)).cloned().collect(),
        required: required.map(|name| name.as_str().unwrap().to_owned()).collect(),
        fields,
    }
}

impl Operation {
    /// Make the request, with these fields.
    pub fn send(&self, client: &Client, fields: &[(&str, &str)]) -> Answer {
        let path = self.path.replace("{id}", "none");
        if self.is_form {
            return client.post_form(&path, fields);
        }
        if self.fields.is_empty() && self.method != "POST" {
            return client.send(&self.method, &path, None, ());
        }
        let body: Map<String, Json> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        client.send(&self.method, &path, Some(JSON), Json::from(body).to_string())
    }
}
