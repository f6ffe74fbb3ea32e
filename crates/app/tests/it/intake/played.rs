//! `countersign vendor` against a service: whatever happens to webhooks on their way, the mirror ends as the request did,
//! each thing is told once, and no forgery is taken.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::api::API_TOKEN;
use super::caught::{TOKEN, mirror, named, rows, timeline};
use crate::process::{Running, text, until};
use crate::service::Service;

/// What a run says of its sendings: in which way, how many, and how many of them were taken.
struct Counts(Vec<(String, usize, usize)>);

impl Counts {
    fn of(lines: &[String]) -> Self {
        let counts = lines.iter().filter_map(|line| {
            let (rest, taken) = line.strip_suffix(" taken")?.split_once(" sent, ")?;
            let (how, sent) = rest.trim().rsplit_once(' ')?;
            Some((how.trim().to_owned(), sent.parse().ok()?, taken.trim().parse().ok()?))
        });
        Self(counts.collect())
    }

    /// Gives how many were sent, and how many of them taken.
    fn get(&self, how: &str) -> (usize, usize) {
        let found = self.0.iter().find(|(known, _, _)| known == how);
        found.map_or((0, 0), |(_, sent, taken)| (*sent, *taken))
    }
}

/// Finds a port that nobody listens at.
fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Makes a source, plays its vendor until all is sent, and has everything read.
fn played(vendor: &str, mischief: &str, seed: u64) -> (Service, String, Running, Counts) {
    let service = Service::develop(&[]);
    let address = free();
    let base = |path: &str| json!(format!("http://{address}{path}"));
    let (settings, more) = match vendor {
        "clickwrap" => (
            json!({"token": TOKEN, "api_token": API_TOKEN, "base_url": base("/v1.1")}),
            &["--token", TOKEN][..],
        ),
        "ironclad" => {
            (json!({"api_token": API_TOKEN, "base_url": base("/public/api/v1")}), &[][..])
        }
        "esaw" => (
            json!({"user": "ann", "password": "pa:ss", "api_token": API_TOKEN,
                "base_url": base("/Api/v6.0")}),
            &["--user", "ann", "--password", "pa:ss"][..],
        ),
        "fintechos" => (json!({"api_token": API_TOKEN, "base_url": base("/Api/v6.0")}), &[][..]),
        _ => (json!({}), &[][..]),
    };
    let (source, path) = named(&service, vendor, vendor, &settings);
    let (to, seed) = (format!("http://{}{path}", service.address), seed.to_string());
    let args = ["vendor", vendor, "--to", &to, "--mischief", mischief, "--seed", &seed];
    let args = [&args[..], &["--api", &address, "--api-token", API_TOKEN], more].concat();
    let playing = Running::start(service.scratch.command(&args));
    let lines = playing.until("Ctrl-C stops.");
    // Some are read again a little later, some in half an hour.
    until("everything to be read", || {
        let waits = rows(&service, &source).iter().any(|row| row["state"] == "waiting");
        if waits {
            service.advance("PT10S");
        }
        (!waits).then_some(())
    });
    (service, source, playing, Counts::of(&lines))
}

