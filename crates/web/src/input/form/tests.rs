//! Forms of all kinds, whole and cut.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const TYPE: &str = "multipart/form-data; boundary=\"a b\"";

/// Takes a form apart that comes in pieces of some length: its parts, and whether it ended as it should.
fn cut(body: &[u8], step: usize) -> Result<Vec<(Head, Vec<u8>)>, Malformed> {
    let mut form = Form::of(TYPE).unwrap();
    let mut parts: Vec<(Head, Vec<u8>)> = Vec::new();
    for chunk in body.chunks(step) {
        form.push(Bytes::copy_from_slice(chunk));
        loop {
            match form.next()? {
                Next::Part(head) => parts.push((head, Vec::new())),
                Next::Bytes(bytes) => parts.last_mut().unwrap().1.extend(bytes),
                Next::End | Next::More => break,
            }
        }
        assert!(form.kept.len() < step.saturating_add(HEAD_BYTES_MAX + form.delimiter.len()));
    }
    form.end()?;
    Ok(parts)
}

fn whole(body: impl Into<Bytes>) -> Result<Vec<Part>, Malformed> {
    parts(TYPE, body.into())
}

fn part(head: &str, content: &[u8]) -> Vec<u8> {
    [b"--a b\r\n", head.as_bytes(), b"\r\n\r\n", content, b"\r\n"].concat()
}

/// Pieces of which a form is made, or nearly.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    const KNOWN: &[&str] = &[
        "--a b",
        "\r\n--a b",
        "\r\n",
        "\r",
        "\n",
        "-",
        "--",
        " ",
        "\t",
        "a",
        ":",
        ";",
        "=",
        "\"",
        "\\",
        "content-disposition: form-data; name=\"f\"",
        "filename*=utf-8''%e2",
        "\r\n\r\n",
    ];
    let long = (Just(b'y'), HEAD_BYTES_MAX - 60..HEAD_BYTES_MAX + 60);
    prop_oneof![
        12 => prop::sample::select(KNOWN).prop_map(|text| text.as_bytes().to_vec()),
        2 => vec(any::<u8>(), 0..40),
        1 => long.prop_map(|(byte, times)| vec![byte; times]),
        1 => (0..2 * PADDING_BYTES_MAX).prop_map(|times| vec![b' '; times]),
    ]
}

proptest! {
    #[test]
    fn what_is_put_together_comes_apart_however_it_is_cut(
        contents in vec(vec(any::<u8>(), 0..200), 1..5),
        step in 1_usize..300,
    ) {
        let mut body = Vec::new();
        for (n, content) in contents.iter().enumerate() {
            let head = format!("Content-Disposition: form-data; name=\"f{n}\"; filename=\"{n}.pdf\"");
            body.extend(part(&head, content));
        }
        body.extend(b"--a b--\r\nwhat follows");
        let parts = cut(&body, step).unwrap();
        prop_assert!(parts.iter().map(|(_, content)| content).eq(&contents));
        let parts = whole(body).unwrap();
        prop_assert!(parts.iter().map(|part| part.body.to_vec()).eq(contents));
        let names = (0..parts.len()).map(|n| format!("f{n}"));
        prop_assert!(parts.iter().map(|part| part.name.clone()).eq(names));
    }

    #[test]
    fn whatever_comes_in_gives_the_same_however_it_is_cut(
        led: bool,
        pieces in vec(piece(), 0..24),
        step in 1_usize..40,
    ) {
        let body = [if led { b"--a b\r\n".as_slice() } else { b"" }, &pieces.concat()].concat();
        prop_assert_eq!(cut(&body, step), cut(&body, usize::MAX));
        drop(whole(body));
    }

    #[test]
    fn no_content_type_panics(kind: String, tail in "(boundary|form-data|;|=|\"|\\\\|é| )*") {
        drop(Form::of(&kind));
        drop(Form::of(&format!("multipart/form-data;{tail}")));
    }
}

