//! From texts and variables to settings: what is understood, and how each mistake is told.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// A folder with a settings file.
struct Files(tempfile::TempDir);

impl Files {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("p.toml"), text).unwrap();
        Self(folder)
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.0.path().join(name), content).unwrap();
        self
    }

    fn load(&self, env: &[(&str, &str)]) -> Result<Config, SetupError> {
        Config::load(Some(&self.0.path().join("p.toml")), pairs(env))
    }

    fn tenant(&self, env: &[(&str, &str)]) -> Result<Settings, SetupError> {
        self.load(env)?.tenant("default")
    }

    /// A complaint, with the folder's name taken out.
    fn complaint(&self, env: &[(&str, &str)]) -> String {
        let error = self.tenant(env).expect_err("a mistake was let through").to_string();
        error.replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn pairs(env: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    let owned: Vec<_> =
        env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    owned.into_iter()
}

fn shown(settings: &Settings) -> Vec<String> {
    let show = |(key, value): (&String, &Value)| match value {
        Value::Boolean(value) => format!("{key}={value}"),
        Value::Integer(value) => format!("{key}={value}"),
        Value::Text(value) => format!("{key}={value:?}"),
    };
    settings.values.iter().map(show).collect()
}

/// What one variable makes of the key `k`.
fn from_environment(value: &str) -> String {
    let settings = Files::new("").tenant(&[("PORTCULLIS_TENANTS__DEFAULT__K", value)]).unwrap();
    shown(&settings).join(" ")
}

#[test]
fn without_any_configuration_there_is_the_tenant_default_with_nothing_set() {
    let config =
        Config::load(None, pairs(&[("PORTCULLIS_COMPONENT", "x"), ("PATH", "/")])).unwrap();
    assert_eq!(config.tenant_names().collect::<Vec<_>>(), ["default"]);
    let settings = config.tenant("default").unwrap();
    assert_eq!(settings.tenant, "default");
    assert_eq!(settings.given().count(), 0);
    assert!(settings.secret_keys.is_empty() && settings.host.smtp.is_none());
    assert_eq!(settings.host.connection.attempts, 6);
    assert_eq!(settings.host.connection.delay.as_secs(), 10);
    assert_eq!(settings.host.connection.timeout.as_millis(), 5000);
}

#[test]
fn tables_become_dotted_keys_and_remember_their_places() {
    let files = Files::new(
        "[tenants.default]\nblocking = false\nmail_subject = \"Hi {verifcode}\"\n\n\
         [tenants.default.hash]\n  passes = 0x3\n  lanes = 1\n[tenants.b-2]\na.b = 1\n",
    );
    let config = files.load(&[]).unwrap();
    assert_eq!(config.tenant_names().collect::<Vec<_>>(), ["b-2", "default"]);
    assert_eq!(shown(&config.tenant("b-2").unwrap()), ["a.b=1"]);
    let settings = config.tenant("default").unwrap();
    let expected =
        ["blocking=false", "hash.lanes=1", "hash.passes=3", "mail_subject=\"Hi {verifcode}\""];
    assert_eq!(shown(&settings), expected);
    let place = |key| settings.locate(key).map(|it| it.to_string());
    assert!(place("blocking").unwrap().ends_with("p.toml:2:1"));
    assert!(place("hash.passes").unwrap().ends_with("p.toml:6:3"));
    assert!(place("hash").unwrap().ends_with("p.toml:7:3"), "the first key of the table");
    assert_eq!(place("has"), None);
    let complaint = settings.complaint("hash.passes", "must be at most 2");
    assert!(complaint.starts_with("`hash.passes` of tenant `default` must be at most 2 ("));
    assert!(complaint.ends_with("p.toml:6:3)"), "{complaint}");
}

#[test]
fn the_environment_overrides_the_file_key_by_key() {
    let files = Files::new(
        "[tenants.default]\nrate_limiting = 5\nhash = { passes = 3, lanes = 1 }\n\
         [tenants.shop-eu]\ncode_length = 6\n[tenants.a--b]\n",
    );
    let config = files
        .load(&[
            ("PORTCULLIS_TENANTS__DEFAULT__RATE_LIMITING", "30"),
            ("portcullis_tenants__default__hash__passes", "4"),
            ("PORTCULLIS_TENANTS__SHOP_EU__CODE_LENGTH", "8"),
            ("PORTCULLIS_TENANTS__a--b__BLOCKING", "false"),
            ("PORTCULLIS_DATA", "none of our business"),
        ])
        .unwrap();
    let settings = config.tenant("default").unwrap();
    assert_eq!(shown(&settings), ["hash.lanes=1", "hash.passes=4", "rate_limiting=30"]);
    let complaint = settings.complaint("rate_limiting", "is wrong");
    assert!(
        complaint.contains("environment variable PORTCULLIS_TENANTS__DEFAULT__RATE_LIMITING"),
        "{complaint}"
    );
    assert_eq!(shown(&config.tenant("shop-eu").unwrap()), ["code_length=8"]);
    assert_eq!(shown(&config.tenant("a--b").unwrap()), ["blocking=false"]);
}

#[test]
fn a_variable_is_what_it_looks_like_and_otherwise_a_text() {
    for (value, meaning) in [
        ("true", "k=true"),
        ("false", "k=false"),
        ("True", "k=\"True\""),
        ("30", "k=30"),
        ("-30", "k=-30"),
        ("007", "k=\"007\""),
        ("1_000", "k=\"1_000\""),
        ("1.5", "k=\"1.5\""),
        ("99999999999999999999", "k=\"99999999999999999999\""),
        ("", "k=\"\""),
        ("two words", "k=\"two words\""),
        ("\"30\"", "k=\"30\""),
        ("'a\\b'", "k=\"a\\\\b\""),
        ("\"not closed", "k=\"\\\"not closed\""),
        ("\"a\" and \"b\"", "k=\"\\\"a\\\" and \\\"b\\\"\""),
        ("{verifcode} is your code", "k=\"{verifcode} is your code\""),
        ("{ a = 1, b = { c = true } }", "k.a=1 k.b.c=true"),
        ("[1, 2]", "k=\"[1, 2]\""),
    ] {
        assert_eq!(from_environment(value), meaning, "{value}");
    }
}

#[test]
fn the_packages_other_names_are_taken() {
    let files =
        Files::new("[tenants.default]\nrate_limit = 7\nattempts = 2\ndelay = 3\ntimeout = 400\n");
    let settings = files.tenant(&[("PORTCULLIS_TENANTS__DEFAULT__TIMEOUT", "500")]).unwrap();
    assert_eq!(shown(&settings), ["rate_limiting=7"]);
    let connection = settings.host.connection;
    assert_eq!((connection.attempts, connection.delay.as_secs()), (2, 3));
    assert_eq!(connection.timeout.as_millis(), 500);
}

#[test]
fn a_text_may_stand_in_a_file_of_its_own() {
    let files = Files::new("[tenants.default]\nmail_body_file = \"body.html\"\na_file = \"a\"\n")
        .with("body.html", "<b>{verifcode}</b>\r\nsecond\n")
        .with("a", "30\r\n")
        .with("other", "other\n\n");
    let settings = files.tenant(&[]).unwrap();
    let body = "mail_body=\"<b>{verifcode}</b>\\r\\nsecond\"";
    assert_eq!(shown(&settings), ["a=\"30\"", body]);
    let complaint = settings.complaint("mail_body", "is wrong");
    assert!(complaint.contains("body.html, named by "), "{complaint}");
    assert!(complaint.contains("p.toml:2:1"), "{complaint}");
    let over = [("PORTCULLIS_TENANTS__DEFAULT__MAIL_BODY_FILE", "other")];
    assert!(shown(&files.tenant(&over).unwrap()).contains(&"mail_body=\"other\\n\"".to_owned()));
    // What is overridden is not read.
    let gone = Files::new("[tenants.default]\na_file = \"gone\"\n");
    gone.tenant(&[("PORTCULLIS_TENANTS__DEFAULT__A", "x")]).unwrap();
}

#[test]
fn keys_for_digests_are_decoded_with_the_one_for_new_ones_first() {
    let key = |byte: u8| STANDARD.encode([byte; secret_key::LENGTH]);
    let text = format!(
        "[tenants.default]\nold_secret_keys = [\"{}\", \"{}\"]\nsecret_key_file = \"k\"\n",
        key(2),
        key(3)
    );
    let files = Files::new(&text).with("k", key(1) + "\n").with("old", key(4) + "\n" + &key(5));
    let first_bytes = |settings: &Settings| {
        settings.secret_keys.iter().map(|it| it.secret[0]).collect::<Vec<_>>()
    };
    let mut settings = files.tenant(&[]).unwrap();
    assert_eq!(first_bytes(&settings), [1, 2, 3]);
    settings.ensure_secret_key(files.0.path()).unwrap();
    assert!(!files.0.path().join(secret_key::FILE).exists(), "a configured key is enough");
    let over = [("PORTCULLIS_TENANTS__DEFAULT__OLD_SECRET_KEYS_FILE", "old")];
    assert_eq!(first_bytes(&files.tenant(&over).unwrap()), [1, 4, 5]);
}

#[test]
fn without_a_configured_key_the_data_folder_has_one_and_old_ones_stay_behind_it() {
    let old = STANDARD.encode([9; secret_key::LENGTH]);
    let files = Files::new(&format!("[tenants.default]\nold_secret_keys = [\"{old}\"]\n"));
    let data = files.0.path().join("data");
    let mut settings = files.tenant(&[]).unwrap();
    settings.ensure_secret_key(&data).unwrap();
    let made = secret_key::load_or_make(&data).unwrap();
    let ids: Vec<_> = settings.secret_keys.iter().map(|key| key.id.as_str()).collect();
    assert_eq!(ids, [made.id.as_str(), secret_key::from_bytes(&[9; 32]).id.as_str()]);
}

#[test]
fn a_program_may_set_everything_itself() {
    let settings = Settings::new("shop")
        .unwrap()
        .with("rate_limiting", 30)
        .with("blocking", false)
        .with_secret_key(secret_key::from_bytes(&[1; 32]));
    assert_eq!(settings.given().collect::<Vec<_>>(), ["blocking", "rate_limiting"]);
    assert_eq!(
        settings.complaint("blocking", "is wrong"),
        "`blocking` of tenant `shop` is wrong (given by the program)"
    );
    assert!(Settings::new("Shop").is_err());
}

#[test]
fn naming_an_unknown_tenant_tells_which_there_are() {
    let config = Files::new("[tenants.a]\n[tenants.b]\n").load(&[]).unwrap();
    let text = config.tenant("default").unwrap_err().to_string();
    assert!(text.contains("`default`") && text.ends_with("a, b"), "{text}");
}

#[test]
fn debugging_output_shows_no_value() {
    let key = STANDARD.encode([7; secret_key::LENGTH]);
    let files = Files::new(&format!("[tenants.default]\nsecret_key = \"{key}\"\nk = \"hush\"\n"));
    let config = files.load(&[]).unwrap();
    let shown = format!("{config:?} {:?}", config.tenant("default").unwrap());
    assert!(shown.contains("secret_key") && !shown.contains(&key) && !shown.contains("hush"));
    assert!(!shown.contains("[7, 7"), "{shown}");
}

/// Contents of `[tenants.default]`, which begins in line 2, and what the complaint must contain.
const BAD_TABLES: &[(&str, &[&str])] = &[
    ("a = 1.5", &["`a` of tenant `default`", "fraction", "p.toml:2:1"]),
    ("x = 1\n  a = [1]", &["`a`", "list", "p.toml:3:3"]),
    ("a = 1979-05-27", &["`a`", "date", "p.toml:2:1"]),
    ("a = 9223372036854775808", &["`a`", "64 bits", "p.toml:2:1"]),
    ("a = {}", &["`a`", "empty table", "p.toml:2:1"]),
    ("\"a.b\" = 1", &["`a.b`", "not a key", "p.toml:2:1"]),
    ("Blocking = true", &["`Blocking`", "not a key", "p.toml:2:1"]),
    ("\"\" = 1", &["not a key", "p.toml:2:1"]),
    ("a = 1\na = 2", &["duplicate key", "p.toml:3:1"]),
    (
        "rate_limit = 1\nrate_limiting = 2",
        &["`rate_limiting`", "given twice", "p.toml:2:1", "p.toml:3:1"],
    ),
    ("db_delay = 1\ndelay = 2", &["`db_delay`", "given twice", "`delay`", "p.toml:3:1"]),
    (
        "mail_body = \"x\"\nmail_body_file = \"y\"",
        &["`mail_body`", "given twice", "`mail_body_file`"],
    ),
    ("a_file = 3", &["`a_file`", "must be the path", "p.toml:2:1"]),
    ("a_file = \"\"", &["`a_file`", "must be the path", "p.toml:2:1"]),
    ("a_file = \"gone\"", &["`a`", "gone", "o such file", "p.toml:2:1"]),
    ("a_file = \".\"", &["`a`", "cannot be read", "p.toml:2:1"]),
    ("a_file = \"binary\"", &["`a`", "binary", "not UTF-8", "p.toml:2:1"]),
    ("a_file = \"big\"", &["`a`", "big", "more than 65536 bytes", "p.toml:2:1"]),
    ("db_attempts = 0", &["`db_attempts`", "from 1 to 1000", "p.toml:2:1"]),
    ("attempts = \"6\"", &["`db_attempts`", "integer", "p.toml:2:1"]),
    ("db_delay = -1", &["`db_delay`", "from 0 to 3600", "p.toml:2:1"]),
    ("timeout = 4294967296", &["`db_timeout`", "from 1 to 600000", "p.toml:2:1"]),
    ("certs = true", &["`certs`", "text", "p.toml:2:1"]),
    ("certs = \"gone.pem\"", &["`certs`", "gone.pem", "p.toml:2:1"]),
    ("secret_key = \"AAAA\"", &["`secret_key`", "has 3 bytes", "openssl", "p.toml:2:1"]),
    ("secret_key = \"?\"", &["`secret_key`", "not base64", "p.toml:2:1"]),
    ("secret_key = \"\"", &["`secret_key`", "empty", "p.toml:2:1"]),
    ("secret_key_file = \"short\"", &["`secret_key`", "has 3 bytes", "file short", "p.toml:2:1"]),
    ("old_secret_keys = [1]", &["`old_secret_keys`", "list of texts", "p.toml:2:1"]),
    ("old_secret_keys = [\"AAAA\"]", &["`old_secret_keys`", "has 3 bytes", "p.toml:2:1"]),
    ("old_secret_keys = 5", &["`old_secret_keys`", "list of texts", "p.toml:2:1"]),
    ("mongo_uri = \"http://x\"\ndb_name = \"x\"", &["`mongo_uri`", "mongodb://", "p.toml:2:1"]),
    ("mongo_uri = \"mongodb://x\"", &["`db_name`", "missing", "p.toml:2:1"]),
    ("db_name = \"x\"", &["`db_name`", "needs `mongo_uri`", "p.toml:2:1"]),
    #[cfg(not(feature = "mongodb"))]
    (
        "db_name = \"x\"\nmongo_uri = \"mongodb://u:hush@x\"",
        &["`mongo_uri`", "MongoDB", "this build", "p.toml:3:1"],
    ),
    ("mail_info = \"x\"", &["`mail_info`", "table of server", "p.toml:2:1"]),
    ("mail_info = {server = \"x\"}", &["`mail_info.port`", "missing", "p.toml:2:14"]),
    (
        "[tenants.default.mail_info]\nserver = \"x\"\nport = 25\nusername = \"u\"",
        &["`mail_info.password`", "missing", "p.toml:4:1"],
    ),
    ("mail_info = {host = \"x\"}", &["`mail_info.host`", "unknown", "p.toml:2:14"]),
    (
        "mail_info = {server = \"x\", port = 0, username = \"u\", password = \"hush\"}",
        &["`mail_info.port`", "from 1 to 65535", "p.toml:2:28"],
    ),
    (
        "mail_info = {server = \"x\", port = 65536, username = \"u\", password = \"hush\"}",
        &["`mail_info.port`", "from 1 to 65535"],
    ),
    (
        "mail_info = {server = \"\", port = 25, username = \"u\", password = \"hush\"}",
        &["`mail_info.server`", "empty"],
    ),
    (
        "mail_info = {server = \"x\", port = 25, username = \"u\", password = 5}",
        &["`mail_info.password`", "text"],
    ),
    (
        "mail_info = {server = \"smtp://x\", port = 25, username = \"u@x\", password = \"hush\"}",
        &["`mail_info.server`", "host name", "p.toml:2:14"],
    ),
    (
        "mail_info = {server = \"x:25\", port = 25, username = \"u@x\", password = \"hush\"}",
        &["`mail_info.server`", "without port", "p.toml:2:14"],
    ),
    (
        "mail_info = {server = \"x\", port = 25, username = \"u\", password = \"hush\"}",
        &["`mail_from`", "missing", "`mail_info.username`", "p.toml:2:39"],
    ),
    (
        "mail_from = \"A <a@x>\"\n\
         mail_info = {server = \"x\", port = 25, username = \"u\", password = \"hush\"}",
        &["`mail_from`", "one e-mail address", "p.toml:2:1"],
    ),
    (
        "mail_from = \"a@x, b@x\"\n\
         mail_info = {server = \"x\", port = 25, username = \"u\", password = \"hush\"}",
        &["`mail_from`", "one e-mail address", "p.toml:2:1"],
    ),
    (
        "mail_tls = \"ssl\"\n\
         mail_info = {server = \"x\", port = 25, username = \"u@x\", password = \"hush\"}",
        &["`mail_tls`", "\"implicit\"", "p.toml:2:1"],
    ),
    (
        "mail_tls = false\n\
         mail_info = {server = \"x\", port = 25, username = \"u@x\", password = \"hush\"}",
        &["`mail_tls`", "text", "p.toml:2:1"],
    ),
    (
        "mail_tls = \"none\"\n\
         mail_info = {server = \"mail.example.com\", port = 25, username = \"u@x\", password = \"hush\"}",
        &["`mail_tls`", "in the open", "not this machine", "p.toml:2:1"],
    ),
    (
        "mail_tls = \"none\"\n\
         mail_info = {server = \"localhost.example.com\", port = 25, username = \"u@x\", password = \"hush\"}",
        &["`mail_tls`", "not this machine"],
    ),
    ("mail_tls = \"auto\"", &["`mail_tls`", "needs `mail_info`", "p.toml:2:1"]),
    ("mail_from = \"a@x\"", &["`mail_from`", "needs `mail_info`", "p.toml:2:1"]),
    #[cfg(not(feature = "smtp"))]
    (
        "mail_info = {server = \"x\", port = 25, username = \"u@x\", password = \"hush\"}",
        &["`mail_info`", "SMTP", "this build", "p.toml:2:14"],
    ),
    ("password = \"hush\" hush", &["p.toml:2:"]),
    ("k = \"hush", &["p.toml:2:"]),
];

#[test]
fn a_mistake_in_a_tenants_table_is_told_with_key_problem_and_place() {
    for (table, expected) in BAD_TABLES {
        let complaint = Files::new(&format!("[tenants.default]\n{table}\n"))
            .with("binary", b"\xff")
            .with("big", vec![b'x'; 65537])
            .with("short", "AAAA")
            .complaint(&[]);
        for part in *expected {
            assert!(complaint.contains(part), "{table:?}: {part:?} is not in {complaint:?}");
        }
        assert!(!complaint.contains("hush"), "a secret is shown: {complaint:?}");
    }
}

#[test]
fn a_mistake_around_the_tables_is_told_with_its_place() {
    for (text, expected) in [
        ("\n  rate_limiting = 5", &["`rate_limiting`", "[tenants.NAME]", "p.toml:2:3"][..]),
        ("[tenant.default]", &["`tenant`", "p.toml:1:2"]),
        ("tenants = 3", &["`tenants`", "p.toml:1:1"]),
        ("[[tenants]]", &["`tenants`", "p.toml:1:3"]),
        ("[tenants]\ndefault = 1", &["`default`", "table", "p.toml:2:1"]),
        ("[tenants.Shop]", &["`Shop`", "no tenant name", "p.toml:1:10"]),
        ("[tenants.-a]", &["`-a`", "no tenant name"]),
        ("[tenants.\"\"]", &["no tenant name"]),
        ("[tenants.a_b]", &["`a_b`", "no tenant name"]),
        ("[tenants.default", &["p.toml:1:"]),
        ("[tenants.default]\n[tenants.default]", &["p.toml:2:", "duplicate key"]),
    ] {
        let complaint = Files::new(text).complaint(&[]);
        for part in expected {
            assert!(complaint.contains(part), "{text:?}: {part:?} is not in {complaint:?}");
        }
    }
    let long = format!("[tenants.{}]", "a".repeat(64));
    assert!(Files::new(&long).complaint(&[]).contains("no tenant name"));
}

#[test]
fn a_mistake_in_a_variable_is_told_with_its_name() {
    const D: &str = "PORTCULLIS_TENANTS__DEFAULT";
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        (&[("PORTCULLIS_TENANTS", "x")], &["variable PORTCULLIS_TENANTS ", "two underscores"]),
        (&[("PORTCULLIS_TENANTS_DEFAULT_K", "x")], &["PORTCULLIS_TENANTS_DEFAULT_K"]),
        (&[(D, "{a=1}")], &[D, "two underscores"]),
        (&[("PORTCULLIS_TENANTS__DEFAULT__", "x")], &["PORTCULLIS_TENANTS__DEFAULT__ "]),
        (&[("PORTCULLIS_TENANTS__DEFAULT__A__", "x")], &["PORTCULLIS_TENANTS__DEFAULT__A__ "]),
        (&[("PORTCULLIS_TENANTS__DEFAULT__A.B", "x")], &["PORTCULLIS_TENANTS__DEFAULT__A.B "]),
        (&[("PORTCULLIS_TENANTS____A", "x")], &["PORTCULLIS_TENANTS____A "]),
        (&[("PORTCULLIS_TENANTS__SHOP__A", "x")], &["PORTCULLIS_TENANTS__SHOP__A", "`shop`"]),
        (&[("PORTCULLIS_TENANTS__ÄB__A", "x")], &["PORTCULLIS_TENANTS__ÄB__A", "no tenant name"]),
        (&[("PORTCULLIS_TENANTS__DEFAULT__A", "{}")], &["DEFAULT__A", "empty table"]),
        (&[("PORTCULLIS_TENANTS__DEFAULT__A", "{b=1.5}")], &["`a.b`", "fraction", "DEFAULT__A"]),
        (
            &[
                ("PORTCULLIS_TENANTS__DEFAULT__RATE_LIMIT", "1"),
                ("PORTCULLIS_TENANTS__DEFAULT__RATE_LIMITING", "2"),
            ],
            &["`rate_limiting`", "given twice", "RATE_LIMIT,", "RATE_LIMITING)"],
        ),
        (
            &[("PORTCULLIS_TENANTS__DEFAULT__A", "1"), ("portcullis_tenants__default__a", "2")],
            &["`a`", "given twice"],
        ),
        (
            &[
                ("PORTCULLIS_TENANTS__DEFAULT__A", "1"),
                ("PORTCULLIS_TENANTS__DEFAULT__A_FILE", "x"),
            ],
            &["`a`", "given twice", "`a_file`"],
        ),
        (
            &[("PORTCULLIS_TENANTS__DEFAULT__DB_ATTEMPTS", "none")],
            &[
                "`db_attempts`",
                "integer",
                "environment variable PORTCULLIS_TENANTS__DEFAULT__DB_ATTEMPTS",
            ],
        ),
    ];
    for (env, expected) in cases {
        let complaint = Files::new("").complaint(env);
        for part in *expected {
            assert!(complaint.contains(part), "{env:?}: {part:?} is not in {complaint:?}");
        }
    }
}

