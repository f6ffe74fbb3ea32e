//! Documents from outside: on their way from a vendor's client to who signs and back, and through kills of the process.

use std::fs;
use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use domain::chain::{Hash, sha256};
use serde_json::{Value, json};

use crate::http::{Message, bytes, call, connect};
use crate::process::until;
use crate::service::{KEY, Service, id};

/// A PDF with one empty page, and with bytes behind it that are no text.
pub(crate) fn pdf(bytes: usize, seed: u8) -> Vec<u8> {
    let page = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n\
        2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
        3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\n\
        trailer<</Root 1 0 R>>\n%%EOF\n";
    let mut pdf = page.as_bytes().to_vec();
    let mut state = u32::from(seed) | 1;
    while pdf.len() < bytes {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        pdf.push((state >> 24) as u8);
    }
    pdf
}

/// Uploads a document, and gives its id.
pub(crate) fn upload(service: &Service, file: &[u8]) -> String {
    let token = format!("Bearer {KEY}");
    let headers = [("authorization", token.as_str()), ("content-type", "application/pdf")];
    id(&service.send("POST", "/api/v1/documents?name=a.pdf", &headers, file).expect(201))
}

fn form(file: &[u8]) -> Vec<u8> {
    let head =
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"Contract.pdf\"\r\n\r\n";
    [head.as_bytes(), file, b"\r\n--x--\r\n"].concat()
}

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=x");

fn esaw(service: &Service, method: &str, path: &str, body: Option<&Value>) -> Message {
    let headers = [("apitoken", KEY), ("content-type", "application/json")];
    let body = body.map(Value::to_string).unwrap_or_default();
    service.send(method, &format!("/Api/v6.0/{path}"), &headers, body.as_bytes())
}

/// Waits for a message that somebody gets in the end, and gives the link in it.
fn link_to(service: &Service, who: &str) -> String {
    until("the message about the end", || {
        let letters = service.api("GET", "/mailbox?limit=100", None).expect(200).json();
        let letters = letters["data"].as_array().unwrap().clone();
        let is_theirs = |letter: &&Value| {
            letter["to"] == who && letter["subject"].as_str().unwrap().contains("accepted by all")
        };
        let text = letters.iter().find(is_theirs)?["text"].as_str().unwrap().to_owned();
        let link = text.split_whitespace().find(|word| word.contains("/l/"))?;
        Some(link.split_once("/l/").map(|(_, code)| format!("/l/{code}")).unwrap())
    })
}

#[test]
fn a_document_goes_from_a_vendors_client_to_who_signs_and_back() {
    let service = Service::develop(&[]);
    let file = pdf(700_000, 1);
    let headers = [("apitoken", KEY), FORM];
    let uploaded = service.send("POST", "/Api/v6.0/file/upload", &headers, &form(&file));
    let id = uploaded.expect(200).json()["FileId"].as_str().unwrap().to_owned();
    let contact = |name: &str, email: &str| json!({"ContactInformation": {"Email": email, "GivenName": name, "Surname": "Pop"}});
    let envelope = json!({
        "Documents": [{"FileId": id, "DocumentNumber": 1}], "Name": "Contract",
        "Activities": [
            {"Action": {"Sign": {"RecipientConfiguration": contact("Ana", "ana@files.example")}}},
            {"Action": {"SendCopy": {"RecipientConfiguration": contact("Bo", "bo@files.example")}}},
        ],
    });
    let sent = esaw(&service, "POST", "envelope/send", Some(&envelope)).expect(200).json();
    let envelope = format!("envelope/{}", sent["EnvelopeId"].as_str().unwrap());
    let links = esaw(&service, "GET", &format!("{envelope}/viewerlinks"), None).expect(200).json();
    let page = links["ViewerLinks"][0]["ViewerLink"].as_str().unwrap();
    let page = page.split_once("/s/").map(|(_, token)| format!("/s/{token}")).unwrap();
    service.submit(&page, "view", "").expect(303);
    let shown = service.send("GET", &page, &[], b"").expect(200).text();
    let place =
        shown.split(&format!("href=\"{page}/documents/")).nth(1).expect("a link to the file");
    let place = format!("{page}/documents/{}", place.split('"').next().unwrap());
    assert!(service.send("GET", &place, &[], b"").expect(200).body == file);
    service.submit(&page, "sign", "name=Ana+Pop&consent=yes").expect(303);
    let shown = esaw(&service, "GET", &envelope, None).expect(200).json();
    assert_eq!(shown["EnvelopeStatus"], "Completed");
    let files = esaw(&service, "GET", &format!("{envelope}/files"), None).expect(200).json();
    let id = files["Documents"][0]["FileId"].as_str().unwrap();
    assert!(esaw(&service, "GET", &format!("file/{id}"), None).expect(200).body == file);
    for who in ["ana@files.example", "bo@files.example"] {
        let short = link_to(&service, who);
        let onward = service.send("GET", &short, &[], b"");
        let page = onward.header("location").expect("a way on").to_owned();
        let page = page.split_once("/s/").map(|(_, token)| format!("/s/{token}")).unwrap();
        let shown = service.send("GET", &page, &[], b"").expect(200).text();
        let name = place.rsplit('/').next().unwrap();
        assert!(shown.contains("Contract.pdf") && shown.contains(name), "{shown}");
        let whole = service.send("GET", &format!("{page}/documents/{name}"), &[], b"").expect(200);
        assert!(whole.body == file, "{who} got another file");
    }
    service.stop();
}

