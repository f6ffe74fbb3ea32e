//! HTTP/1.1 as bytes, from both sides: what is sent is what the test wrote, what came is kept as it came.

use std::io::{BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::thread;

use serde_json::Value;

use crate::process::{TIME_MAX, text};

/// A call or an answer.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// The first line: method, target and version, or version, status and reason.
    pub(crate) first: String,
    /// Names in lower case, in the order in which they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Reads one; `None` when the other side has closed before it began.
    pub(crate) fn read(from: &mut impl BufRead) -> Option<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if from.read_line(&mut line).ok()? == 0 {
                assert!(lines.is_empty(), "the head broke off after {lines:?}");
                return None;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let first = lines.remove(0);
        let pair = |line: &String| {
            let (name, value) = line.split_once(": ").unwrap_or((line.trim_end_matches(':'), ""));
            (name.to_ascii_lowercase(), value.to_owned())
        };
        let mut message = Self { first, headers: lines.iter().map(pair).collect(), body: vec![] };
        assert_eq!(message.header("transfer-encoding"), None, "{message:?}");
        let length = message.header("content-length").map_or(0, |length| length.parse().unwrap());
        message.body.resize(length, 0);
        from.read_exact(&mut message.body).unwrap();
        Some(message)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Gives a word of the first line.
    pub(crate) fn word(&self, index: usize) -> &str {
        self.first.split(' ').nth(index).unwrap()
    }

    pub(crate) fn status(&self) -> u16 {
        self.word(1).parse().unwrap()
    }

    pub(crate) fn text(&self) -> String {
        text(&self.body)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Insists on a status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status(), status, "{}", self.text());
        self
    }

    /// Insists on a problem, and gives it.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(problem.header("content-type"), Some("application/problem+json"));
        let problem = problem.json();
        assert_eq!(problem["code"], code, "{problem:#}");
        problem
    }
}

/// Connects, and never waits for ever.
pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TIME_MAX)).unwrap();
    stream.set_write_timeout(Some(TIME_MAX)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Writes a call as bytes.
pub(crate) fn bytes(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Reads the answer to what was written.
pub(crate) fn answer(stream: TcpStream) -> Message {
    Message::read(&mut BufReader::new(stream)).expect("an answer")
}

/// Makes one call over a connection of its own.
pub(crate) fn call(address: &str, bytes: &[u8]) -> Message {
    let mut stream = connect(address);
    // Who refuses a body early may close before all of it is written.
    drop(stream.write_all(bytes));
    answer(stream)
}

/// Makes calls over a connection each, whose last bytes are written at the same instant.
pub(crate) fn at_once<const N: usize>(address: &str, calls: &[Vec<u8>; N]) -> [Message; N] {
    let begin = Barrier::new(N);
    let make = |bytes: &[u8]| {
        let mut stream = connect(address);
        let (last, before) = bytes.split_last().unwrap();
        stream.write_all(before).unwrap();
        begin.wait();
        stream.write_all(&[*last]).unwrap();
        answer(stream)
    };
    thread::scope(|scope| {
        let running = calls.each_ref().map(|bytes| scope.spawn(|| make(bytes)));
        running.map(|thread| thread.join().unwrap())
    })
}

/// An answer as bytes.
pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        bytes.extend([name, ": ", value, "\r\n"]);
    }
    bytes.extend(["\r\n", body]);
    bytes.into_bytes()
}

/// What a server says to a call, of which so many were before.
type Answers = dyn Fn(&Message, usize) -> Vec<u8> + Send + Sync;

/// A server that keeps every call, and answers it with 200 if nothing else was said.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    heard: Arc<(Mutex<Vec<Message>>, Condvar)>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        Self::at(([127, 0, 0, 1], 0).into())
    }

    /// Listens at an address that nobody has.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self::answering(address, |_, _| reply(200, &[], ""))
    }

    /// Answers in a way of the test's own; with nothing, it closes the connection.
    pub(crate) fn answering(
        address: SocketAddr,
        answers: impl Fn(&Message, usize) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let answers: Arc<Answers> = Arc::new(answers);
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::<(Mutex<Vec<Message>>, Condvar)>::default();
        let kept = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, answers) = (Arc::clone(&kept), Arc::clone(&answers));
                thread::spawn(move || serve(&stream.unwrap(), &kept, &*answers));
            }
        });
        Self { address, heard }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// Gives what was heard so far.
    pub(crate) fn heard(&self) -> Vec<Message> {
        self.heard.0.lock().unwrap().clone()
    }

    /// Waits until enough was heard, and gives it all.
    pub(crate) fn until(&self, is_enough: impl Fn(&[Message]) -> bool) -> Vec<Message> {
        let (heard, more) = &*self.heard;
        let not_yet = |heard: &mut Vec<Message>| !is_enough(heard);
        let (heard, waited) =
            more.wait_timeout_while(heard.lock().unwrap(), TIME_MAX, not_yet).unwrap();
        let firsts: Vec<&str> = heard.iter().map(|call| call.first.as_str()).collect();
        assert!(!waited.timed_out(), "not enough was heard: {firsts:#?}");
        heard.clone()
    }
}

fn serve(stream: &TcpStream, heard: &(Mutex<Vec<Message>>, Condvar), answers: &Answers) {
    let mut reader = BufReader::new(stream);
    while let Some(message) = Message::read(&mut reader) {
        let mut kept = heard.0.lock().unwrap();
        let count = kept.len();
        kept.push(message.clone());
        drop(kept);
        heard.1.notify_all();
        let answer = answers(&message, count);
        let mut stream = stream;
        let is_last =
            answer.is_empty() || answer.windows(17).any(|bytes| bytes == b"connection: close");
        if stream.write_all(&answer).is_err() || is_last {
            return;
        }
    }
}
