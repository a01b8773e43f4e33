//! The component: the exports of the contract around the logic, and the imports (`host`).
#![allow(unreachable_pub)] // what the generator exports is reached by the host, not by Rust

mod host;

use host::Host;

use crate::bindings::exports::portcullis::auth::{auth, coredb, sessions, upkeep, users, utils};
use crate::coredb::Target;
use crate::outcome::Failure;
use crate::reply::{Answer, Outcome, answer, reply};

type Reply = Result<Outcome, Failure>;

/// It begins with the memory that the component has from its start.
#[global_allocator]
static HEAP: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

struct Component;

impl auth::Guest for Component {
    fn register_user(
        email: String,
        password: String,
        custom_data: Option<String>,
        cust_length: Option<i64>,
        ignore_rate_limit: bool,
    ) -> Reply {
        let data = custom_data.as_deref();
        let made = crate::auth::register_user(
            &Host,
            &email,
            &password,
            data,
            cust_length,
            ignore_rate_limit,
        );
        reply(&Host, made)
    }
    fn register_user_no_verif(
        email: String,
        password: String,
        custom_data: Option<String>,
        ignore_rate_limit: bool,
    ) -> Reply {
        let data = custom_data.as_deref();
        reply(
            &Host,
            crate::auth::register_user_no_verif(&Host, &email, &password, data, ignore_rate_limit),
        )
    }
    fn register_user_no_pass(
        email: String,
        custom_data: Option<String>,
        cust_length: Option<i64>,
        ignore_rate_limit: bool,
    ) -> Reply {
        let data = custom_data.as_deref();
        reply(
            &Host,
            crate::auth::register_user_no_pass(&Host, &email, data, cust_length, ignore_rate_limit),
        )
    }
    fn verify_user(email: String, code: String, ignore_rate_limit: bool) -> Reply {
        reply(&Host, crate::auth::verify_user(&Host, &email, &code, ignore_rate_limit))
    }
    fn authenticate_user(
        email: String,
        password: String,
        mfa: bool,
        cust_length: Option<i64>,
        ignore_rate_limit: bool,
    ) -> Reply {
        let signed_in = crate::auth::authenticate_user(
            &Host,
            &email,
            &password,
            mfa,
            cust_length,
            ignore_rate_limit,
        );
        reply(&Host, signed_in)
    }
    fn verify_mfa_code(email: String, code: String, ignore_rate_limit: bool) -> Reply {
        reply(&Host, crate::auth::verify_mfa_code(&Host, &email, &code, ignore_rate_limit))
    }
    fn generate_code(email: String, cust_length: Option<i64>, ignore_rate_limit: bool) -> Reply {
        reply(&Host, crate::auth::generate_code(&Host, &email, cust_length, ignore_rate_limit))
    }
    fn reset_password_no_verif(
        email: String,
        old_password: String,
        new_password: String,
        ignore_rate_limit: bool,
    ) -> Reply {
        let reset = crate::auth::reset_password_no_verif(
            &Host,
            &email,
            &old_password,
            &new_password,
            ignore_rate_limit,
        );
        reply(&Host, reset)
    }
    fn verify_reset_code_and_reset_password(
        email: String,
        reset_code: String,
        new_password: String,
        ignore_rate_limit: bool,
    ) -> Reply {
        let reset = crate::auth::verify_reset_code_and_reset_password(
            &Host,
            &email,
            &reset_code,
            &new_password,
            ignore_rate_limit,
        );
        reply(&Host, reset)
    }
    fn change_email_no_verif(
        email: String,
        new_email: String,
        password: String,
        ignore_rate_limit: bool,
    ) -> Reply {
        let changed = crate::auth::change_email_no_verif(
            &Host,
            &email,
            &new_email,
            &password,
            ignore_rate_limit,
        );
        reply(&Host, changed)
    }
    fn verify_reset_code_and_change_email(
        email: String,
        reset_code: String,
        new_email: String,
        password: Option<String>,
        ignore_rate_limit: bool,
    ) -> Reply {
        let changed = crate::auth::verify_reset_code_and_change_email(
            &Host,
            &email,
            &reset_code,
            &new_email,
            password.as_deref(),
            ignore_rate_limit,
        );
        reply(&Host, changed)
    }
    fn delete_user(
        email: String,
        password: String,
        del_from_blocking: bool,
        ignore_rate_limit: bool,
    ) -> Reply {
        reply(
            &Host,
            crate::auth::delete_user(
                &Host,
                &email,
                &password,
                del_from_blocking,
                ignore_rate_limit,
            ),
        )
    }
    fn delete_user_with_verif(
        email: String,
        password: String,
        code: String,
        del_from_blocking: bool,
        ignore_rate_limit: bool,
    ) -> Reply {
        let deleted = crate::auth::delete_user_with_verif(
            &Host,
            &email,
            &password,
            &code,
            del_from_blocking,
            ignore_rate_limit,
        );
        reply(&Host, deleted)
    }
    fn is_rate_limited(email: String) -> Reply {
        reply(&Host, crate::auth::is_rate_limited(&Host, &email))
    }
    fn update_rate_limit(email: String) -> Reply {
        reply(&Host, crate::auth::update_rate_limit(&Host, &email))
    }
    fn check_and_update_rate_limit(email: String) -> Reply {
        reply(&Host, crate::auth::check_and_update_rate_limit(&Host, &email))
    }
}

