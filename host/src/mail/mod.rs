//! The way out for mail.
//!
//! - [`Mailer`]: what the component's messages are handed to;
//! - `outbox`: writes `.eml` files;
//! - `queue`: hands mail to a transport, and keeps what that cannot take for now (feature `smtp`);
//! - [`transport`]: one attempt at handing a finished mail on;
//! - `smtp`: the attempt at a mail server, with an [`account`] there;
//! - `address`: which texts mail can go to or come from;
//! - `render`: a message as RFC 5322 text.

use async_trait::async_trait;

pub mod account;
pub(crate) mod address;
#[cfg(feature = "outbox")]
pub mod outbox;
#[cfg(feature = "smtp")]
pub mod queue;
#[cfg(any(feature = "outbox", feature = "smtp"))]
mod render;
#[cfg(feature = "smtp")]
pub mod smtp;
pub mod transport;

pub use crate::contract::mailer::{Delivery, Error, Guard, Message};

/// Hands messages over to whoever delivers them.
#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// Try to hand the message over, once and within seconds.
    ///
    /// # Errors
    /// [`Error::Rejected`] when the message will never be delivered: the caller then takes back
    /// what it has changed.
    async fn send(&self, message: &Message) -> Result<Delivery, Error>;

    /// Keep the message and deliver it later, if its guard holds then.
    ///
    /// A mailer without a queue sends it now, whatever the guard says. Do not use one where
    /// strangers must not learn who has an account: they could tell by the time that it takes.
    ///
    /// # Errors
    /// The message could not be kept.
    async fn enqueue(&self, message: &Message) -> Result<(), Error> {
        self.send(message).await.map(drop)
    }
}
