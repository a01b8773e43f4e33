//! The command line as it is typed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Command as Clap, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::functions::FUNCTIONS;

/// User authentication as a WebAssembly component.
///
/// Without any configuration accounts live in ./portcullis-data, and mail is written to its folder
/// `outbox`, one .eml file each. The environment variable PORTCULLIS_LOG (or RUST_LOG) sets what is
/// logged on standard error, for instance `debug`; it is warnings otherwise.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, disable_help_subcommand = true)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// They may stand before the command or after it.
#[derive(Args, Debug)]
pub(super) struct Common {
    /// The settings file. Without it, portcullis.toml in the current folder, if there is one.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// On whose behalf: the table [tenants.NAME] of the settings.
    #[arg(long, global = true, value_name = "NAME", default_value = "default")]
    pub(super) tenant: String,
    /// Where the embedded store, the outbox and the secret key are.
    #[arg(long, global = true, value_name = "DIR", default_value = "portcullis-data")]
    pub(super) data: PathBuf,
    /// How lines of the log are written; PORTCULLIS_LOG_FORMAT says so too.
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(super) log_format: Option<LogFormat>,
}

/// How lines of the log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object each, for programs.
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Call one function and print its reply as one line of JSON.
    ///
    /// Exits with 0 on success, 1 when the reply is a refusal, and 2 when there is no reply: the
    /// call, the configuration or the store is at fault, and standard error says how.
    ///
    /// On a terminal, required arguments that were not given are asked for, passwords and codes
    /// without showing them. Elsewhere give them on standard input: a command line can be read by
    /// every user of the machine.
    Call(Call),
    /// Answer calls from standard input, one line of JSON each, until it ends.
    ///
    /// For programs in other languages, which start one such process and talk to it. A call is
    /// {"function": "auth.is_verified", "arguments": {"email": "ada@example.com"}}. Each line is
    /// answered with one line, in order: {"reply": R}, where R is what `call` prints (null where it
    /// prints nothing), or {"error": TEXT, "kind": KIND} with the kind usage, storage, settings,
    /// overloaded, component or other, and retry_after in seconds with overloaded.
    Batch,
    /// Write a copy of the embedded store to a file, while everything goes on.
    ///
    /// It is true at one moment, checked, and readable for this user alone. Codes and waiting mail in it
    /// need the secret key, which is not in it: keep DIR/secret.key with it. The copy and that key are
    /// as secret as the store.
    Backup(Backup),
    /// Put what a backup holds in the place of everything in the embedded store, while everything
    /// goes on.
    ///
    /// Whoever has the store open sees all of it at once. What was there before is kept in a file beside
    /// the store; of a damaged store its files are kept as they are. Sessions and open codes are again
    /// what they were when the backup was made.
    Restore(Restore),
    /// Print the audit log: what has happened to accounts, the oldest first, one line for each event.
    Audit(Audit),
    /// Try the configuration: the settings, the store with its indexes, the log-in of the mail
    /// account, the clock.
    ///
    /// Prints one line for each: `ok`, `note`, or `WRONG` with what to do, and exits with 2 when
    /// something is wrong.
    Check,
    /// Put the addresses of a MongoDB database that other programs wrote into lower case.
    ///
    /// Such addresses are found in any case; this makes look-ups faster, and a database fit for
    /// sharding. Prints each address that is changed and each that cannot be, because several records
    /// have it; these are left alone, and the exit code is 1 then. May run beside everything else, be
    /// stopped, and be run again.
    Migrate(Migrate),
    /// Look at users, or move all of them out of a database or into one.
    #[command(subcommand)]
    Users(Users),
    /// Serve the functions over HTTP, with sessions, forward authentication and sign-in pages, for all
    /// tenants of the settings file.
    ///
    /// Prints `listening on http://ADDRESS` when it answers. SIGTERM and SIGINT end it once everything
    /// that was begun is finished; SIGHUP makes it read its settings anew, without a pause.
    Serve(Serve),
    /// Make a new admin token for the tenant and print it, this once.
    ///
    /// A running gateway goes by it at once; the former one is worth nothing any more.
    AdminToken,
    /// List every function with its parameters and their defaults.
    Functions {
        /// As one JSON array, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Write the WebAssembly component, for use in other hosts.
    Component {
        /// Where to. Without it, standard output, unless that is a terminal.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The one for engines without 128-bit vectors, in which hashing is slower.
        #[arg(long)]
        no_simd: bool,
    },
    /// Print the manual page, or write one for each command too.
    Man {
        /// The folder that they are written to, made if it is not there.
        #[arg(long, short, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Print a script that completes commands and options in a shell; in bash and zsh, function
    /// names too.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

#[derive(Args, Debug)]
pub(super) struct Audit {
    /// Only from then on: so long ago (`1h`, `30days`), or a time such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,
    /// Only before then.
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<String>,
    /// Only of this account.
    #[arg(long, value_name = "EMAIL")]
    pub(super) user: Option<String>,
    /// Only of this name, for instance sign-in.
    #[arg(long, value_name = "NAME")]
    pub(super) event: Option<String>,
    /// Go on with new events as they come, until interrupted.
    #[arg(long)]
    pub(super) follow: bool,
    /// One JSON object for each event.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Debug)]
pub(super) struct Serve {
    /// Where to listen, instead of the setting `gateway.listen`; port 0: any that is free.
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<SocketAddr>,
}

#[derive(Args, Debug)]
pub(super) struct Backup {
    /// Where to. The folder must be there.
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// Replace FILE if it is an earlier backup.
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Args, Debug)]
pub(super) struct Restore {
    /// What `backup` has written.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Do not ask.
    #[arg(long, short)]
    pub(super) yes: bool,
    /// Keep nothing of what was there before.
    #[arg(long)]
    pub(super) no_keep: bool,
    /// Take the backup of another tenant.
    #[arg(long)]
    pub(super) other_tenant: bool,
}

#[derive(Args, Debug)]
pub(super) struct Migrate {
    /// Change nothing; say what would be changed.
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Users {
    /// List users in the order of their addresses, without password hashes.
    ///
    /// One line each: address, whether it is verified, whether the user is blocked, when he was made.
    List(ListUsers),
    /// Print what is known of one user as JSON, with the kind of his password hash instead of it.
    ///
    /// Exits with 1 when nobody has the address.
    Show(ShowUser),
    /// Write all users, one line of JSON each, with their password hashes.
    ///
    /// The file can be read by its owner alone and is there when it is whole. A run that was stopped has
    /// left FILE.part: the same command goes on after its last user.
    ///
    /// Users are read in the order of their addresses, while the service goes on. Whoever changes his
    /// address meanwhile may be in the file twice or not at all; whoever is changed, blocked or deleted after
    /// he was written stays in it as he was, and that may be long ago where a stopped run is gone on with. For
    /// a file that is true at one moment stop the service, or export from a `backup` of the embedded
    /// store that was restored into another folder (--data).
    Export(ExportUsers),
    /// Put users in from lines of JSON, as `export` writes them.
    ///
    /// A user who is there already stays as he is. Lines that are refused are told with their number,
    /// the others go in, and the exit code is 1. A run that was stopped has left FILE.position: the same
    /// command goes on there.
    Import(ImportUsers),
}

#[derive(Args, Debug)]
pub(super) struct ListUsers {
    /// Only those after this address, as the list has it.
    #[arg(long, value_name = "EMAIL")]
    pub(super) after: Option<String>,
    /// The most users.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) limit: u64,
    /// One JSON object a line, for programs.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args, Debug)]
pub(super) struct ShowUser {
    /// Whose.
    pub(super) email: String,
}

#[derive(Args, Debug)]
pub(super) struct ExportUsers {
    /// Where to, a file that is not there yet. Without it, or as `-`, standard output.
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Do not tell how far it is.
    #[arg(long)]
    pub(super) quiet: bool,
}

#[derive(Args, Debug)]
pub(super) struct ImportUsers {
    /// Where from; `-`: standard input.
    pub(super) file: PathBuf,
    /// Write nothing; say what would become of the lines.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Keep the lines that are refused in this file, with their numbers and what is wrong, one JSON
    /// object each.
    #[arg(long, value_name = "FILE")]
    pub(super) rejected: Option<PathBuf>,
    /// Do not tell how far it is.
    #[arg(long)]
    pub(super) quiet: bool,
}

#[derive(Args, Debug)]
pub(super) struct Call {
    /// Its name, for instance register_user or auth.register_user.
    // The indexes are said, because `with_names` changes the order.
    #[arg(index = 1, value_name = "FUNCTION")]
    pub(super) function: String,
    /// Its arguments: one JSON object, its keys the names of the parameters. From standard input
    /// when absent or `-`.
    #[arg(index = 2, value_name = "JSON")]
    pub(super) json: Option<String>,
}

/// The command line.
pub(super) fn as_typed() -> Clap {
    Options::command()
}

/// The command line with the function names spelled out, which a shell can then offer. Not used
/// for parsing: there, the look-up of functions has the better messages.
pub(super) fn with_names() -> Clap {
    let names = PossibleValuesParser::new(FUNCTIONS.iter().map(|function| function.name));
    Options::command().mut_subcommand("call", move |call| {
        call.mut_arg("function", move |function| function.value_parser(names))
    })
}
