//! Tests of what needs no tenant: the table, the reading of arguments, the form of replies.

use super::*;
use crate::functions::reply::Answers;

fn problem(function: &str, arguments: &str) -> String {
    let function = find(function).expect("the function is in the table");
    match function.prepare(arguments) {
        Err(CallError::Usage(problem)) => problem,
        Err(other) => panic!("{function} {arguments}: {other:?}"),
        Ok(_) => panic!("{function} {arguments}: taken"),
    }
}

#[test]
fn the_table_has_all_functions_once() {
    let count = |interface| FUNCTIONS.iter().filter(|known| known.interface == interface).count();
    assert_eq!(Interface::ALL.iter().map(|one| count(*one)).collect::<Vec<_>>(), [16, 9, 10, 20]);
    for function in FUNCTIONS {
        assert_eq!(FUNCTIONS.iter().filter(|other| other.name == function.name).count(), 1);
        assert!(!function.summary.is_empty() && !function.summary.contains('\n'));
    }
}

#[test]
fn every_auth_function_but_the_last_three_ends_with_ignore_rate_limit() {
    let auth: Vec<_> =
        FUNCTIONS.iter().filter(|known| known.interface == Interface::Auth).collect();
    for (at, function) in auth.iter().enumerate() {
        let last = function.parameters.last().unwrap();
        let expected = Parameter::new("ignore_rate_limit", Kind::Boolean, Some(Default::False));
        assert_eq!(*last == expected, at < auth.len() - 3, "{function}");
    }
}

#[test]
fn exactly_the_passwords_and_codes_are_secret() {
    let secrets = ["password", "old_password", "new_password", "code", "reset_code", "token"];
    for parameter in FUNCTIONS.iter().flat_map(|function| function.parameters) {
        assert_eq!(parameter.secret, secrets.contains(&parameter.name), "{}", parameter.name);
    }
}

#[test]
fn exactly_the_functions_that_take_a_password_hash() {
    for function in FUNCTIONS {
        let password = function.parameters.iter().any(|known| known.name.contains("password"));
        assert_eq!(function.hashes, password, "{function}");
    }
}

#[test]
fn a_function_is_found_by_its_name_with_and_without_the_interface() {
    for function in FUNCTIONS {
        assert!(std::ptr::eq(find(function.name).unwrap(), function));
        assert!(std::ptr::eq(find(&function.to_string()).unwrap(), function));
    }
}

#[test]
fn a_name_that_no_function_has_is_answered_with_the_nearest() {
    for (given, near) in [
        ("register_usr", "did you mean auth.register_user"),
        ("auth.register-user", "auth.register_user"),
        ("Register_User", "auth.register_user"),
        ("coredb.is_blocked", "did you mean utils.is_blocked"),
        ("utils.get_cust_user_data", "utils.get_cust_usr_data"),
        ("frobnicate", "`portcullis functions` lists all"),
        ("", "`portcullis functions` lists all"),
        ("drop\u{1b}[2J", "no function \"drop\\u{1b}[2J\""),
    ] {
        let CallError::Usage(problem) = find(given).err().unwrap() else { panic!("{given}") };
        assert!(problem.contains(near), "{given}: {problem}");
    }
    let long = "x".repeat(1 << 20);
    assert!(find(&long).err().unwrap().to_string().len() < 200);
}

