//! A connection that is read line by line, for as long as it is not encrypted.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that are taken from the connection at once.
const ROOM: usize = 4096;

/// Gives out one line at most for each reading, however much has come in.
///
/// Whoever reads may read ahead. What somebody on the way has put behind the answer to STARTTLS
/// would then be kept, and later be taken for what the server says under encryption (RFC 3207
/// section 6 has everything from before it forgotten). Read by lines, such bytes are still here when
/// the encryption begins: they are its first bytes, are nothing that it understands, and end the
/// connection.
pub(super) struct Lines {
    inner: TcpStream,
    buffer: Box<[u8; ROOM]>,
    /// What has come in and was not given out yet.
    filled: std::ops::Range<usize>,
}

impl Lines {
    pub(super) fn new(inner: TcpStream) -> Self {
        Self { inner, buffer: Box::new([0; ROOM]), filled: 0..0 }
    }
}

impl AsyncRead for Lines {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.filled.is_empty() {
            let mut room = ReadBuf::new(this.buffer.as_mut_slice());
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut room))?;
            this.filled = 0..room.filled().len();
        }
        let ready = this.buffer.get(this.filled.clone()).unwrap_or_default();
        let line = ready.iter().position(|byte| *byte == b'\n').map_or(ready.len(), |at| at + 1);
        let given = line.min(out.remaining());
        out.put_slice(ready.get(..given).unwrap_or_default());
        this.filled.start += given;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Lines {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

impl AsyncTokioStream for Lines {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }
}

/// What was read is nothing to show.
impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("inner", &self.inner).finish_non_exhaustive()
    }
}
