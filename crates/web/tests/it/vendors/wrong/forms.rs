//! Forms with parts that come to the vendors' calls, put together wrongly in one way or another.

use std::time::Duration;

use axum::body::Body;
use http::Request;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::{Place, is_in_shape};
use crate::documents::pdf;
use crate::world::Answer;

/// Forms to one world.
const FORMS: u32 = 400;
/// What a boundary, and the head of a part, may be at most.
const BOUNDARY_CHARS_MAX: usize = 70;
const HEAD_BYTES_MAX: usize = 8 * 1024;
const PARTS_MAX: usize = 64;
/// What takes longer hangs.
const TIME_MAX: Duration = Duration::from_secs(20);
const GOOD: &str = "multipart/form-data; boundary=cut";

/// A call that takes a form; `needed` is the part without which there is nothing.
#[derive(Debug, Clone)]
struct Target {
    path: String,
    pieces: Vec<Piece>,
    needed: &'static str,
}

/// A part of a form.
#[derive(Debug, Clone)]
struct Piece {
    name: Vec<u8>,
    file: Option<&'static str>,
    kind: &'static str,
    body: Vec<u8>,
}

impl Piece {
    fn text(name: &str, body: &str) -> Self {
        Self { name: name.into(), file: None, kind: "application/json", body: body.into() }
    }

    fn file(name: &str, body: &str) -> Self {
        Self { file: Some("Vertrag é.pdf"), kind: "application/pdf", ..Self::text(name, body) }
    }

    fn bytes(&self) -> Vec<u8> {
        let file = self.file.map_or(String::new(), |file| format!("; filename=\"{file}\""));
        let before = b"--cut\r\nContent-Disposition: form-data; name=\"";
        let after = format!("\"{file}\r\nContent-Type: {}\r\n\r\n", self.kind);
        [&before[..], &self.name, after.as_bytes(), &self.body, b"\r\n"].concat()
    }
}

/// Gives every call that takes a form, with one that it takes.
fn targets(place: &Place) -> Vec<Target> {
    let launch = json!({
        "template": place.known.template, "creator": {"type": "email", "email": "ada@example.com"},
        "attributes": {"name": "A", "draft": [{"file": "nda"}]},
    });
    let word = json!({"comment": {"message": "an annex"}}).to_string();
    let roles = json!({"signerRoleNames": ["Theirs"]}).to_string();
    let workflows = "/public/api/v1/workflows";
    let target = |path: String, pieces: Vec<Piece>, needed| Target { path, pieces, needed };
    vec![
        target(
            workflows.to_owned(),
            vec![Piece::text("data", &launch.to_string()), Piece::file("nda", "%PDF one")],
            "data",
        ),
        target(
            format!("{workflows}/{}/documents/draft", place.known.workflow),
            vec![Piece::file("attachment", "%PDF two"), Piece::text("metadata", &word)],
            "attachment",
        ),
        target(
            format!("{workflows}/{}/upload-signed", place.known.signing),
            vec![Piece::text("metadata", &roles), Piece::file("attachment", "%PDF paper")],
            "attachment",
        ),
        target("/Api/v6/file/upload".to_owned(), vec![Piece::file("file", &pdf(900))], "file"),
    ]
}

/// What is wrong with a form. None of it may be taken.
#[derive(Debug, Clone)]
enum Fault {
    /// It says that it is something else, or names no boundary, or another.
    Kind(String),
    /// The body ends somewhere before its end.
    CutOff(Index),
    Empty,
    /// JSON, though it says that it is a form.
    Json,
    /// One part has more headers than are read.
    Head(Index, usize),
    /// Parts without end.
    Many(usize),
    /// A part comes twice.
    Twice(Index),
    /// The needed part has another name, which is no UTF-8.
    Named(Vec<u8>),
    /// The needed part is not there.
    Gone,
    /// The needed part is one of several in another multipart.
    Nested,
    /// The needed part has something else in it: no JSON, or no file.
    Other,
    /// Lines end as on Unix.
    Lines,
}