/// Function, arguments, what the refusal says.
const BAD_CALLS: &[(&str, &str, &str)] = &[
    // No object at all.
    ("is_verified", "", "must be one JSON object, found nothing"),
    ("is_verified", "  \n", "must be one JSON object, found nothing"),
    ("is_verified", "null", "must be one JSON object, found null"),
    ("is_verified", "true", "must be one JSON object, found a boolean"),
    ("is_verified", "-1", "must be one JSON object, found a number"),
    ("is_verified", "\"a@b.c\"", "must be one JSON object, found a string"),
    ("is_verified", "[\"a@b.c\"]", "must be one JSON object, found a list"),
    ("is_verified", "email=a@b.c", "must be one JSON object, found something else"),
    // No JSON.
    ("is_verified", "{", "not valid JSON: EOF"),
    ("is_verified", "{\"email\": \"a@b.c\"", "not valid JSON: EOF"),
    ("is_verified", "{\"email\": \"a@b.c\",}", "not valid JSON: trailing comma"),
    ("is_verified", "{\"email\": \"a@b.c\"} {}", "not valid JSON: trailing characters"),
    ("is_verified", "{\"email\": 'a@b.c'}", "not valid JSON: expected value"),
    ("is_verified", "{email: \"a@b.c\"}", "not valid JSON: key must be a string"),
    ("is_verified", "{\"email\": \"a\nb\"}", "not valid JSON: control character"),
    ("is_verified", "{\"email\": 01}", "not valid JSON: invalid number"),
    ("is_verified", "{\"email\": NaN}", "not valid JSON: expected value"),
    // Keys.
    (
        "is_verified",
        "{\"mail\": 1}",
        "unknown key \"mail\", did you mean \"email\"? (it takes email)",
    ),
    (
        "verify_user",
        "{\"email\": \"a\", \"cude\": \"1\"}",
        "unknown key \"cude\", did you mean \"code\"?",
    ),
    (
        "verify_user",
        "{\"zzz\": 1}",
        "unknown key \"zzz\" (it takes email, code, ignore_rate_limit)",
    ),
    ("verify_user", "{\"Email\": \"a\"}", "unknown key \"Email\", did you mean \"email\"?"),
    ("verify_user", "{\"\": 1}", "unknown key \"\" (it takes"),
    ("verify_user", "{\"\\u001b[2J\": 1}", "unknown key \"\\u{1b}[2J\""),
    ("user_count", "{\"email\": \"a\"}", "unknown key \"email\" (it takes nothing)"),
    (
        "is_rate_limited",
        "{\"email\": \"a\", \"ignore_rate_limit\": true}",
        "unknown key \"ignore_rate_limit\"",
    ),
    ("is_verified", "{\"email\": \"a\", \"email\": \"a\"}", "\"email\" is given twice"),
    ("is_verified", "{\"email\": \"a\", \"\\u0065mail\": \"b\"}", "\"email\" is given twice"),
    ("is_verified", "{}", "missing key \"email\", which must be a string"),
    ("register_user", "{\"password\": \"p\"}", "missing key \"email\""),
    ("register_user", "{\"email\": \"a\"}", "missing key \"password\", which must be a string"),
    ("update_usr_data", "{\"email\": \"a\", \"custom_data\": 1}", "missing key \"field\""),
    (
        "update_usr_data",
        "{\"email\": \"a\", \"field\": \"f\"}",
        "missing key \"custom_data\", which must be any JSON value",
    ),
    // Strings.
    ("is_verified", "{\"email\": null}", "\"email\" must be a string, found null"),
    ("is_verified", "{\"email\": 5}", "\"email\" must be a string, found 5"),
    ("is_verified", "{\"email\": true}", "\"email\" must be a string, found true"),
    ("is_verified", "{\"email\": [\"a\"]}", "\"email\" must be a string, found a list"),
    ("is_verified", "{\"email\": {}}", "\"email\" must be a string, found an object"),
    ("is_verified", "{\"email\": \"\\ud800\"}", "\"email\" must be a string, found one with half"),
    // Secrets are never repeated.
    (
        "verify_user",
        "{\"email\": \"a\", \"code\": 31337}",
        "\"code\" must be a string, found a number",
    ),
    ("verify_user", "{\"email\": \"a\", \"code\": null}", "\"code\" must be a string, found null"),
    (
        "delete_user",
        "{\"email\": \"a\", \"password\": 31337}",
        "\"password\" must be a string, found a number",
    ),
    (
        "delete_user",
        "{\"email\": \"a\", \"password\": [31337]}",
        "\"password\" must be a string, found a list",
    ),
    (
        "verify_reset_code_and_change_email",
        "{\"email\": \"a\", \"reset_code\": \"1\", \"new_email\": \"b\", \"password\": 31337}",
        "\"password\" must be a string, found a number",
    ),
    ("delete_user", "\"31337\"", "found a string"),
    (
        "delete_user",
        "{\"password\": \"31337\", \"password\": \"31337\"}",
        "\"password\" is given twice",
    ),
    ("delete_user", "{\"email\": \"a\", \"password\": \"31337\"", "not valid JSON: EOF"),
    // Integers.
    (
        "generate_code",
        "{\"email\": \"a\", \"cust_length\": 6.0}",
        "\"cust_length\" must be an integer of 64 bits, found 6.0",
    ),
    (
        "generate_code",
        "{\"email\": \"a\", \"cust_length\": 6e0}",
        "\"cust_length\" must be an integer of 64 bits, found 6e0",
    ),
    (
        "generate_code",
        "{\"email\": \"a\", \"cust_length\": \"6\"}",
        "\"cust_length\" must be an integer of 64 bits, found \"6\"",
    ),
    (
        "generate_code",
        "{\"email\": \"a\", \"cust_length\": true}",
        "\"cust_length\" must be an integer of 64 bits, found true",
    ),
    (
        "generate_code",
        "{\"email\": \"a\", \"cust_length\": 9223372036854775808}",
        "an integer of 64 bits, found 9223372036854775808",
    ),
    (
        "generate_code",
        "{\"email\": \"a\", \"cust_length\": [6]}",
        "an integer of 64 bits, found a list",
    ),
    // Booleans.
    (
        "authenticate_user",
        "{\"email\": \"a\", \"password\": \"p\", \"mfa\": 1}",
        "\"mfa\" must be true or false, found 1",
    ),
    (
        "authenticate_user",
        "{\"email\": \"a\", \"password\": \"p\", \"mfa\": \"true\"}",
        "\"mfa\" must be true or false, found \"true\"",
    ),
    (
        "authenticate_user",
        "{\"email\": \"a\", \"password\": \"p\", \"mfa\": null}",
        "\"mfa\" must be true or false, found null",
    ),
    (
        "delete_user",
        "{\"email\": \"a\", \"password\": \"p\", \"del_from_blocking\": 0}",
        "\"del_from_blocking\" must be true or false, found 0",
    ),
];

