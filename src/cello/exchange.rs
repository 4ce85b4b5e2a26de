//! One request and its answer, whatever becomes of it.
//!
//! It exists so that the answer's size is bounded and trouble before the request was written is told apart from trouble
//! after. It must never repeat a request, nor let an address into a message: paths hold the ids of people.

use std::error::Error;

use reqwest::{RequestBuilder, Response, header};

use super::answers::{Answer, Reply};

/// The most that is read of an answer, in bytes. Cello's are below one KiB.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Sends `request` and reads the answer. An answer beyond the limit is cut there and the connection given up.
pub(super) async fn exchange(request: RequestBuilder) -> Answer {
    match request.send().await {
        Ok(response) => Answer::Http(read(response).await),
        // Name look-up, refusal, TLS handshake and the connect timeout all count as connecting.
        Err(error) if error.is_connect() || error.is_builder() => Answer::NotWritten(problem(&error)),
        Err(error) => Answer::Broken(problem(&error)),
    }
}

async fn read(mut response: Response) -> Reply {
    let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
    let mut reply = Reply {
        status: response.status().as_u16(),
        retry_after: header(header::RETRY_AFTER.as_str()),
        request_id: header("apigw-requestid"),
        ..Reply::default()
    };
    let mut bytes = Vec::new();
    while bytes.len() < ANSWER_LIMIT {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk[..chunk.len().min(ANSWER_LIMIT - bytes.len())]),
            Ok(None) => break,
            Err(error) => {
                reply.broke_off = Some(problem(&error));
                break;
            }
        }
    }
    reply.text = String::from_utf8_lossy(&bytes).into_owned();
    reply
}

/// The kind of trouble and its first cause, without the address.
fn problem(error: &reqwest::Error) -> String {
    let kind = if error.is_dns() {
        "the name could not be looked up"
    } else if error.is_timeout() {
        "time ran out"
    } else if error.is_connect() {
        "could not connect"
    } else if error.is_builder() {
        "the request could not be built"
    } else {
        "the connection broke"
    };
    let Some(mut cause) = error.source() else { return kind.to_owned() };
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    format!("{kind}: {cause}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn nothing_was_written_when_no_connection_came_about() {
        let not_tls = listen(Some(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await;
        let mute = listen(None).await;
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        for (address, why) in [
            (format!("http://{closed}/u_1"), "refused"),
            (format!("https://{not_tls}/u_1"), "not TLS"),
            (format!("https://{mute}/u_1"), "no TLS handshake"),
            ("https://cello.invalid/u_1".to_owned(), "no such name"),
        ] {
            match get(&address).await {
                Answer::NotWritten(problem) => assert!(!problem.contains("u_1"), "{why}: {problem}"),
                other => panic!("{why}: {other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn without_an_answer_to_what_was_written_the_matter_is_open() {
        let mute = listen(None).await;
        match get(&format!("http://{mute}/u_1")).await {
            Answer::Broken(problem) => assert!(problem.starts_with("time ran out"), "{problem}"),
            other => panic!("{other:?}"),
        }
    }

    async fn get(address: &str) -> Answer {
        let url = address.parse().unwrap();
        exchange(crate::http::client(&url, Duration::from_millis(1200)).unwrap().get(url)).await
    }

    /// Takes every connection, says `words` or nothing, and reads nothing.
    async fn listen(words: Option<&'static [u8]>) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(words.unwrap_or_default()).await;
                kept.push(stream);
            }
        });
        address
    }
}