#[test]
fn a_process_killed_among_uploads_loses_nothing_that_was_answered_and_leaves_nothing_for_ever() {
    let mut service = Service::develop(&[]);
    let answered: Mutex<Vec<(String, String)>> = Mutex::default();
    let begun = AtomicUsize::new(0);
    for cut in 0_usize..3 {
        let (address, target) = (service.address.clone(), 6 * (cut + 1));
        thread::scope(|scope| {
            for seed in 0..4_u8 {
                let (address, answered, begun) = (&address, &answered, &begun);
                scope.spawn(move || {
                    let file = pdf(900_000 + usize::from(seed), seed);
                    let token = format!("Bearer {KEY}");
                    let headers =
                        [("authorization", token.as_str()), ("content-type", "application/pdf")];
                    let wire = bytes("POST", "/api/v1/documents", &headers, &file);
                    loop {
                        begun.fetch_add(1, Ordering::Relaxed);
                        let Ok(mut stream) = TcpStream::connect(address.as_str()) else { return };
                        if stream.write_all(&wire).is_err() {
                            return;
                        }
                        let Some(message) = Message::read(&mut BufReader::new(stream)) else {
                            return;
                        };
                        let document = message.expect(201).json();
                        let id = document["id"].as_str().unwrap().to_owned();
                        answered.lock().unwrap().push((id, Hash(sha256(&file)).to_string()));
                    }
                });
            }
            until("some answers", || (answered.lock().unwrap().len() >= target).then_some(()));
            let pid = service.pid().to_string();
            assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        });
        service = Service::develop_in(service.kill(), &[]);
    }
    let answered = answered.into_inner().unwrap();
    assert!(begun.into_inner() > answered.len(), "every upload was answered");
    for (id, digest) in &answered {
        let path = format!("/documents/{id}/content");
        let whole = service.api("GET", &path, None).expect(200);
        assert_eq!(Hash(sha256(&whole.body)).to_string(), *digest);
    }
    service.advance("PT25H");
    until("the end of what nobody has", || {
        let list = service.api("GET", "/documents", None).expect(200).json();
        list["data"].as_array().unwrap().is_empty().then_some(())
    });
    let scratch = service.end();
    let output = scratch.run(&["export", "export.jsonl", "--data", "countersign-data/dev"]);
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(scratch.path().join("export.jsonl")).unwrap();
    let left: Vec<&str> = text.lines().filter(|line| line.contains("\"document")).collect();
    assert!(left.is_empty(), "{} rows are left, such as {:.200}", left.len(), left[0]);
}

#[test]
fn who_breaks_off_or_sends_what_is_not_taken_leaves_no_document() {
    let service = Service::develop(&[]);
    let token = format!("Bearer {KEY}");
    let headers = [("authorization", token.as_str()), ("content-type", "application/pdf")];
    let whole = bytes("POST", "/api/v1/documents", &headers, &pdf(1_000_000, 3));
    let mut half = connect(&service.address);
    half.write_all(&whole[..600_000]).unwrap();
    drop(half);
    let too_large = bytes("POST", "/api/v1/documents", &headers, &pdf((20 << 20) + 1, 4));
    call(&service.address, &too_large).expect_problem(413, "too_large");
    let text = bytes("POST", "/api/v1/documents", &headers, b"hello");
    call(&service.address, &text).expect_problem(415, "unsupported_media_type");
    let listed = service.api("GET", "/documents", None).expect(200).json();
    assert_eq!(listed["data"], json!([]));
    service.stop();
}
