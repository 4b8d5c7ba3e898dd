//! A console without a machine.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use cloud::Console;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

/// A console that says hello, sends back what it gets, and tells its size.
pub struct Echo {
    near: DuplexStream,
    far: Arc<tokio::sync::Mutex<tokio::io::WriteHalf<DuplexStream>>>,
}

impl Echo {
    pub fn new() -> Self {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (mut read, write) = tokio::io::split(far);
        let far = Arc::new(tokio::sync::Mutex::new(write));
        let echo = Arc::clone(&far);
        tokio::spawn(async move {
            let _ = echo.lock().await.write_all(b"hello\r\n# ").await;
            let mut buffer = [0u8; 4096];
            while let Ok(length) = read.read(&mut buffer).await {
                if length == 0 || echo.lock().await.write_all(&buffer[..length]).await.is_err() {
                    break;
                }
            }
        });
        Self { near, far }
    }
}

impl Console for Echo {
    fn resize(&mut self, columns: u16, rows: u16) {
        let far = Arc::clone(&self.far);
        tokio::spawn(async move {
            let _ = far.lock().await.write_all(format!("[{columns}x{rows}]").as_bytes()).await;
        });
    }
}

impl AsyncRead for Echo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.near).poll_read(context, buffer)
    }
}

impl AsyncWrite for Echo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.near).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.near).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.near).poll_shutdown(context)
    }
}
