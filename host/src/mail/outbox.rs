//! Mail as one `.eml` file each in a folder, for trying things out and for programs that send by
//! their own means.
//!
//! A file is there whole or not at all, readable by its owner alone (it holds a code), and stays
//! until somebody removes it. Names sort by time: `20261124T151200.123456Z-RANDOM.eml`. Nothing a
//! user has given is part of a name.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use async_trait::async_trait;
use lettre::Address;
use lettre::message::Mailbox;

use super::render::{message_id, random, render};
use super::transport::{Failure, Outgoing, Transport};
use super::{Delivery, Error, Mailer, Message};
use crate::files::{make_private_folder, write_new};

/// The domain of the sender and of message ids. Not a real one: whoever sends the files on puts
/// his own sender in.
const DOMAIN: &str = "localhost";

/// Writes messages to a folder, from `portcullis@localhost`.
#[derive(Clone, Debug)]
pub struct Outbox {
    folder: PathBuf,
}

impl Outbox {
    /// Mail goes to this folder. It is made, for its owner alone, with the first message.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The sender, for the queue.
#[cfg(feature = "smtp")]
pub(crate) const FROM: &str = "portcullis@localhost";

#[async_trait]
impl Transport for Outbox {
    /// Write the mail, durably. A file that cannot be written is a failure for good: trying again
    /// would help nobody who waits for a code.
    async fn deliver(&self, mail: &Outgoing) -> Result<(), Failure> {
        self.put(mail.content.to_vec()).await.map_err(|error| match error {
            Error::Rejected(reason) => Failure::Permanent(reason),
            other => Failure::Permanent(other.to_string()),
        })
    }

    /// Nothing comes before a mail.
    async fn check(&self) -> Result<(), Failure> {
        Ok(())
    }
}

#[async_trait]
impl Mailer for Outbox {
    /// Write the message, durably.
    ///
    /// # Errors
    /// [`Error::Rejected`] also when the file cannot be written: there is no queue that would try
    /// again, so the message will never be delivered. Its text, which the caller may see, says no
    /// more than that; the reason and the folder go to the log.
    async fn send(&self, message: &Message) -> Result<Delivery, Error> {
        let from = Mailbox::new(
            None,
            Address::new("portcullis", DOMAIN).map_err(|error| Error::Other(error.to_string()))?,
        );
        self.put(render(message, from, &message_id(DOMAIN)?)?.formatted()).await?;
        Ok(Delivery::Accepted)
    }
}

impl Outbox {
    async fn put(&self, content: Vec<u8>) -> Result<(), Error> {
        let now = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
        let name = format!("{}-{}.eml", now.replace(['-', ':'], ""), random()?);
        let folder = self.folder.clone();
        let written = tokio::task::spawn_blocking(move || write(&folder, &name, &content)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::error!(folder = %self.folder.display(), %error, "mail was not written");
                let reason = match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                        "the outbox is full"
                    }
                    _ => "the outbox cannot be written",
                };
                Err(Error::Rejected(reason.to_owned()))
            }
            Err(error) => Err(Error::Other(format!("the outbox was stopped: {error}"))),
        }
    }
}

/// Write one file; the folder is made again if somebody has removed it.
fn write(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    make_private_folder(folder)?;
    write_new(folder, name, content)
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
