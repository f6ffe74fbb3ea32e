//! A crew on a stage of its own, and the few things that tests say often.

use std::fs;
use std::path::PathBuf;
use std::process;

use domain::endpoint::Endpoint;
use domain::request::Callbacks;
use engine::Once;
use engine::endpoints::NewEndpoint;
use engine::events::NewEvent;
use engine::requests::{NewPerson, NewRequest, NewSigner};
use sim::Crew;
use store::conformance::Database;

/// A folder that no other test uses.
pub(crate) fn folder(name: &str) -> PathBuf {
    let shared = PathBuf::from("/dev/shm");
    let root = if shared.is_dir() { shared } else { PathBuf::from(env!("CARGO_TARGET_TMPDIR")) };
    let folder = root.join(format!("countersign-sim-{}-{name}", process::id()));
    drop(fs::remove_dir_all(&folder));
    folder
}

pub(crate) async fn crew(name: &str) -> Crew {
    Crew::start(folder(name), 7).await.unwrap()
}

/// Two nodes on a database, which agree on their shares.
pub(crate) async fn two(database: &Database) -> Crew {
    let mut crew = Crew::start_several(database.url(), 2, 7).await.unwrap();
    for _ in 0..2 {
        crew.beat().await;
    }
    crew
}

pub(crate) async fn endpoint(crew: &Crew, endpoint: NewEndpoint) -> Endpoint {
    crew.engine().unwrap().create_endpoint(crew.account, endpoint, &Once::unkept()).await.unwrap()
}

/// Sends a request to one signer.
pub(crate) async fn send(crew: &Crew, callbacks: Option<Callbacks>) {
    let person = NewPerson {
        name: "Ada".to_owned(),
        email: "ada@example.net".to_owned(),
        ..NewPerson::default()
    };
    let input = NewRequest {
        title: "A contract".to_owned(),
        signers: vec![NewSigner { person, ..NewSigner::default() }],
        callbacks,
        send: true,
        ..NewRequest::default()
    };
    let engine = crew.engine().unwrap();
    engine.create_request(crew.account, input, &Once::unkept()).await.unwrap();
}

pub(crate) async fn post(crew: &Crew, name: &str) {
    posted(crew, name, "{}", None).await;
}

/// Notes an event that says something, perhaps in the order of a key.
pub(crate) async fn posted(crew: &Crew, name: &str, data: &str, key: Option<usize>) {
    let event = NewEvent {
        name: format!("custom.{name}"),
        data: data.to_owned(),
        id: None,
        order_key: key.map(|key| key.to_string()),
    };
    crew.engine().unwrap().post_event(crew.account, event, &Once::unkept()).await.unwrap();
}
