//! One attempt costs less than 1 MiB, whatever the receiver does: far less, measured byte by byte.
//!
//! Invariant: receivers are threads that allocate nothing while they serve, so that what is counted is the attempt's.
//! Left to others: what came of such attempts (`it/hostile`).

use std::borrow::Cow;
use std::future;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use channels::{Channel as _, Guard, Http, Lane, Options, Resolve, Schemes};
use domain::call::{ANSWER_BYTES_MAX, Call, Ending, Method};
use peak_alloc::PeakAlloc;
use tokio::runtime;
use url::Url;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What an attempt may hold at once, the runtime that carries it out included. Most hold 50 to 90 KiB, and an answer whose
/// head has no end 115: 32 KiB of it are read, into a buffer that doubles.
const ATTEMPT_BYTES_MAX: usize = 192 * 1024;
/// Long enough for a receiver to do its worst.
const TIMEOUT: Duration = Duration::from_millis(300);

/// Answers for every name, or for none ever.
#[derive(Debug)]
enum Names {
    Loopback,
    Silence,
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        match self {
            Self::Loopback => Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]),
            Self::Silence => future::pending().await,
        }
    }
}

fn receiver(serve: impl Fn(TcpStream) -> io::Result<()> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever was called may go away at any time.
            drop(serve(stream));
        }
    });
    address
}

/// Reads what there is of a call.
fn take(stream: &mut TcpStream) -> io::Result<()> {
    stream.read(&mut [0; 8_192]).map(drop)
}

/// Says something, and then something else until nobody listens.
fn flood(mut stream: TcpStream, head: &[u8], rest: &[u8], pause: Duration) -> io::Result<()> {
    take(&mut stream)?;
    stream.write_all(head)?;
    loop {
        stream.write_all(rest)?;
        thread::park_timeout(pause);
    }
}

/// Makes two attempts, and sees what the second one held at most: the first pays for what is there once.
fn costs_little(url: &str, names: Names) {
    // Tests that share a process take turns.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()], Schemes::HttpToo);
    let client = Http::new(Options { resolver: Arc::new(names), ..Options::new(guard) }).unwrap();
    let call = Call {
        method: Method::Post,
        url: Arc::new(Url::parse(url).unwrap()),
        headers: vec![(Cow::Borrowed("content-type"), "application/json".to_owned())],
        body: b"{}".to_vec(),
    };
    let attempt = || -> Ending {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let lane = Lane {
            key: 7,
            connections_max: 4,
            timeout: TIMEOUT,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let (client, call) = (&client, call.clone());
        HEAP.reset_peak_usage();
        runtime.block_on(client.attempt(call, lane))
    };
    drop(attempt());
    let before = HEAP.current_usage();
    let ending = attempt();
    let held = HEAP.peak_usage().saturating_sub(before);
    assert!(held < ATTEMPT_BYTES_MAX, "{held} bytes: {ending:?}");
}

fn costs(serve: impl Fn(TcpStream) -> io::Result<()> + Send + 'static) {
    costs_little(&format!("http://{}/hook", receiver(serve)), Names::Loopback);
}

#[test]
fn a_head_byte_by_byte_costs_little() {
    costs(|stream| flood(stream, b"", b"H", Duration::from_millis(20)));
}

#[test]
fn a_body_byte_by_byte_costs_little() {
    costs(|stream| flood(stream, b"HTTP/1.1 200 OK\r\n\r\n", b"x", Duration::from_millis(20)));
}

#[test]
fn two_gigabytes_cost_little() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 2000000000\r\n\r\n";
    costs(move |stream| flood(stream, head, &[b'x'; 8_192], Duration::ZERO));
}

#[test]
fn two_gigabytes_in_one_chunk_cost_little() {
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7fffffff\r\n";
    costs(move |stream| flood(stream, head, &[b'x'; 8_192], Duration::ZERO));
}

#[test]
fn a_bomb_of_gzip_costs_little() {
    // A head of gzip, and the longest repetition of a zero, for ever: nothing of it is inflated.
    let head =
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\x03\x63\x60";
    let zeros = [0x18, 0x05, 0xa3, 0x60, 0x14].repeat(1_600);
    costs(move |stream| flood(stream, head, &zeros, Duration::ZERO));
}

#[test]
fn a_head_without_end_costs_little() {
    costs(|stream| flood(stream, b"HTTP/1.1 200 OK\r\nx: ", &[b'x'; 8_192], Duration::ZERO));
}

#[test]
fn headers_without_end_cost_little() {
    let many = b"a: b\r\n".repeat(1_600);
    costs(move |stream| flood(stream, b"HTTP/1.1 200 OK\r\n", &many, Duration::ZERO));
}

#[test]
fn a_head_that_is_no_text_costs_little() {
    costs(|stream| flood(stream, b"HTTP/1.1 200 OK\r\n", b"\0\xff\xfe: \x01\r\n", Duration::ZERO));
}

#[test]
fn informational_answers_without_end_cost_little() {
    let hint = b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n";
    let many = hint.repeat(200);
    costs(move |stream| flood(stream, b"", &many, Duration::ZERO));
}

#[test]
fn a_chunk_extension_without_end_costs_little() {
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;";
    costs(move |stream| flood(stream, head, &[b'x'; 8_192], Duration::ZERO));
}

#[test]
fn trailers_without_end_cost_little() {
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n";
    let many = b"a: b\r\n".repeat(1_600);
    costs(move |stream| flood(stream, head, &many, Duration::ZERO));
}

#[test]
fn a_reset_within_the_body_costs_little() {
    costs(|mut stream| {
        // What was called and never read makes the system reset the connection.
        drop(stream.peek(&mut [0]));
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc")
    });
}

#[test]
fn a_redirect_costs_little() {
    costs(|mut stream| {
        take(&mut stream)?;
        stream.write_all(b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n")?;
        stream.shutdown(Shutdown::Both)
    });
}

#[test]
fn a_receiver_that_takes_calls_and_never_answers_costs_little() {
    costs(|mut stream| io::copy(&mut stream, &mut io::sink()).map(drop));
}

#[test]
fn a_handshake_without_end_costs_little() {
    // A record of TLS with the beginning of a message of 16 MiB, again and again.
    let serve = |stream| {
        flood(stream, b"", b"\x16\x03\x03\0\x08\x02\xff\xff\xff\x03\x03\0\0", Duration::ZERO)
    };
    let address = receiver(serve);
    costs_little(&format!("https://receiver.test:{}/hook", address.port()), Names::Loopback);
}

#[test]
fn a_name_server_that_hangs_costs_little() {
    costs_little("http://receiver.test/hook", Names::Silence);
}
