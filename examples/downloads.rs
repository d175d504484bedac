//! Pages are downloaded by a pool of as many workers as there are pages, from a server that this
//! program starts on loopback.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use crossdock::process::{self, Pool};

const PAGES: [(&str, usize); 4] = [
    ("/index.html", 1_200),
    ("/news.html", 45_000),
    ("/logo.svg", 3_000),
    ("/data.csv", 250_000),
];

/// The contents of a page, of that length.
fn page(path: &str, len: usize) -> Vec<u8> {
    path.bytes().cycle().take(len).collect()
}

/// Answers one request.
fn answer(stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let path = request.split(' ').nth(1).unwrap_or("/");
    let known = PAGES.iter().find(|(known, _)| *known == path);
    let (status, body) = match known {
        Some((path, len)) => ("200 OK", page(path, *len)),
        None => ("404 Not Found", Vec::new()),
    };
    let mut stream = reader.into_inner();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.0 {status}\r\nContent-Length: {length}\r\n\r\n"
    )?;
    stream.write_all(&body)
}

/// Fetches a page, in a worker. An error is a value, as every result is.
fn download((server, path): (SocketAddr, String)) -> Result<(String, Vec<u8>), String> {
    let fetch = || -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(server)?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let url = format!("http://{server}{path}");
    let answer = fetch().map_err(|error| format!("{url}: {error}"))?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    match end {
        Some(end) if answer.starts_with(b"HTTP/1.0 200 ") => Ok((url, answer[end + 4..].to_vec())),
        _ => Err(format!("{url}: {}", String::from_utf8_lossy(&answer))),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    process::init(); // the workers begin, and end, here
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream));
        }
    });

    let workers = u32::try_from(PAGES.len())?;
    let pool = Pool::builder().workers(workers).build()?;
    let pages = PAGES.map(|(path, _)| (server, path.to_owned()));
    for (result, (path, len)) in pool.imap(download, pages).zip(PAGES) {
        let (url, bytes) = result??;
        assert_eq!(bytes, page(path, len));
        println!("Downloaded {url} ({} bytes)", bytes.len());
    }
    Ok(())
}
