//! HTTP/1.1 byte by byte, from an address of one's choice: what a client library would refuse to send.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use hyper::body::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::error::{Error, Result, or_panic};
use super::http::Answer;

/// Sends these bytes to a port of this machine on a connection of their own, and reads the answer to its end. All of
/// 127.0.0.0/8 are this machine's addresses on Linux, so a client can be any of them.
pub(crate) async fn raw(from: IpAddr, port: u16, request: &[u8]) -> Answer {
    const LIMIT: Duration = Duration::from_secs(10);
    let answer = match timeout(LIMIT, exchange(from, port, request)).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::silent("the server", LIMIT, Vec::new())),
    };
    or_panic(answer)
}

async fn exchange(from: IpAddr, port: u16, request: &[u8]) -> Result<Answer> {
    let failed = |error: std::io::Error| Error::io(format_args!("{from} to port {port}"), &error);
    let (socket, to) = if from.is_ipv4() {
        (TcpSocket::new_v4(), IpAddr::from([127, 0, 0, 1]))
    } else {
        (TcpSocket::new_v6(), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]))
    };
    let socket = socket.map_err(failed)?;
    socket.bind(SocketAddr::new(from, 0)).map_err(failed)?;
    let mut stream = socket.connect(SocketAddr::new(to, port)).await.map_err(failed)?;
    stream.write_all(request).await.map_err(failed)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.map_err(failed)?;
    parse(&bytes).ok_or_else(|| Error::new(format!("no answer in {:?}", String::from_utf8_lossy(&bytes))))
}

/// An answer without transfer coding.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let (name, value) = (name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value.trim()).ok()?);
        headers.append(name, value);
    }
    Some(Answer { status, headers, body: Bytes::copy_from_slice(&bytes[end + 4..]) })
}