#[test]
fn a_bad_call_is_refused_by_name() {
    for (function, arguments, expected) in BAD_CALLS {
        let problem = problem(function, arguments);
        let full = find(function).unwrap().to_string();
        assert!(problem.starts_with(&format!("{full}: ")), "{arguments}: {problem}");
        assert!(problem.contains(expected), "{arguments}: {problem}");
        assert!(!problem.contains("31337"), "{arguments}: {problem}");
    }
}

#[test]
fn what_somebody_sends_is_repeated_only_in_part() {
    let long = "x".repeat(100_000);
    for arguments in [format!("{{\"{long}\": 1}}"), format!("{{\"email\": 1{}}}", "0".repeat(5000))]
    {
        assert!(problem("is_verified", &arguments).len() < 200);
    }
}

#[test]
fn arguments_have_a_greatest_size() {
    let whole = |padding: usize| format!("{{\"email\": \"{}\"}}", "x".repeat(padding));
    let frame = whole(0).len();
    let function = find("is_verified").unwrap();
    assert!(function.prepare(&whole(MAX_ARGUMENTS - frame)).is_ok());
    assert!(
        problem("is_verified", &whole(MAX_ARGUMENTS - frame + 1)).contains("exceed 1048576 bytes")
    );
}

#[test]
fn nesting_of_any_depth_is_read_without_harm() {
    // Custom data goes to the component, which has a limit of its own and an outcome for it.
    for depth in [65, 128, 129, 500_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let arguments = format!("{{\"email\": \"a\", \"custom_data\": {deep}}}");
        assert!(find("replace_usr_data").unwrap().prepare(&arguments).is_ok(), "{depth}");
        let arguments = format!("{{\"email\": {deep}}}");
        assert!(problem("is_verified", &arguments).ends_with("found a list"), "{depth}");
    }
    assert!(
        problem("is_verified", &format!("{{\"email\": {}", "[".repeat(1_000_000))).contains("EOF")
    );
}

