//! The console's WebSocket, by a hand-written client: RFC 6455 with small frames.

use std::sync::Arc;

use panel::accounts::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::browser::Panel;
use super::fake::IMAGE;

struct Socket(TcpStream);

impl Socket {
    /// The status line and headers of the answer, and the socket behind them.
    async fn open(port: u16, protocols: &str, origin: &str) -> (String, Self) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = format!(
            "GET /console/socket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: {origin}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
             Sec-WebSocket-Protocol: {protocols}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        (String::from_utf8(head).unwrap(), Self(stream))
    }

    /// A binary message, masked with zeros.
    async fn send(&mut self, bytes: &[u8]) {
        let length = u16::try_from(bytes.len()).unwrap();
        let mut frame = vec![0x82, 0x80 | 126];
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(bytes);
        self.0.write_all(&frame).await.unwrap();
    }

    /// The next binary message, or the close frame's reason.
    async fn next(&mut self) -> Result<Vec<u8>, String> {
        loop {
            let (first, length) =
                (self.0.read_u8().await.unwrap(), self.0.read_u8().await.unwrap());
            let length = match length {
                126 => usize::from(self.0.read_u16().await.unwrap()),
                127 => usize::try_from(self.0.read_u64().await.unwrap()).unwrap(),
                length => usize::from(length),
            };
            let mut bytes = vec![0; length];
            self.0.read_exact(&mut bytes).await.unwrap();
            match first & 15 {
                2 => return Ok(bytes),
                8 => return Err(String::from_utf8_lossy(&bytes[2..]).into_owned()),
                _ => {}
            }
        }
    }

    async fn until(&mut self, wanted: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < wanted {
            all.extend(self.next().await.unwrap());
        }
        all
    }
}

#[tokio::test]
async fn bytes_sizes_and_tickets() {
    let panel = Panel::new().await;
    let mut browser = panel.logged_in("ada", "main", Role::Member).await;
    let image = IMAGE.to_string();
    let form =
        [("name", "web"), ("region", "ams"), ("image", &image), ("flavor", "1"), ("no_key", "yes")];
    let path = browser.post("/servers/new", &form).await.path;
    browser.get(&format!("{path}/console/shell")).await.says("terminal").says("noscript");
    let page = browser.get(&format!("{path}/console/vnc")).await;
    assert_eq!(page.status, 404);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = panel.router.clone();
    let stopping = panel.state.stopping.clone();
    let serving = tokio::spawn(panel::serve::run(listener, None, router, stopping));
    let origin = format!("http://127.0.0.1:{port}");
    let mut ticket = async || {
        let page = browser.post(&format!("{path}/console/shell/ticket"), &[]).await;
        assert_eq!(page.status, 200);
        format!("keyway.console, ticket.{}", page.text)
    };

    let (head, _) = Socket::open(port, "keyway.console, ticket.wrong", &origin).await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    let (head, _) = Socket::open(port, "keyway.console", &origin).await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    let good = ticket().await;
    let (head, _) = Socket::open(port, &good, "https://evil.example").await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");

    let (head, mut socket) = Socket::open(port, &good, &origin).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(head.contains("keyway.console") && !head.contains("ticket."), "{head}");
    assert_eq!(socket.until(9).await, b"hello\r\n# ");
    let (head, _) = Socket::open(port, &good, &origin).await;
    assert!(head.starts_with("HTTP/1.1 403"), "a ticket works once: {head}");

    socket.send(&[1, 0, 132, 0, 43]).await;
    assert_eq!(socket.until(8).await, b"[132x43]");
    // An exact paste, with what consoles are known to garble, far larger than any buffer.
    let paste: Vec<u8> = b"| > $ _ - \\ \" ' ~ ` \xc3\xa9\r".repeat(20_000);
    let mut received = Vec::new();
    for piece in paste.chunks(16_000) {
        let mut frame = vec![0];
        frame.extend_from_slice(piece);
        socket.send(&frame).await;
        if received.len() < paste.len() / 2 {
            received.extend(socket.next().await.unwrap());
        }
    }
    received.extend(socket.until(paste.len() - received.len()).await);
    assert!(received == paste, "{} of {}", received.len(), paste.len());

    panel.stop.send(true).unwrap();
    loop {
        match socket.next().await {
            Ok(_) => {}
            Err(reason) => {
                assert_eq!(reason, "The panel is stopping.");
                break;
            }
        }
    }
    serving.await.unwrap();
}

#[tokio::test]
async fn from_the_terminal() {
    let panel = Panel::new().await;
    let mut browser = panel.logged_in("ada", "main", Role::Admin).await;
    let image = IMAGE.to_string();
    let form =
        [("name", "web"), ("region", "ams"), ("image", &image), ("flavor", "1"), ("no_key", "yes")];
    browser.post("/servers/new", &form).await;
    let serving = tokio::spawn(panel::console::serve_local(Arc::clone(&panel.state)));
    let path = panel.folder.path().join("console.sock");
    while !path.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let connect = async |line: &str| {
        let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
        stream.write_all(line.as_bytes()).await.unwrap();
        stream
    };
    let mut stream = connect("shell nothing\n").await;
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "There is no server called nothing.\n");
    let mut stream = connect("shell web\n").await;
    let mut said = vec![0; 12];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(said, b"ok\nhello\r\n# ");
    stream.write_all(&[0, 3, 0, b'h', b'i']).await.unwrap();
    let mut said = [0; 2];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"hi");
    drop(stream);
    panel.stop.send(true).unwrap();
    serving.await.unwrap().unwrap();
    assert!(!path.exists());
}