fn fault() -> impl Strategy<Value = Fault> {
    let long = (BOUNDARY_CHARS_MAX + 1..4_000).prop_map(|chars| "x".repeat(chars));
    let boundary = prop_oneof![
        select(vec!["", "\"\"", "other", "cu", "cut2", "a\tb", "é"]).prop_map(str::to_owned),
        long,
    ];
    let kinds = vec![
        "",
        "multipart/form-data",
        "multipart/form-data; charset=utf-8",
        "multipart/mixed; boundary=cut",
        "multipart/related; boundary=cut",
        "application/json",
        "application/x-www-form-urlencoded",
        "text/plain; boundary=cut",
        ";boundary=cut",
    ];
    let kind = prop_oneof![
        select(kinds).prop_map(str::to_owned),
        boundary.prop_map(|boundary| format!("multipart/form-data; boundary={boundary}")),
    ];
    let no_utf8 = (vec(any::<u8>(), 0..8), 0x80_u8..0xc0)
        .prop_map(|(before, byte)| [before, vec![byte]].concat())
        .prop_filter("of one line", |name| !name.iter().any(|byte| b"\r\n\"".contains(byte)));
    prop_oneof![
        6 => kind.prop_map(Fault::Kind),
        6 => any::<Index>().prop_map(Fault::CutOff),
        1 => Just(Fault::Empty),
        1 => Just(Fault::Json),
        2 => (any::<Index>(), HEAD_BYTES_MAX..100_000).prop_map(|(at, bytes)| Fault::Head(at, bytes)),
        2 => (PARTS_MAX + 1..5_000).prop_map(Fault::Many),
        2 => any::<Index>().prop_map(Fault::Twice),
        2 => no_utf8.prop_map(Fault::Named),
        1 => Just(Fault::Gone),
        1 => Just(Fault::Nested),
        1 => Just(Fault::Other),
        1 => Just(Fault::Lines),
    ]
}

impl Target {
    fn whole(&self) -> Vec<u8> {
        let pieces = self.pieces.iter().flat_map(Piece::bytes);
        pieces.chain(*b"--cut--").collect()
    }

    /// Changes the part without which there is nothing.
    fn with(&self, change: impl FnOnce(&mut Piece)) -> Vec<u8> {
        let mut target = self.clone();
        let needed = self.needed.as_bytes();
        change(target.pieces.iter_mut().find(|piece| piece.name == needed).unwrap());
        target.whole()
    }

    /// Puts parts in the place of its own.
    fn of(&self, pieces: Vec<Piece>) -> Vec<u8> {
        Self { pieces, ..self.clone() }.whole()
    }

    fn body(&self, fault: &Fault) -> Vec<u8> {
        let whole = self.whole();
        match fault {
            Fault::Kind(_) => whole,
            Fault::CutOff(at) => whole[..at.index(whole.len())].to_vec(),
            Fault::Empty => Vec::new(),
            Fault::Json => self
                .pieces
                .iter()
                .find(|piece| piece.file.is_none())
                .map_or_else(|| b"{\"file\":\"JVBERg==\"}".to_vec(), |piece| piece.body.clone()),
            Fault::Head(at, bytes) => {
                let mut pieces: Vec<Vec<u8>> = self.pieces.iter().map(Piece::bytes).collect();
                let piece = &mut pieces[at.index(self.pieces.len())];
                let header = [b"X-Note: ".to_vec(), vec![b'y'; *bytes], b"\r\n".to_vec()].concat();
                piece.splice(7..7, header);
                [pieces.concat(), b"--cut--".to_vec()].concat()
            }
            Fault::Many(count) => {
                let more = (0..*count).map(|n| Piece::text(&format!("note{n}"), "{}"));
                self.of(self.pieces.iter().cloned().chain(more).collect())
            }
            Fault::Twice(at) => {
                let again = self.pieces[at.index(self.pieces.len())].clone();
                self.of(self.pieces.iter().cloned().chain([again]).collect())
            }
            // A file is known by being one, where only one may come along.
            Fault::Named(name) => self.with(|piece| {
                piece.name.clone_from(name);
                piece.file = None;
            }),
            Fault::Gone => {
                let others =
                    self.pieces.iter().filter(|piece| piece.name != self.needed.as_bytes());
                self.of(others.cloned().collect())
            }
            Fault::Nested => self.with(|piece| {
                piece.kind = "multipart/mixed; boundary=in";
                piece.body =
                    [b"--in\r\n\r\n".to_vec(), piece.body.clone(), b"\r\n--in--".to_vec()].concat();
            }),
            Fault::Other => self.with(|piece| {
                if piece.file.take().is_some() {
                    piece.body = b"contract.pdf".to_vec();
                } else {
                    piece.file = Some("contract.pdf");
                    piece.body = b"%PDF-1.7 \xff".to_vec();
                }
            }),
            Fault::Lines => {
                let text = String::from_utf8(whole).unwrap();
                text.replace("\r\n", "\n").into_bytes()
            }
        }
    }
}

