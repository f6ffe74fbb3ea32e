//! `countersign serve` as a child of the test, and its API.

use serde_json::{Value, json};

use crate::http::{Message, bytes, call};
use crate::process::{Running, Scratch};

/// The key that the settings let in.
pub(crate) const KEY: &str = "cs_of_the_tests_0123456789abcdefghij";

/// Lets webhooks reach the receiver of a test.
pub(crate) const LOCAL: [&str; 3] = ["--allow-targets", "127.0.0.0/8", "--allow-http-targets"];

/// A service that runs, for production.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) address: String,
    pub(crate) scratch: Scratch,
    running: Running,
}

impl Service {
    pub(crate) fn start(more: &[&str]) -> Self {
        Self::start_in(Scratch::new(), more)
    }

    /// Starts on the data folder that is in this one, if there is one.
    pub(crate) fn start_in(scratch: Scratch, more: &[&str]) -> Self {
        Self::start_with(scratch, more, &[])
    }

    /// Starts with variables of its own.
    pub(crate) fn start_with(scratch: Scratch, more: &[&str], variables: &[(&str, &str)]) -> Self {
        let args = ["serve", "--listen", "127.0.0.1:0", "--data", "data", "--api-key", KEY];
        let mut command = scratch.command(&[&args, more].concat());
        command.envs(variables.iter().copied());
        let running = Running::start(command);
        let lines = running.until("listening url=http://");
        let address = lines.last().unwrap().split("url=http://").nth(1).unwrap().trim().to_owned();
        Self { address, scratch, running }
    }

    /// Starts for development, where the clock can be moved.
    pub(crate) fn develop(more: &[&str]) -> Self {
        Self::develop_in(Scratch::new(), more)
    }

    /// Starts for development on the data folder that is in this one, if there is one.
    pub(crate) fn develop_in(scratch: Scratch, more: &[&str]) -> Self {
        let args = ["dev", "--quiet", "--listen", "127.0.0.1:0", "--api-key", KEY];
        let running = Running::start(scratch.command(&[&args, more].concat()));
        let lines = running.until("Ctrl-C stops.");
        let api = lines.iter().find_map(|line| line.split("http://").nth(1));
        let address = api.unwrap().split('/').next().unwrap().trim().to_owned();
        Self { address, scratch, running }
    }

    /// Sends a call without anything that the test has not written.
    pub(crate) fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Message {
        call(&self.address, &bytes(method, target, headers, body))
    }

    /// Calls the API with the key of the settings.
    pub(crate) fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Message {
        self.api_as(KEY, method, path, body)
    }

    /// Calls the API with a key.
    pub(crate) fn api_as(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Message {
        call(&self.address, &api_bytes(key, method, path, body))
    }

    /// Submits a form of the signing page, as a browser does.
    pub(crate) fn submit(&self, page: &str, what: &str, form: &str) -> Message {
        self.send("POST", &format!("{page}/{what}"), &BROWSER, form.as_bytes())
    }

    /// Sends a request to two people, and gives it as the API does.
    pub(crate) fn sent(&self, signing_order: &str) -> Value {
        let draft = draft(signing_order);
        let id = id(&self.api("POST", "/requests", Some(&draft)).expect(201));
        self.api("POST", &format!("/requests/{id}/send"), None).expect(200).json()
    }

    /// Gives the path of a signer's page.
    pub(crate) fn page(&self, request: &Value, index: usize) -> String {
        let url = request["signers"][index]["signing_url"].as_str().unwrap();
        url.strip_prefix(&format!("http://{}", self.address)).unwrap().to_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Waits for a line of the log that contains a text; gives what stands behind it.
    pub(crate) fn says(&self, text: &str) -> String {
        let lines = self.running.until(text);
        lines.last().unwrap().split(text).nth(1).unwrap().trim().to_owned()
    }

    /// Moves the clock on.
    pub(crate) fn advance(&self, by: &str) {
        self.api("POST", "/clock", Some(&json!({"advance": by}))).expect(200);
    }

    /// Takes a provider on, and gives it as the API does.
    pub(crate) fn provider(&self, registration: &Value) -> Value {
        self.api("POST", "/providers", Some(registration)).expect(201).json()
    }

    /// Ends it as a power cut would, and gives its folder.
    pub(crate) fn kill(self) -> Scratch {
        let Self { scratch, running, .. } = self;
        drop(running);
        scratch
    }

    /// Stops it, and gives its folder.
    pub(crate) fn end(self) -> Scratch {
        let Self { scratch, running, .. } = self;
        assert_eq!(running.stop(), Some(0));
        scratch
    }

    /// Stops it, and gives what it has said since it listened.
    pub(crate) fn last_words(self) -> Vec<String> {
        let (code, lines) = self.running.end();
        assert_eq!(code, Some(0));
        lines
    }

    /// Stops it, and sees that it ends well.
    pub(crate) fn stop(self) {
        assert_eq!(self.running.stop(), Some(0));
    }
}

const BROWSER: [(&str, &str); 3] = [
    ("content-type", "application/x-www-form-urlencoded"),
    ("sec-fetch-site", "same-origin"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
];

/// Writes a call of the API as bytes.
pub(crate) fn api_bytes(key: &str, method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
    let authorization = format!("Bearer {key}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let body = body.map(Value::to_string).unwrap_or_default();
    bytes(method, &format!("/api/v1{path}"), &headers, body.as_bytes())
}

/// Writes a form of the signing page as bytes.
pub(crate) fn form_bytes(target: &str, form: &str) -> Vec<u8> {
    bytes("POST", target, &BROWSER, form.as_bytes())
}

/// Drafts a request to two people: one with a label, one with a company.
pub(crate) fn draft(signing_order: &str) -> Value {
    json!({
        "title": "NDA for Acme",
        "sender": {"name": "Grace Hopper", "email": "grace@example.com"},
        "signing_order": signing_order,
        "signers": [
            {"name": "Ada Lovelace", "email": "ada+sign@example.com", "label": "CEO"},
            {"name": "Alan Turing", "email": "alan@example.com", "company": "Acme LLC"},
        ],
    })
}

/// Gives the id of what was made.
pub(crate) fn id(made: &Message) -> String {
    made.json()["id"].as_str().unwrap().to_owned()
}
