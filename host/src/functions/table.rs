//! The table of all functions: the one place where a function stands.
//!
//! Names, parameters, their order and their defaults are fixed for good: programs of others make
//! these calls. A line reads as the Python signature would, with the kind of each parameter; `via`
//! names the export of the component behind it, and a function that is `hashing` hashes or checks a
//! password. [`interfaces!`](super::define) says what is made of it.

use serde::Serialize;

use super::arguments::{Keep, Lend};
use super::define::interfaces;
use super::descriptor::{Default, Function, Kind, Parameter};
use super::reply::Answers;
use crate::audit::Subject;
use crate::component::Work;
use crate::contract::sessions::{Known, Listed, SignedIn};
use crate::contract::types::{Answer, Outcome};
use crate::error::CallError;
use crate::tenant::Tenant;

interfaces! {
    /// What a person does with an account. A host may offer these to the public.
    interface auth: Auth {
        /// Create an unverified user and mail a code for `verify_user`: 201.
        hashing register_user via call_register_user(
            email: text,
            password: secret,
            custom_data: json = None,
            cust_length: integer = None,
            ignore_rate_limit: boolean = False,
        ) -> Outcome;

        /// Create a user who counts as verified, without any mail: 200.
        hashing register_user_no_verif via call_register_user_no_verif(
            email: text,
            password: secret,
            custom_data: json = None,
            ignore_rate_limit: boolean = False,
        ) -> Outcome;

        /// Create an unverified user without a password and mail a code: 201.
        plain register_user_no_pass via call_register_user_no_pass(
            email: text,
            custom_data: json = None,
            cust_length: integer = None,
            ignore_rate_limit: boolean = False,
        ) -> Outcome;

        /// Prove the mailbox with the code that was mailed to it: 300.
        plain verify_user via call_verify_user(
            email: text,
            code: secret,
            ignore_rate_limit: boolean = False,
        ) -> Outcome;

        /// Check a password: 202; with `mfa` 201, a code was mailed and nobody is signed in yet.
        hashing authenticate_user via call_authenticate_user(
            email: text,
            password: secret,
            mfa: boolean = False,
            cust_length: integer = None,
            ignore_rate_limit: boolean = False,
        ) -> Outcome;

        /// The second step of a sign-in, with the code that was mailed in the first: 202.
        plain verify_mfa_code via call_verify_mfa_code(
            email: text,
            code: secret,
            ignore_rate_limit: boolean = False,
        ) -> Outcome;

        /// Mail a new code, which replaces the open one: 201.
        plain generate_code via call_generate_code(
            email: text,
            cust_length: integer = None,
            ignore_rate_limit: boolean = False,
        ) -> Outcome;

        /// Set a new password with the old one: 203.
        hashing reset_password_no_verif via call_reset_password_no_verif(
            email: text,
            old_password: secret,
            new_password: secret,
            ignore_rate_limit: boolean = False,
        ) -> Outcome;

        /// Set a new password with a mailed code: 203. The user is verified then.
        hashing verify_reset_code_and_reset_password
            via call_verify_reset_code_and_reset_password(
            email: text,
            reset_code: secret,
            new_password: secret,
            ignore_rate_limit: boolean = False,
        ) -> Outcome;

        /// Give the account another address, with the password: 200.
        hashing change_email_no_verif via call_change_email_no_verif(
            email: text,
            new_email: text,
            password: secret,
            ignore_rate_limit: boolean = False,
        ) -> Outcome;

        /// Give the account another address, with a mailed code and, if given, the password: 200.
        hashing verify_reset_code_and_change_email via call_verify_reset_code_and_change_email(
            email: text,
            reset_code: secret,
            new_email: text,
            password: secret = None,
            ignore_rate_limit: boolean = False,
        ) -> Outcome;

        /// Delete the account, with the password: 204.
        hashing delete_user via call_delete_user(
            email: text,
            password: secret,
            del_from_blocking: boolean = True,
            ignore_rate_limit: boolean = False,
        ) -> Outcome;

        /// Delete the account, with the password and a mailed code: 204.
        hashing delete_user_with_verif via call_delete_user_with_verif(
            email: text,
            password: secret,
            code: secret,
            del_from_blocking: boolean = True,
            ignore_rate_limit: boolean = False,
        ) -> Outcome;

        /// Whether a request of the address would pass the rate limit now: 200, 401. Changes nothing.
        plain is_rate_limited via call_is_rate_limited(email: text) -> Outcome;

        /// Count a request of the address without telling whether it passes: 200.
        plain update_rate_limit via call_update_rate_limit(email: text) -> Outcome;

        /// Count a request of the address: 200 when it passes, 401 when not.
        plain check_and_update_rate_limit via call_check_and_update_rate_limit(
            email: text,
        ) -> Outcome;
    }

    /// What an application does with the accounts of its users. Needs no password and is not limited.
    interface utils: Utils {
        /// Block the address: success with 403.
        plain block_user via call_block_user(email: text) -> Outcome;

        /// End the block, and the waits after wrong guesses: 207.
        plain unblock_user via call_unblock_user(email: text) -> Outcome;

        /// Whether the address is blocked: success with 403; no success with 301 when it is not.
        plain is_blocked via call_is_blocked(email: text) -> Outcome;

        /// Whether the user is verified: 300; 302 when not.
        plain is_verified via call_is_verified(email: text) -> Outcome;

        /// Whole seconds since the last request that the rate limit counted; -1 when there is none.
        plain time_since_request via call_time_since_request(email: text) -> i64;

        /// All custom data of the user.
        plain get_cust_usr_data via call_get_cust_usr_data(email: text) -> Answer;

        /// One top-level field of the user's custom data.
        plain get_some_cust_usr_data via call_get_some_cust_usr_data(
            email: text,
            field: text,
        ) -> Answer;

        /// Replace all custom data of the user: 206.
        plain replace_usr_data via call_replace_usr_data(
            email: text,
            custom_data: json,
        ) -> Outcome;

        /// Replace one top-level field of the user's custom data: 205; 412 when it is not there.
        plain update_usr_data via call_update_usr_data(
            email: text,
            field: text,
            custom_data: json,
        ) -> Outcome;
    }

    /// Being signed in. A session is known by its token.
    interface sessions: Sessions {
        /// Sign in with a password: a session, or 201 when a code was mailed.
        hashing sign_in via call_sign_in(
            email: text,
            password: secret,
            client: text = None,
            mfa: boolean = False,
            ignore_rate_limit: boolean = False,
        ) -> SignedIn;

        /// The second step, or the only one of a user without a password: a session.
        plain sign_in_with_code via call_sign_in_with_code(
            email: text,
            code: secret,
            client: text = None,
            ignore_rate_limit: boolean = False,
        ) -> SignedIn;

        /// Who has this token; 502 when nobody.
        plain who_am_i via call_who_am_i(token: secret) -> Known;

        /// End the session of this token: 200.
        plain sign_out via call_sign_out(token: secret) -> Outcome;

        /// All sessions of whoever has this token.
        plain list_sessions via call_list_sessions(token: secret) -> Listed;

        /// End one of one's own sessions: 200.
        plain end_session via call_end_session(token: secret, id: text) -> Outcome;

        /// End all of one's own sessions but this one: 200.
        plain end_other_sessions via call_end_other_sessions(token: secret) -> Outcome;

        /// End all sessions of a user, for the application: 200.
        plain end_user_sessions via call_end_user_sessions(email: text) -> Outcome;

        /// Mail a code to a new address: 201.
        hashing request_email_change via call_request_email_change(
            token: secret,
            new_email: text,
            password: secret = None,
            ignore_rate_limit: boolean = False,
        ) -> Outcome;

        /// Give the account the new address, with the code that was mailed there: 200.
        plain confirm_email_change via call_confirm_email_change(
            token: secret,
            code: secret,
            ignore_rate_limit: boolean = False,
        ) -> Outcome;
    }

    /// The administration of the database. Creating what is there and removing what is not is fine.
    interface coredb: Coredb {
        /// Remove the collection of users, and the sessions, codes and counts of guesses with it.
        plain remove_users_collection via call_remove_users_collection() -> ();

        /// Remove the collection of block records.
        plain remove_blocked_collection via call_remove_blocked_collection() -> ();

        /// Remove the collection of rate limits.
        plain remove_limit_collection via call_remove_limit_collection() -> ();

        /// Remove all three collections.
        plain remove_all_collections via call_remove_all_collections() -> ();

        /// Remove everything that belongs to the tenant but the audit log.
        plain remove_db via call_remove_db() -> ();

        /// Create the collection of users, with its unique index.
        plain create_users_collection via call_create_users_collection() -> ();

        /// Create the collection of block records, with its unique index.
        plain create_blocked_collection via call_create_blocked_collection() -> ();

        /// Create the collection of rate limits, with its unique index.
        plain create_limit_collection via call_create_limit_collection() -> ();

        /// Create all three collections.
        plain create_all_collections via call_create_all_collections() -> ();

        /// Create all that is needed.
        plain create_db via call_create_db() -> ();

        /// Remove the collection of users and create it anew.
        plain reset_users_collection via call_reset_users_collection() -> ();

        /// Remove the collection of block records and create it anew.
        plain reset_blocked_collection via call_reset_blocked_collection() -> ();

        /// Remove the collection of rate limits and create it anew.
        plain reset_limit_collection via call_reset_limit_collection() -> ();

        /// Remove all three collections and create them anew.
        plain reset_all_collections via call_reset_all_collections() -> ();

        /// Remove everything that belongs to the tenant but the audit log, and create it anew.
        plain reset_db via call_reset_db() -> ();

        /// How many users there are.
        plain user_count via call_user_count() -> u64;

        /// Bytes of all documents.
        plain db_data_size via call_db_data_size() -> u64;

        /// Bytes that the documents take on disk.
        plain db_storage_size via call_db_storage_size() -> u64;

        /// Bytes of all indexes.
        plain db_index_size via call_db_index_size() -> u64;

        /// What the engine says of itself.
        plain db_raw_stats via call_db_raw_stats() -> String;
    }
}