impl utils::Guest for Component {
    fn block_user(email: String) -> Reply {
        reply(&Host, crate::utils::block_user(&Host, &email))
    }
    fn unblock_user(email: String) -> Reply {
        reply(&Host, crate::utils::unblock_user(&Host, &email))
    }
    fn is_blocked(email: String) -> Reply {
        reply(&Host, crate::utils::is_blocked(&Host, &email))
    }
    fn is_verified(email: String) -> Reply {
        reply(&Host, crate::utils::is_verified(&Host, &email))
    }
    fn time_since_request(email: String) -> Result<i64, Failure> {
        crate::utils::time_since_request(&Host, &email)
    }
    fn get_cust_usr_data(email: String) -> Result<Answer, Failure> {
        answer(&Host, crate::utils::get_cust_usr_data(&Host, &email))
    }
    fn get_some_cust_usr_data(email: String, field: String) -> Result<Answer, Failure> {
        answer(&Host, crate::utils::get_some_cust_usr_data(&Host, &email, &field))
    }
    fn replace_usr_data(email: String, custom_data: String) -> Reply {
        reply(&Host, crate::utils::replace_usr_data(&Host, &email, &custom_data))
    }
    fn update_usr_data(email: String, field: String, custom_data: String) -> Reply {
        reply(&Host, crate::utils::update_usr_data(&Host, &email, &field, &custom_data))
    }
}

impl sessions::Guest for Component {
    fn sign_in(
        email: String,
        password: String,
        client: Option<String>,
        mfa: bool,
        ignore_rate_limit: bool,
    ) -> Result<sessions::SignedIn, Failure> {
        let client = client.as_deref();
        crate::sessions::sign_in(&Host, &email, &password, client, mfa, ignore_rate_limit)
    }
    fn sign_in_with_code(
        email: String,
        code: String,
        client: Option<String>,
        ignore_rate_limit: bool,
    ) -> Result<sessions::SignedIn, Failure> {
        let client = client.as_deref();
        crate::sessions::sign_in_with_code(&Host, &email, &code, client, ignore_rate_limit)
    }
    fn who_am_i(token: String) -> Result<sessions::Known, Failure> {
        crate::sessions::who_am_i(&Host, &token)
    }
    fn sign_out(token: String) -> Reply {
        reply(&Host, crate::sessions::sign_out(&Host, &token))
    }
    fn list_sessions(token: String) -> Result<sessions::Listed, Failure> {
        crate::sessions::list_sessions(&Host, &token)
    }
    fn end_session(token: String, id: String) -> Reply {
        reply(&Host, crate::sessions::end_session(&Host, &token, &id))
    }
    fn end_other_sessions(token: String) -> Reply {
        reply(&Host, crate::sessions::end_other_sessions(&Host, &token))
    }
    fn end_user_sessions(email: String) -> Reply {
        reply(&Host, crate::sessions::end_user_sessions(&Host, &email))
    }
    fn request_email_change(
        token: String,
        new_email: String,
        password: Option<String>,
        ignore_rate_limit: bool,
    ) -> Reply {
        let requested = crate::sessions::request_email_change(
            &Host,
            &token,
            &new_email,
            password.as_deref(),
            ignore_rate_limit,
        );
        reply(&Host, requested)
    }
    fn confirm_email_change(token: String, code: String, ignore_rate_limit: bool) -> Reply {
        let changed =
            crate::sessions::confirm_email_change(&Host, &token, &code, ignore_rate_limit);
        reply(&Host, changed)
    }
}

macro_rules! administration {
    ($($name:ident = $act:ident $target:ident;)*) => {
        impl coredb::Guest for Component {
            $(fn $name() -> Result<(), Failure> {
                crate::coredb::$act(&Host, Target::$target)
            })*
            fn user_count() -> Result<u64, Failure> {
                crate::coredb::user_count(&Host)
            }
            fn db_data_size() -> Result<u64, Failure> {
                crate::coredb::size(&Host).map(|size| size.data)
            }
            fn db_storage_size() -> Result<u64, Failure> {
                crate::coredb::size(&Host).map(|size| size.storage)
            }
            fn db_index_size() -> Result<u64, Failure> {
                crate::coredb::size(&Host).map(|size| size.index)
            }
            fn db_raw_stats() -> Result<String, Failure> {
                crate::coredb::raw_stats(&Host)
            }
        }
    };
}

administration! {
    remove_users_collection = remove Users;
    remove_blocked_collection = remove Blocked;
    remove_limit_collection = remove Limit;
    remove_all_collections = remove All;
    remove_db = remove Database;
    create_users_collection = create Users;
    create_blocked_collection = create Blocked;
    create_limit_collection = create Limit;
    create_all_collections = create All;
    create_db = create Database;
    reset_users_collection = reset Users;
    reset_blocked_collection = reset Blocked;
    reset_limit_collection = reset Limit;
    reset_all_collections = reset All;
    reset_db = reset Database;
}

impl upkeep::Guest for Component {
    fn check_settings(given: Vec<String>) -> Vec<upkeep::BadSetting> {
        crate::settings::check(&Host, &given)
    }
    fn sweep(limit: u32) -> Result<u32, Failure> {
        crate::upkeep::sweep(&Host, limit)
    }
}

impl users::Guest for Component {
    fn read(lines: Vec<String>) -> Vec<Result<users::NewUser, String>> {
        crate::users::read(&Host, &lines)
    }
    fn write(users: Vec<users::StoredUser>) -> Vec<Result<String, String>> {
        crate::users::write(&users)
    }
}

crate::bindings::export!(Component with_types_in crate::bindings);