#[test]
#[cfg(feature = "smtp")]
fn a_password_of_digits_in_the_environment_is_a_text() {
    let files = Files::new(
        "[tenants.default]\nmail_info = {server = \"x\", port = 25, username = \"u@x\"}\n",
    );
    let given = [("PORTCULLIS_TENANTS__DEFAULT__MAIL_INFO__PASSWORD", "123456")];
    let account = files.tenant(&given).unwrap().host.smtp.unwrap();
    assert_eq!(account.password.as_str(), "123456");
}

#[test]
#[cfg(feature = "smtp")]
fn the_port_says_how_mail_is_made_secure_unless_mail_tls_does() {
    use crate::mail::account::MailTls;
    for (server, port, given, meant) in [
        ("mail.example.com", 465, "", MailTls::Implicit),
        ("mail.example.com", 587, "", MailTls::StartTls),
        ("mail.example.com", 25, "mail_tls = \"auto\"", MailTls::StartTls),
        ("mail.example.com", 465, "mail_tls = \"auto\"", MailTls::Implicit),
        ("mail.example.com", 2465, "mail_tls = \"implicit\"", MailTls::Implicit),
        ("mail.example.com", 465, "mail_tls = \"starttls\"", MailTls::StartTls),
        ("192.0.2.1", 587, "", MailTls::StartTls),
        ("localhost", 25, "", MailTls::StartTls),
        ("localhost", 25, "mail_tls = \"none\"", MailTls::None),
        ("127.0.0.1", 25, "mail_tls = \"none\"", MailTls::None),
        ("127.5.5.5", 25, "mail_tls = \"none\"", MailTls::None),
        ("::1", 25, "mail_tls = \"none\"", MailTls::None),
    ] {
        let files = Files::new(&format!(
            "[tenants.default]\n{given}\nmail_info = {{server = \"{server}\", port = {port}, \
             username = \"u@x\", password = \"hush\"}}\n"
        ));
        let account = files.tenant(&[]).unwrap().host.smtp.unwrap();
        assert_eq!((account.port, account.tls), (port, meant), "{server} {port} {given}");
    }
}

