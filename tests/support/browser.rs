//! A page in a headless Chromium, without display, driver or GPU: it is served from here, and sends
//! back what it has computed.

use super::skip;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What `page` posts to `/result`; `None`, after [`skip`], when there is no Chromium.
///
/// # Panics
///
/// When nothing has come back after `limit`.
pub(crate) fn evaluate(page: &str, limit: Duration) -> Option<String> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback device");
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let profile = tempfile::tempdir().unwrap();
    let Some(browser) = start(&address, profile.path()) else {
        skip("browser", "apt-get install chromium");
        return None;
    };
    let _browser = Running(browser);
    let end = Instant::now() + limit;
    while Instant::now() < end {
        match listener.accept() {
            Ok((stream, _)) => {
                if let Some(result) = answer(stream, page).unwrap_or(None) {
                    return Some(result);
                }
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    panic!("the browser gave no result within {} s", limit.as_secs());
}

fn start(address: &str, profile: &std::path::Path) -> Option<Child> {
    ["chromium", "chromium-browser", "google-chrome"]
        .iter()
        .find_map(|program| {
            Command::new(program)
                .args(["--headless=new", "--no-sandbox", "--enable-unsafe-webgpu"])
                // Chromium's own software adapter.
                .arg("--use-webgpu-adapter=swiftshader")
                .arg(format!("--user-data-dir={}", profile.display()))
                .arg(address)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .ok()
        })
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves one request: the page, or the result that is posted.
fn answer(stream: TcpStream, page: &str) -> io::Result<Option<String>> {
    stream.set_nonblocking(false)?;
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, content) = match request.split(' ').nth(1) {
        Some("/") => ("200 OK", page),
        Some("/result") => ("200 OK", ""),
        _ => ("404 Not Found", ""),
    };
    write!(
        reader.get_mut(),
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{content}",
        content.len()
    )?;
    let posted = request.starts_with("POST /result");
    Ok(posted.then(|| String::from_utf8_lossy(&body).into_owned()))
}
