//! A proxy that cuts connections at a named point, the way networks do and servers cannot be asked to, or keeps a
//! request until the test lets it go.
//!
//! It forwards TCP to one target. Each order applies to the next request of a given path; requests without one pass. It
//! reads just enough HTTP/1.1 to know where a request ends.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Where the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The request is read, and the target never sees it.
    BeforeForwarding,
    /// The target has answered; nothing of the answer is passed on.
    BeforeAnswer,
    /// The head of the answer is passed on, its body is not.
    WithinAnswer,
}

/// A request that the proxy keeps. Dropping it lets the request go.
#[allow(dead_code, reason = "not every test program that cuts also holds")]
pub struct Held {
    arrived: oneshot::Receiver<()>,
    _go: oneshot::Sender<()>,
}

#[allow(dead_code, reason = "not every test program that cuts also holds")]
impl Held {
    /// Returns when the request is there, read to its end.
    pub async fn arrived(&mut self) {
        (&mut self.arrived).await.unwrap();
    }
}

/// What is to happen to one request.
enum Order {
    Cut(Cut),
    Hold { arrived: oneshot::Sender<()>, go: oneshot::Receiver<()> },
}

type Orders = Arc<Mutex<VecDeque<(String, Order)>>>;

/// The running proxy. Stops when dropped.
pub struct CuttingProxy {
    pub base_url: String,
    orders: Orders,
    task: JoinHandle<()>,
}

impl CuttingProxy {
    /// Starts in front of `target`, a base address such as `http://127.0.0.1:40123`.
    pub async fn start(target: &str) -> Self {
        let target: SocketAddr = target.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let orders = Orders::default();
        let task = tokio::spawn({
            let orders = orders.clone();
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(serve(client, target, orders.clone()));
                }
            }
        });
        Self { base_url, orders, task }
    }

    /// Orders `cut` for the next request of `path`.
    pub fn cut_next(&self, path: &str, cut: Cut) {
        self.orders.lock().unwrap().push_back((path.to_owned(), Order::Cut(cut)));
    }

    /// Keeps the next request of `path` as long as the test keeps what is returned.
    #[allow(dead_code, reason = "not every test program that cuts also holds")]
    pub fn hold_next(&self, path: &str) -> Held {
        let ((here, arrived), (_go, go)) = (oneshot::channel(), oneshot::channel());
        self.orders.lock().unwrap().push_back((path.to_owned(), Order::Hold { arrived: here, go }));
        Held { arrived, _go }
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection: requests and answers in turn, until a cut or the end. Every return drops both sockets.
async fn serve(mut client: TcpStream, target: SocketAddr, orders: Orders) -> Option<()> {
    let mut server = TcpStream::connect(target).await.ok()?;
    loop {
        let (request, _) = read_message(&mut client).await?;
        let path = String::from_utf8_lossy(&request).split(' ').nth(1)?.to_owned();
        let order = {
            let mut orders = orders.lock().unwrap();
            orders.iter().position(|(of, _)| *of == path).and_then(|at| orders.remove(at)).map(|(_, order)| order)
        };
        let cut = match order {
            Some(Order::Cut(cut)) => Some(cut),
            Some(Order::Hold { arrived, go }) => {
                let _ = arrived.send(());
                let _ = go.await;
                None
            }
            None => None,
        };
        if cut == Some(Cut::BeforeForwarding) {
            return None;
        }
        server.write_all(&request).await.ok()?;
        let (answer, head) = read_message(&mut server).await?;
        match cut {
            None => client.write_all(&answer).await.ok()?,
            Some(Cut::WithinAnswer) => {
                client.write_all(&answer[..head]).await.ok()?;
                client.flush().await.ok()?;
                return None;
            }
            Some(_) => return None,
        }
    }
}

/// One message with a `content-length` (or none, then without a body), and the length of its head.
async fn read_message(stream: &mut TcpStream) -> Option<(Vec<u8>, usize)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = end + 4;
            let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if bytes.len() >= head + length.unwrap_or(0usize) {
                return Some((bytes, head));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