/// What the arguments of `function` are read as, for one parameter.
fn given<T>(function: &str, arguments: &str, read: impl Fn(&arguments::Given<'_>) -> T) -> T {
    read(&find(function).unwrap().read(arguments, &[]).unwrap())
}

#[test]
fn custom_data_is_taken_to_the_letter() {
    for text in
        ["1.10", "1e5", "12345678901234567890123", "{\"b\" : 1,\"a\":\"\\u00e9\"}", "{\"$date\":0}"]
    {
        let arguments = format!("{{\"email\":\"a\",\"custom_data\": {text} }}");
        let read =
            given("replace_usr_data", &arguments, |given| given.json("custom_data").unwrap());
        assert_eq!(*read, text);
    }
}

#[test]
fn null_means_nothing_where_nothing_is_the_default_and_null_where_data_is_required() {
    let arguments = r#"{"email":"a","password":null,"custom_data":null,"cust_length":null}"#;
    given("register_user", arguments, |given| {
        assert!(given.optional_json("custom_data").is_none());
        assert!(given.optional_integer("cust_length").unwrap().is_none());
        assert!(given.optional_text("password").unwrap().is_none());
        assert_eq!(*given.json("custom_data").unwrap(), "null");
    });
}

#[test]
fn strings_come_with_their_escapes_undone_and_their_bytes_as_they_are() {
    let arguments = r#"{"email":"a","password":" \u0000\"\ud83d\ude00é "}"#;
    let read = given("delete_user", arguments, |given| given.text("password").unwrap());
    assert_eq!(*read, " \0\"😀é ");
}

#[test]
fn integers_and_booleans_come_as_they_are_written() {
    for (text, value) in [("0", 0), ("-5", -5), ("9223372036854775807", i64::MAX)] {
        let arguments =
            format!("{{\"email\":\"a\",\"cust_length\":{text},\"ignore_rate_limit\":true}}");
        given("generate_code", &arguments, |given| {
            assert_eq!(given.optional_integer("cust_length").unwrap(), Some(value));
            assert!(given.boolean("ignore_rate_limit", false).unwrap());
        });
    }
    given("delete_user", "{}", |given| {
        assert!(given.boolean("del_from_blocking", true).unwrap());
        assert!(!given.boolean("ignore_rate_limit", false).unwrap());
    });
}

#[test]
fn what_is_missing_is_told_in_the_order_of_the_parameters() {
    let missing = |arguments| -> Vec<&str> {
        let function = find("delete_user_with_verif").unwrap();
        function.missing(arguments).unwrap().map(|parameter| parameter.name).collect()
    };
    assert_eq!(missing("{}"), ["email", "password", "code"]);
    assert_eq!(missing(r#"{"code": "1", "email": "a"}"#), ["password"]);
    assert!(find("delete_user").unwrap().missing("[]").is_err());
}

#[test]
fn a_call_that_is_shown_shows_no_arguments() {
    let call = find("delete_user").unwrap().prepare(r#"{"email":"a","password":"31337"}"#).unwrap();
    assert_eq!(format!("{call:?}"), "Prepared { function: \"delete_user\", .. }");
}

fn outcome(message: &str) -> Outcome {
    Outcome {
        success: true,
        code: 403,
        message: message.to_owned(),
        detail: None,
        retry_after: None,
    }
}

#[test]
fn an_outcome_is_an_envelope_with_what_there_is() {
    let reply = Reply::Outcome(outcome("User is blocked."));
    assert_eq!(reply.envelope(), r#"{"success":true,"message":"User is blocked."}"#);
    assert_eq!(reply.line().unwrap(), reply.envelope());

    let refused = Outcome {
        success: false,
        detail: Some("at least 8 \"characters\"".to_owned()),
        retry_after: Some(30),
        ..outcome("x")
    };
    let reply = Reply::Outcome(refused);
    assert!(!reply.success());
    let expected =
        r#"{"success":false,"message":"x","detail":"at least 8 \"characters\"","retry_after":30}"#;
    assert_eq!(reply.envelope(), expected);
}

#[test]
fn without_readable_errors_the_message_is_a_number() {
    let reply = Reply::Outcome(outcome("403"));
    assert_eq!(reply.envelope(), r#"{"success":true,"message":403}"#);
}

#[test]
fn data_stands_in_the_envelope_to_the_letter_and_on_one_line() {
    let reply = Answer::Data("{\"n\": 1.10,\r\n \"s\": \"\\n\"}".to_owned()).reply().unwrap();
    let expected = "{\"success\":true,\"message\":{\"n\": 1.10,   \"s\": \"\\n\"}}";
    assert_eq!(reply.line().unwrap(), expected);
    assert!(Answer::Data("{".to_owned()).reply().is_err());
}

#[test]
fn an_integer_is_bare_on_the_line_and_in_the_envelope_elsewhere() {
    let reply = (-1_i64).reply().unwrap();
    assert_eq!((reply.success(), reply.line().unwrap().as_str()), (true, "-1"));
    assert_eq!(reply.envelope(), r#"{"success":true,"message":-1}"#);
    assert_eq!(u64::MAX.reply().unwrap().line().unwrap(), u64::MAX.to_string());
}

#[test]
fn nothing_is_nothing_on_the_line() {
    let reply = ().reply().unwrap();
    assert_eq!((reply.success(), reply.line()), (true, None));
    assert_eq!(reply.envelope(), r#"{"success":true,"message":null}"#);
}

#[test]
fn the_table_serialises_for_programs() {
    let table = serde_json::to_value(FUNCTIONS).unwrap();
    let delete = &table.as_array().unwrap()[find_index("delete_user")];
    assert_eq!(delete["interface"], "auth");
    assert_eq!(delete["returns"], "outcome");
    assert_eq!(delete["hashes"], true);
    let password = serde_json::json!({"name": "password", "kind": "text", "secret": true});
    assert_eq!(delete["parameters"][1], password);
    assert_eq!(delete["parameters"][2]["default"], true);
    let register = &table.as_array().unwrap()[find_index("register_user")];
    assert_eq!(register["parameters"][2].get("default"), Some(&serde_json::Value::Null));
}

fn find_index(name: &str) -> usize {
    FUNCTIONS.iter().position(|function| function.name == name).unwrap()
}
