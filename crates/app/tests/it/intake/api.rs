//! A vendor's interface as a stand-in: it says what a test has told it to say, and keeps who asked for what.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

use crate::http::{Message, Receiver, reply};
use crate::process::TIME_MAX;

/// A status, headers, and a body.
type Said = (u16, Vec<(&'static str, &'static str)>, String);

/// What is answered.
#[derive(Debug, Default)]
struct Says {
    /// By the path, without its query.
    by_path: BTreeMap<String, Said>,
    /// Whether nothing is answered until the test wants it.
    hangs: bool,
    /// How often it was decided what to answer.
    given: usize,
}

/// The stand-in.
pub(super) struct Api {
    receiver: Receiver,
    says: Arc<(Mutex<Says>, Condvar)>,
}

impl Api {
    pub(super) fn start() -> Self {
        Self::at(([127, 0, 0, 1], 0).into())
    }

    /// Listens at an address that nobody has.
    pub(super) fn at(address: SocketAddr) -> Self {
        let says = Arc::<(Mutex<Says>, Condvar)>::default();
        let told = Arc::clone(&says);
        let receiver = Receiver::answering(address, move |call, _| answer(&told, call));
        Self { receiver, says }
    }

    pub(super) fn url(&self, path: &str) -> String {
        self.receiver.url(path)
    }

    /// Says this from now on when it is asked for a path.
    pub(super) fn says(&self, path: &str, body: &Value) {
        self.answers(path, 200, &[], &body.to_string());
    }

    /// Answers so from now on when it is asked for a path.
    pub(super) fn answers(
        &self,
        path: &str,
        status: u16,
        headers: &[(&'static str, &'static str)],
        body: &str,
    ) {
        let answer = (status, headers.to_vec(), body.to_owned());
        self.says.0.lock().unwrap().by_path.insert(path.to_owned(), answer);
    }

    /// Answers nothing, or what has waited.
    pub(super) fn hangs(&self, hangs: bool) {
        self.says.0.lock().unwrap().hangs = hangs;
        self.says.1.notify_all();
    }

    /// Gives all that was asked so far.
    pub(super) fn asked(&self) -> Vec<Message> {
        self.receiver.heard()
    }

    /// Waits until it was asked so often.
    pub(super) fn until_asked(&self, times: usize) -> Vec<Message> {
        self.receiver.until(|heard| heard.len() >= times)
    }

    /// Waits until it has answered so often: what is said from then on is in no answer before.
    pub(super) fn until_answered(&self, times: usize) {
        let (says, change) = &*self.says;
        let not_yet = |says: &mut Says| says.given < times;
        let waited = change.wait_timeout_while(says.lock().unwrap(), TIME_MAX, not_yet).unwrap().1;
        assert!(!waited.timed_out(), "it was not asked {times} times");
    }
}

fn answer((says, change): &(Mutex<Says>, Condvar), call: &Message) -> Vec<u8> {
    let mut says = change.wait_while(says.lock().unwrap(), |says| says.hangs).unwrap();
    says.given += 1;
    change.notify_all();
    let path = call.word(1).split('?').next().unwrap();
    match says.by_path.get(path) {
        Some((status, headers, body)) => reply(*status, headers, body),
        None => reply(404, &[], "{\"error\":\"not found\"}"),
    }
}

/// The credentials that the stand-in is asked with.
pub(super) const API_TOKEN: &str = "the-token-of-the-interface";

/// A signer of Ironclad Clickwrap as its interface shows one, in the form of its published fragment.
pub(super) fn signer(id: &str, name: (&str, &str), mobile: Option<&str>, status: &str) -> Value {
    json!({
        "send_to": {"email": true, "mobile_number": mobile.is_some()},
        "signer_id": id,
        "signer": {
            "email": id, "mobile_number": mobile,
            "additional_attributes": {"first_name": name.0, "last_name": name.1},
        },
        "request_url": format!("https://vendor.example/sign/{id}"),
        "status": status,
    })
}