#[test]
fn parts_say_what_they_are() {
    let body = "before\r\n--a b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--a\r\n--a b \t\r\n\
        content-type: text/plain\r\ncontent-disposition: form-data; filename=\"\\\"%22;é.txt\"; name=b\r\n\r\n\r\n--a b--\r\nafter";
    let [one, two] = <[Part; 2]>::try_from(whole(body).unwrap()).unwrap();
    assert_eq!((one.name.as_str(), one.file_name, one.media_type), ("a", None, None));
    assert_eq!(two.file_name.as_deref(), Some("\"\";é.txt"));
    assert_eq!((two.name.as_str(), two.media_type.as_deref()), ("b", Some("text/plain")));
    assert_eq!((&one.body[..], &two.body[..]), (&b"one\r\n--a"[..], &b""[..]));
}

#[test]
fn a_part_of_a_whole_body_is_no_copy() {
    let body = Bytes::from(
        [part("content-disposition: x; name=f", b"text"), b"--a b--".to_vec()].concat(),
    );
    let place = body.as_ptr_range();
    let parts = whole(body.clone()).unwrap();
    assert!(place.contains(&parts[0].body.as_ptr()));
}

#[test]
fn a_body_that_is_cut_off_is_refused() {
    let body = [part("Content-Disposition: form-data; name=\"a\"", b"one"), b"--a b--".to_vec()];
    let body = Bytes::from(body.concat());
    assert_eq!(whole(body.clone()).unwrap().len(), 1);
    for end in 0..body.len() {
        assert!(whole(body.slice(..end)).is_err(), "{end}");
    }
}

#[test]
fn what_is_no_form_is_told_where_it_is_wrong() {
    let named = |n: usize| part(&format!("content-disposition: form-data; name={n}"), b"");
    let many = |count: usize| (0..count).flat_map(named).chain(*b"--a b--").collect::<Vec<u8>>();
    assert_eq!(whole(many(PARTS_MAX)).unwrap().len(), PARTS_MAX);
    let long = vec![b'y'; HEAD_BYTES_MAX];
    let spaces = " ".repeat(PADDING_BYTES_MAX + 1);
    let cases = [
        (b"".to_vec(), Malformed::NotLed),
        (b"--other\r\n\r\nx\r\n--other--".to_vec(), Malformed::NotLed),
        ([&long[..], b"y\r\n--a b--"].concat(), Malformed::NotLed),
        (b"--a bc\r\n\r\nx".to_vec(), Malformed::NoLine { part: 1 }),
        (format!("--a b{spaces}\r\n").into(), Malformed::NoLine { part: 1 }),
        ([named(1), b"--a b\nx".to_vec()].concat(), Malformed::NoLine { part: 2 }),
        (many(PARTS_MAX + 1), Malformed::TooManyParts),
        (many(5_000), Malformed::TooManyParts),
        ([&named(1), &b"--a b\r\nX: "[..], &long].concat(), Malformed::HeadTooLong { part: 2 }),
        (part("X: y", b""), Malformed::Nameless { part: 1 }),
        ([named(1), named(2), named(1)].concat(), Malformed::Twice { part: 3 }),
        (part("Content-Type: Multipart/mixed", b""), Malformed::Nested { part: 1 }),
        (named(1), Malformed::CutOff { part: 1 }),
        ([named(1), named(2), b"--a b".to_vec()].concat(), Malformed::CutOff { part: 2 }),
    ];
    for (body, expected) in cases {
        assert_eq!(whole(body.clone()), Err(expected), "{}", String::from_utf8_lossy(&body));
    }
}

#[test]
fn a_form_needs_a_boundary() {
    for kind in
        ["multipart/form-data; boundary=x", "Multipart/Form-Data; charset=utf-8; Boundary=\"x\""]
    {
        assert!(Form::of(kind).is_ok(), "{kind}");
    }
    let long = format!("multipart/form-data; boundary={}", "x".repeat(BOUNDARY_CHARS_MAX + 1));
    for kind in [
        "",
        "multipart/form-data",
        "multipart/mixed; boundary=x",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"a\u{7f}\"",
        &long,
    ] {
        assert_eq!(Form::of(kind).unwrap_err(), Malformed::NoBoundary, "{kind}");
    }
}
