//! Every way a call can end: the table of outcomes, and what is not decided at all.

pub use crate::bindings::portcullis::auth::types::Failure;
use crate::ports::StoreError;

macro_rules! codes {
    ($($number:literal $name:ident $text:literal,)*) => {
        /// A row of the table of outcomes. 419 is reserved.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)] // the text says it
        pub enum Code { $($name = $number,)* }

        impl Code {
            /// Every row.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// The text for people.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }
        }
    };
}

codes! {
    200 Success "Success",
    201 VerificationSent "Verification email sent.",
    202 Authenticated "Authentication successful.",
    203 PasswordReset "Password reset successful.",
    204 UserDeleted "User deleted.",
    205 FieldUpdated "Custom user data field updated.",
    206 DataChanged "Custom user data changed.",
    207 UserUnblocked "User unblocked.",
    300 UserVerified "User verified.",
    301 NotBlocked "User is not blocked.",
    302 NotVerified "User is not verified.",
    400 Error "Error",
    401 RateLimited "User exceeded rate limits.",
    402 UserExists "User already exists.",
    403 UserBlocked "User is blocked.",
    404 UserNotFound "User not found.",
    410 NotDeleted "Failed to delete user.",
    412 FieldNotFound "Field not found.",
    417 InvalidCode "Invalid code.",
    419 NotDeletedUsers "Failed to delete user.",
    420 NotDeletedBlocked "User deleted but not from blocked database.",
    421 NotDeletedAll "Failed to delete user from all databases.",
    423 NoBlockRecord "User is not found in blocked database.",
    500 InvalidOldPassword "Invalid old password.",
    501 InvalidPassword "Invalid password.",
    502 InvalidCredentials "Invalid credentials.",
    503 InvalidEmail "Invalid email format.",
}

/// A request that was decided against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which row of the table.
    pub code: Code,
    /// Why, for the person who made the call; never a secret.
    pub detail: Option<String>,
    /// Seconds until the same request can pass.
    pub retry_after: Option<u32>,
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self { code, detail: None, retry_after: None }
    }
}

impl Refusal {
    /// A refused input, with the reason.
    pub fn because(code: Code, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..code.into() }
    }

    /// 401: to be tried again in that many seconds.
    #[must_use]
    pub fn wait(seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Code::RateLimited.into() }
    }
}

/// Why the way through a function ended early.
#[derive(Clone, Debug)]
pub enum Stop {
    /// It was decided: no.
    Refused(Refusal),
    /// It could not be decided.
    Failed(Failure),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Code> for Stop {
    fn from(code: Code) -> Self {
        Self::Refused(code.into())
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(match error {
            StoreError::Unavailable(why) | StoreError::Damaged(why) | StoreError::Other(why) => why,
            StoreError::Partial(partial) => {
                format!("only {} of the changes were made: {}", partial.applied, partial.reason)
            }
        })
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}