/// Sees that all came as it must: counts agree, the mirror is complete, and each thing was told once.
fn check(vendor: &str, seed: u64) {
    let (service, source, playing, counts) = played(vendor, "all", seed);
    let rows = rows(&service, &source);
    let state = |state: &str| rows.iter().filter(|row| row["state"] == state).count();
    let (plain, late) = (counts.get("in time"), counts.get("late"));
    let (again, garbled, forged) =
        (counts.get("again"), counts.get("garbled"), counts.get("forged"));
    for (sent, taken) in [plain, late, again] {
        assert!(sent > 0 || (sent, taken) == plain, "{vendor} {:?}", counts.0);
        assert_eq!(sent, taken, "{vendor}");
    }
    assert_eq!(again.0, plain.0 + late.0);
    assert!(forged.0 > 0 && forged.1 == 0 && garbled.0 > 0, "{vendor} {:?}", counts.0);
    // Those that give each thing an id say nothing twice; callbacks without one are all kept.
    let has_ids = !matches!(vendor, "esaw" | "fintechos");
    let kept = plain.1 + late.1 + if has_ids { 0 } else { again.1 };
    assert_eq!((state("done"), state("quarantined")), (kept, garbled.1), "{vendor}: {rows:#?}");
    assert_eq!(
        garbled.1,
        if vendor == "ironclad" { 0 } else { garbled.0 },
        "a signature covers all"
    );
    let shown = service.api("GET", &format!("/sources/{source}"), None).expect(200).json();
    let refused = usize::try_from(shown["refused_count"].as_u64().unwrap()).unwrap();
    assert!(refused <= forged.0 + garbled.0 - garbled.1, "{shown}");

    let mirror = mirror(&service, &source);
    assert_eq!((&mirror["status"], &mirror["progress"]), (&json!("completed"), &json!(100)));
    let signed = |signer: &Value| signer["status"] == "signed";
    let signers = mirror["signers"].as_array().unwrap();
    assert!(signers.len() == 2 && signers.iter().all(signed), "{vendor}: {mirror:#}");
    let told = timeline(&service, mirror["id"].as_str().unwrap());
    let count = |kind: &str| told.iter().filter(|(name, _)| name == kind).count();
    let counts = ["request.sent", "signer.signed", "request.completed"].map(count);
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(counts, [1, 2, 1], "{vendor}, seed {seed}: {names:?}");
    assert_eq!(playing.stop(), Some(0));
    service.stop();
}

#[test]
fn clickwrap_ends_right_whatever_happens_on_the_way() {
    check("clickwrap", 1);
}

#[test]
fn ironclad_ends_right_whatever_happens_on_the_way() {
    check("ironclad", 2);
}

#[test]
fn insertsign_ends_right_whatever_happens_on_the_way() {
    check("insertsign", 3);
}

#[test]
fn fintechos_ends_right_whatever_happens_on_the_way() {
    check("fintechos", 4);
}

#[test]
fn esaw_ends_right_whatever_happens_on_the_way() {
    check("esaw", 5);
}

#[test]
fn what_was_lost_is_found_by_asking() {
    let (service, source, playing, counts) = played("esaw", "lost", 11);
    assert!(counts.get("in time").0 < 7, "{:?}", counts.0);
    service.advance("PT7H");
    let complete = until("the mirror", || {
        let found = mirror(&service, &source);
        (found["status"] == "completed").then_some(found)
    });
    assert_eq!(complete["progress"], 100);
    assert_eq!(playing.stop(), Some(0));
    service.stop();
}

#[test]
fn who_takes_a_forged_one_or_refuses_a_genuine_one_is_told_so() {
    let service = Service::develop(&[]);
    let (_, path) = named(&service, "clickwrap", "open", &json!({}));
    let (_, closed) = named(&service, "clickwrap", "closed", &json!({"token": "another"}));
    for (path, says) in [(path, "forged"), (closed, "in time")] {
        let to = format!("http://{}{path}", service.address);
        let args = ["vendor", "clickwrap", "--to", &to, "--token", TOKEN];
        let output =
            service.scratch.run(&[&args[..], &["--mischief", "forged", "--seed", "3"]].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = text(&output.stdout);
        assert!(said.contains("not as it must be"), "{said}");
        let lines: Vec<String> = said.lines().map(str::to_owned).collect();
        let (sent, taken) = Counts::of(&lines).get(says);
        assert!(if says == "forged" { taken > 0 } else { taken == 0 && sent > 0 }, "{said}");
    }
    let output =
        service.scratch.run(&["vendor", "esaw", "--to", "http://localhost:1", "--token", "t"]);
    assert!(text(&output.stderr).contains("--token is of clickwrap alone"), "{output:?}");
    let output = service.scratch.run(&[
        "vendor",
        "insertsign",
        "--to",
        "http://localhost:1",
        "--ending",
        "expired",
    ]);
    assert!(text(&output.stderr).contains("tells of no request that is expired"), "{output:?}");
    service.stop();
}
