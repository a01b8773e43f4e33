//! What the functions promise, through the real component: every row of the contract, each success
//! and each refusal, with texts and with numbers in the replies.

mod accounts;
mod blocks;
mod callers;
mod codes;
mod data;
mod database;
mod deletion;
mod limits;
mod mail;
mod notices;
mod passwords;
mod refusals;
mod sessions;
