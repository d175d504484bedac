//! Answers to HTTP requests at a loopback address, one after the other.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::operate::Outcome;

/// The most bytes of a request.
const MOST: usize = 8192;
/// How long a client may take to send its request, and again to receive the answer.
const LONGEST: Duration = Duration::from_secs(2);

/// Reads a loopback address with a port.
pub(super) fn loopback(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(address) => Err(format!(
            "{} is no loopback address: use 127.0.0.1 or [::1], and a proxy with access control \
             for other machines",
            address.ip()
        )),
        Err(_) => Err("expected an address and a port, as 127.0.0.1:9469".to_owned()),
    }
}

/// Answers requests, each with a new look, until the process is ended.
pub(super) fn serve(address: SocketAddr, look: &dyn Fn() -> Result<String, String>) -> Outcome {
    let listener = TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?;
    let address = listener.local_addr().unwrap_or(address);
    crate::print_ignoring_closed_pipes(&format!("http://{address}/metrics\n"));
    loop {
        match listener.accept() {
            // What fails with one client is not told: a client could fill the log with it.
            Ok((client, _)) => drop(answer(client, look)),
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => return Err(format!("{address}: {error}")),
        }
    }
}

fn is_of_one_client(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

fn answer(mut client: TcpStream, look: &dyn Fn() -> Result<String, String>) -> io::Result<()> {
    let head = request(&mut client)?;
    let (status, body) = match head.as_deref().map(wanted) {
        None => ("431 Request Header Fields Too Large", String::new()),
        Some(Err(status)) => (status, String::new()),
        Some(Ok(())) => match look() {
            Ok(text) => ("200 OK", text),
            Err(error) => ("500 Internal Server Error", format!("{error}\n")),
        },
    };
    let head = format!(
        "HTTP/1.1 {status}\r\n\
         Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    send(&mut client, (head + &body).as_bytes())
}

/// Whether the first line of a request asks for the metrics; else the status of the answer.
fn wanted(head: &[u8]) -> Result<(), &'static str> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or(head);
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    match words[..] {
        [method, path, version] if version.starts_with(b"HTTP/1.") => {
            let path = path.split(|byte| *byte == b'?').next().unwrap_or(path);
            match (method, path) {
                (b"GET", b"/metrics" | b"/") => Ok(()),
                (b"GET", _) => Err("404 Not Found"),
                _ => Err("405 Method Not Allowed"),
            }
        }
        _ => Err("400 Bad Request"),
    }
}

/// Reads up to the end of the header; `None` if that is too long.
fn request(client: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let end = Instant::now() + LONGEST;
    let (mut read, mut window) = (Vec::new(), [0; 1024]);
    while !read.windows(4).any(|last| last == b"\r\n\r\n") {
        if read.len() > MOST {
            return Ok(None);
        }
        client.set_read_timeout(Some(left(end)?))?;
        match client.read(&mut window) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(len) => read.extend_from_slice(&window[..len]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(read))
}

fn send(client: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    let end = Instant::now() + LONGEST;
    while !bytes.is_empty() {
        client.set_write_timeout(Some(left(end)?))?;
        match client.write(bytes) {
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The time that is left, which is not zero.
fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_taken() {
        for address in ["127.0.0.1:9469", "127.9.9.9:1", "[::1]:0"] {
            assert!(loopback(address).is_ok(), "{address}");
        }
        for address in ["0.0.0.0:9469", "[::]:1", "10.0.0.1:80", "127.0.0.1", "x:1"] {
            assert!(loopback(address).is_err(), "{address}");
        }
    }

    #[test]
    fn a_request_is_for_the_metrics_or_has_the_status_that_it_gets() {
        let cases: [(&[u8], _); 7] = [
            (b"GET /metrics HTTP/1.1\r\n", Ok(())),
            (b"GET /metrics?a=b HTTP/1.0\r\n", Ok(())),
            (b"GET / HTTP/1.1\r\n", Ok(())),
            (b"GET /other HTTP/1.1\r\n", Err("404 Not Found")),
            (b"POST /metrics HTTP/1.1\r\n", Err("405 Method Not Allowed")),
            (b"GET /metrics\r\n", Err("400 Bad Request")),
            (b"", Err("400 Bad Request")),
        ];
        for (head, expected) in cases {
            assert_eq!(wanted(head), expected, "{}", head.escape_ascii());
        }
    }
}