async fn post(place: &Place, path: &str, kind: &str, body: Vec<u8>) -> Answer {
    let request = Request::post(path)
        .header("authorization", format!("Bearer {}", place.world.key))
        .header("content-type", kind.as_bytes())
        .body(Body::from(body))
        .unwrap();
    timeout(TIME_MAX, place.world.send(request)).await.unwrap_or_else(|_| panic!("{path} hangs"))
}

async fn is_refused(place: &Place, (at, fault): (Index, Fault)) -> Result<(), TestCaseError> {
    let targets = targets(place);
    let target = at.get(&targets);
    let kind = if let Fault::Kind(kind) = &fault { kind } else { GOOD };
    let answer = post(place, &target.path, kind, target.body(&fault)).await;
    let said = format!("{}: {} {}", target.path, answer.status, answer.text);
    prop_assert!((400..500).contains(&answer.status), "{}", said);
    prop_assert!(answer.status != 409 && !answer.text.contains("INVALID_STATE"), "{}", said);
    prop_assert_eq!(answer.header("content-type"), "application/json", "{}", said);
    prop_assert!(is_in_shape(&target.path, &answer), "{}", said);
    Ok(())
}

#[test]
fn a_form_that_is_put_together_wrongly_is_refused_in_the_vendors_shape() {
    let runtime = Runtime::new().unwrap();
    let place = runtime.block_on(Place::new());
    let config = Config { cases: FORMS, failure_persistence: None, ..Config::default() };
    let wrong = (any::<Index>(), fault());
    let ran =
        TestRunner::new(config).run(&wrong, |wrong| runtime.block_on(is_refused(&place, wrong)));
    if let Err(error) = ran {
        panic!("{error}");
    }
    // After all of them, what is right is taken; a paper, once nobody is asked to sign any more.
    let signing = format!("/public/api/v1/workflows/{}/sign-status", place.known.signing);
    let (path, why) = (format!("{signing}/cancel-signature-request"), br#"{"reason":"paper"}"#);
    let answer = runtime.block_on(post(&place, &path, "application/json", why.to_vec()));
    assert_eq!(answer.status, 200, "{}", answer.text);
    for target in targets(&place) {
        let answer = runtime.block_on(post(&place, &target.path, GOOD, target.whole()));
        assert!(answer.status < 300, "{}: {} {}", target.path, answer.status, answer.text);
    }
}

#[test]
fn a_form_that_comes_where_none_is_taken_is_answered_in_the_vendors_shape() {
    let runtime = Runtime::new().unwrap();
    let place = runtime.block_on(Place::new());
    for route in super::routes().iter().filter(|route| ["POST", "PATCH"].contains(&route.method)) {
        let path = place.known.path(route, &[]);
        for kind in [GOOD, "application/json", "application/x-www-form-urlencoded"] {
            let form = Target { path: path.clone(), pieces: vec![], needed: "" };
            let body = form.of(vec![Piece::text("comment", "\"a\""), Piece::file("other", "%PDF")]);
            let request = Request::builder()
                .method(route.method)
                .uri(&path)
                .header("authorization", format!("Bearer {}", place.world.key))
                .header("content-type", kind)
                .body(Body::from(body))
                .unwrap();
            let answer = runtime.block_on(place.world.send(request));
            let said = format!("{route:?} {kind}: {} {}", answer.status, answer.text);
            assert!(answer.status < 500, "{said}");
            assert!(answer.status < 300 || is_in_shape(&path, &answer), "{said}");
        }
    }
}