#[test]
#[cfg(feature = "smtp")]
fn the_sender_is_mail_from_or_else_the_account() {
    let account = |mail_from: &str, username: &str| {
        let files = Files::new(&format!(
            "[tenants.default]\n{mail_from}\nmail_info = {{server = \"x\", port = 25, \
             username = \"{username}\", password = \"hush\"}}\n"
        ));
        files.tenant(&[]).unwrap().host.smtp.unwrap().from
    };
    assert_eq!(account("", "u@example.com"), "u@example.com");
    assert_eq!(account("mail_from = \"no-reply@example.com\"", "u@x"), "no-reply@example.com");
    assert_eq!(account("mail_from = \"no-reply@example.com\"", "apikey"), "no-reply@example.com");
}

#[test]
fn a_file_that_is_named_must_be_there_be_text_and_be_of_a_sane_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.toml");
    let load = || Config::load(Some(&path), pairs(&[])).map(drop).unwrap_err().to_string();
    assert!(load().contains("there is no settings file") && load().contains("none.toml"));
    fs::write(&path, b"# ok\n# \xff\n").unwrap();
    assert!(load().contains("none.toml is not UTF-8 in line 2"), "{}", load());
    fs::write(&path, vec![b'#'; 1024 * 1024 + 1]).unwrap();
    assert!(load().contains("more than 1048576 bytes"), "{}", load());
}
