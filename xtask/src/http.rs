//! A blocking HTTP request over plain loopback TCP: enough for readiness checks and the broker's page.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

pub struct Answer {
    pub status: u16,
    pub body: String,
}

pub struct Ask<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// Name and password for basic authentication.
    pub login: Option<(&'a str, &'a str)>,
    pub body: &'a str,
}

pub fn get(port: u16, path: &str) -> Result<Answer> {
    send(port, &Ask { method: "GET", path, login: None, body: "" })
}

pub fn connect(port: u16) -> Result<TcpStream> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let stream = TcpStream::connect_timeout(&address.into(), Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;
    Ok(stream)
}

/// HTTP/1.0, so that the server closes the connection after an answer without chunks.
pub fn send(port: u16, ask: &Ask<'_>) -> Result<Answer> {
    let mut stream = connect(port)?;
    let login = match ask.login {
        Some((name, password)) => {
            format!("Authorization: Basic {}\r\n", base64(&format!("{name}:{password}")))
        }
        None => String::new(),
    };
    // A server that is told of JSON wants to read some.
    let kind = if ask.body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let head = format!(
        "{} {} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n{login}{kind}Content-Length: {}\r\n\r\n",
        ask.method,
        ask.path,
        ask.body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(ask.body.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&String::from_utf8_lossy(&bytes))
}

fn parse(text: &str) -> Result<Answer> {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { bail!("the answer has no end of headers") };
    let status = head.split_whitespace().nth(1).context("the answer has no status")?.parse()?;
    Ok(Answer { status, body: body.to_owned() })
}

fn base64(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    text.as_bytes()
        .chunks(3)
        .flat_map(|chunk| {
            let bits =
                chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
            (0..4).map(move |n| {
                if n > chunk.len() { '=' } else { char::from(ALPHABET[(bits >> (18 - 6 * n) & 63) as usize]) }
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_as_the_standard_says() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("guest:guest", "Z3Vlc3Q6Z3Vlc3Q=")]
        {
            assert_eq!(base64(plain), coded);
        }
    }

    #[test]
    fn an_answer_is_its_status_and_body() {
        let answer = parse("HTTP/1.1 404 Not Found\r\nX: y\r\n\r\nnone here").expect("a whole answer");
        assert_eq!((answer.status, answer.body.as_str()), (404, "none here"));
        assert!(parse("HTTP/1.1 200 OK\r\n").is_err());
    }
}
