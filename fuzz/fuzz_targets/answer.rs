//! Whatever a receiver answers, an attempt ends, keeps no more than it may, and means the same however the bytes come.
//!
//! The receiver and the client are the real ones, over loopback.

#![no_main]

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use channels::{Channel, Guard, Http, Lane, Options, Schemes};
use domain::call::{ANSWER_BYTES_MAX, Call, Ending, Method, Outcome};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use url::Url;

struct World {
    runtime: Runtime,
    listener: TcpListener,
    client: Http,
    call: Call,
}

fn world() -> World {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let listener =
        runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port on loopback");
    let url = format!("http://{}/", listener.local_addr().expect("its address"));
    let guard = Guard::new(vec!["127.0.0.0/8".parse().expect("a network")], Schemes::HttpToo);
    let call = Call {
        method: Method::Post,
        url: Arc::new(Url::parse(&url).expect("a URL")),
        headers: Vec::new(),
        body: b"{}".to_vec(),
    };
    World { runtime, listener, client: Http::new(Options::new(guard)).expect("a client"), call }
}

/// Attempts once, over a fresh connection, to a receiver that says two pieces and closes.
fn attempt(world: &World, first: &[u8], second: &[u8]) -> Ending {
    let lane = Lane {
        key: 1,
        connections_max: 0,
        timeout: Duration::from_secs(10),
        answer_bytes_max: ANSWER_BYTES_MAX,
    };
    world.runtime.block_on(async {
        let receiver = async {
            let (mut stream, _) = world.listener.accept().await.expect("somebody calls");
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap_or(0);
            assert!(request[..read].ends_with(b"\r\n\r\n{}"), "one request, whole");
            // The client may have heard enough, and left.
            drop(stream.write_all(first).await);
            for _ in 0..3 {
                yield_now().await;
            }
            drop(stream.write_all(second).await);
        };
        tokio::join!(world.client.attempt(world.call.clone(), lane), receiver).0
    })
}

/// Gives what is to be the same, however the bytes come: not the sentence that says where it broke.
fn meaning(ending: Ending) -> (Option<(u16, String, bool)>, Option<&'static str>) {
    match ending.outcome {
        Outcome::Answered(answer) => {
            assert!((200..=999).contains(&answer.status), "{answer:?}");
            assert!(answer.body.len() <= ANSWER_BYTES_MAX, "{}", answer.body.len());
            (Some((answer.status, answer.body, answer.body_cut)), None)
        }
        Outcome::Failed(failure) => (None, Some(failure.reason.as_str())),
        other @ (Outcome::Handed(_) | Outcome::Read(_)) => panic!("no call: {other:?}"),
    }
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(world());
}

fuzz_target!(|data: &[u8]| {
    let Some((cut, rest)) = data.split_first() else { return };
    WORLD.with_borrow(|world| {
        let (first, second) = rest.split_at(usize::from(*cut).min(rest.len()));
        let at_once = meaning(attempt(world, rest, b""));
        let in_pieces = meaning(attempt(world, first, second));
        assert_eq!(at_once, in_pieces, "cut after {cut}");
    });
});
