//! The shapes of answers, by their names.

use serde_json::{Value, json};

/// All of them.
pub(super) fn schemas() -> Value {
    let message =
        json!({ "type": ["string", "integer"], "description": "The text, or the number." });
    let seconds = json!({ "type": "integer", "minimum": 0, "description": "In seconds." });
    let time = json!({ "type": "integer", "description": "Seconds since 1970 (UTC)." });
    let text = json!({ "type": "string" });
    let yes = json!({ "const": true });
    let flag = json!({ "type": "boolean" });
    let outcome = json!({
        "type": "object",
        "properties": {
            "success": flag,
            "message": message,
            "detail": text,
            "retry_after": seconds,
            "ticket": {
                "type": "string",
                "description": "To be given with the code that was mailed.",
            },
        },
        "required": ["success", "message"],
        "additionalProperties": false,
    });
    let session = json!({ "$ref": "#/components/schemas/Session" });
    json!({
        "Error": {
            "type": "object",
            "properties": {
                "error": text,
                "kind": { "enum": [
                    "usage", "storage", "settings", "overloaded", "component", "other",
                    "unauthorized", "forbidden", "not_found", "too_large", "unsupported", "limited",
                ] },
                "retry_after": seconds,
            },
            "required": ["error", "kind"],
            "additionalProperties": false,
        },
        "Outcome": outcome,
        "Integer": {
            "type": "object",
            "properties": { "success": yes, "message": { "type": "integer" } },
            "required": ["success", "message"],
            "additionalProperties": false,
        },
        "Data": {
            "type": "object",
            "properties": { "success": yes, "message": {} },
            "required": ["success", "message"],
        },
        "Session": {
            "type": "object",
            "properties": {
                "id": text,
                "made": time,
                "seen": time,
                "until": time,
                "second_factor": flag,
                "client": { "type": ["string", "null"] },
                "current": flag,
            },
            "required": ["id", "made", "seen", "until", "second_factor", "client", "current"],
            "additionalProperties": false,
        },
        "Sessions": {
            "type": "object",
            "properties": { "success": yes, "message": { "type": "array", "items": session } },
            "required": ["success", "message"],
            "additionalProperties": false,
        },
        "Identity": {
            "type": "object",
            "properties": {
                "success": yes, "email": text, "proven": flag, "session": session,
            },
            "required": ["success", "email", "proven", "session"],
            "additionalProperties": false,
        },
        "SignedIn": { "anyOf": [
            {
                "type": "object",
                "properties": {
                    "success": yes,
                    "message": message,
                    "email": text,
                    "proven": flag,
                    "session": session,
                    "token": text,
                    "device": text,
                },
                "required": ["success", "message", "email", "proven", "session"],
                "additionalProperties": false,
            },
            { "$ref": "#/components/schemas/Outcome" },
        ] },
        "Status": {
            "type": "object",
            "properties": { "status": { "const": "ok" } },
            "required": ["status"],
            "additionalProperties": false,
        },
        "Events": {
            "type": "object",
            "properties": {
                "success": yes,
                "events": { "type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "key": text,
                        "at": {
                            "type": "integer",
                            "description": "Milliseconds since 1970 (UTC).",
                        },
                        "event": text,
                        "outcome": text,
                        "by": {
                            "enum": ["stranger", "session", "admin", "application", "operator"],
                        },
                        "about": {
                            "type": "string",
                            "description": "The account, by the address that it had before.",
                        },
                        "to": {
                            "type": "string",
                            "description": "The new address, where it was changed.",
                        },
                        "from": text,
                        "function": text,
                        "request": text,
                        "count": { "type": "integer", "minimum": 0 },
                    },
                    "required": ["key", "at", "event", "outcome", "by"],
                    "additionalProperties": false,
                } },
                "next": { "type": ["string", "null"] },
            },
            "required": ["success", "events", "next"],
            "additionalProperties": false,
        },
        "Description": { "type": "object" },
    })
}
