//! The one place that says which function leaves which event.

use super::Told;

/// The event that has a new address.
pub(super) const EMAIL_CHANGE: &str = "email-change";

/// What a call is about.
pub(crate) struct Subject {
    pub(super) function: &'static str,
    pub(super) about: Option<String>,
    /// Whether the token of a session says who asks.
    pub(super) by_token: bool,
}

impl Subject {
    pub(crate) fn of(function: &'static str) -> Self {
        Self { function, about: None, by_token: false }
    }

    /// With one of its parameters, of which only the account is kept.
    pub(crate) fn with(mut self, parameter: &str, text: Option<&str>) -> Self {
        match parameter {
            "email" => self.about = text.and_then(super::account),
            "token" => self.by_token = true,
            _ => {}
        }
        self
    }

    /// Whether it can leave an event.
    pub(crate) fn is_told(&self) -> bool {
        name(self.function).is_some()
    }

    pub(super) fn event(&self, told: &Told) -> Option<&'static str> {
        let event = name(self.function)?;
        // The first of two steps.
        let mailed = told.success && told.code == Some(201) && event == "sign-in";
        Some(if mailed { "code-mail" } else { event })
    }
}

/// The names are fixed for good: programs of others look for them.
fn name(function: &str) -> Option<&'static str> {
    Some(match function {
        "register_user" | "register_user_no_verif" | "register_user_no_pass" => "registration",
        "verify_user" => "verification",
        "authenticate_user" | "verify_mfa_code" | "sign_in" | "sign_in_with_code" => "sign-in",
        "generate_code" => "code-mail",
        "reset_password_no_verif" => "password-change",
        "verify_reset_code_and_reset_password" => "password-reset",
        "change_email_no_verif" | "verify_reset_code_and_change_email" | "confirm_email_change" => {
            EMAIL_CHANGE
        }
        "request_email_change" => "email-change-request",
        "delete_user" | "delete_user_with_verif" => "deletion",
        "block_user" => "block",
        "unblock_user" => "unblock",
        "replace_usr_data" | "update_usr_data" => "data-change",
        "sign_out" => "sign-out",
        "end_session" | "end_other_sessions" | "end_user_sessions" => "sessions-end",
        name if name.starts_with("remove_") => "database-removal",
        name if name.starts_with("create_") => "database-creation",
        name if name.starts_with("reset_") => "database-reset",
        _ => return None,
    })
}
