//! The mailbox of development, by the API and as pages.

use channels::mailbox::Kept;
use domain::id::{self, AccountId};
use domain::message::{Mail, Mailbox, Message, Sms};
use domain::time::Timestamp;

use super::world::World;

fn put(world: &World, id: u128, account: AccountId, message: Message) {
    let kept = Kept { id, at: Timestamp::from_millis(1_800_000_000_000), account, message };
    world.engine.mailbox().unwrap().put(kept);
}

fn mail(to: &str, subject: &str, html: &str) -> Message {
    let from = Mailbox { name: Some("Acme".to_owned()), address: "sign@example.com".to_owned() };
    Message::Email(Mail {
        key: "ntc_1".to_owned(),
        from,
        reply_to: None,
        to: Mailbox { name: None, address: to.to_owned() },
        subject: subject.to_owned(),
        text: "Sign here: https://sign.example.com/l/x".to_owned(),
        html: Some(html.to_owned()),
        tag: None,
    })
}

fn sms(text: &str) -> Message {
    let (key, from, to) = ("ntc_2".to_owned(), "Acme".to_owned(), "+431234567".to_owned());
    Message::Sms(Sms { key, from, to, text: text.to_owned() })
}

#[tokio::test]
async fn the_api_lists_an_accounts_own_messages_and_finds_them_by_address() {
    let world = World::new().await;
    put(&world, 1, world.account, mail("ada@example.com", "Lease", "<p>Hello</p>"));
    put(&world, 2, world.account, sms(&"x".repeat(161)));
    put(&world, 3, AccountId::new(7), mail("ada@example.com", "Of others", ""));
    let first = world.api("GET", "/mailbox?limit=1", None).await.expect(200).json();
    assert_eq!(first["data"][0]["segments"], 2);
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = world.api("GET", &format!("/mailbox?limit=1&cursor={cursor}"), None).await.json();
    assert_eq!(next["data"][0]["subject"], "Lease");
    assert!(next["next_cursor"].is_null() && next["data"][0].get("html").is_none());
    let found = world.api("GET", "/mailbox?to=Ada@Example.com", None).await.expect(200).json();
    let id = found["data"][0]["id"].as_str().unwrap();
    let read = world.api("GET", &format!("/mailbox/{id}"), None).await.expect(200).json();
    assert_eq!(read["html"], "<p>Hello</p>");
    let others = format!("/mailbox/{}", id::encode(3));
    world.api("GET", &others, None).await.expect_problem(404, "P0009", "not_found");
}

#[tokio::test]
async fn what_a_mail_says_stays_in_a_frame_that_runs_nothing() {
    let world = World::new().await;
    let hostile = "\"></iframe><script>alert(1)</script>";
    put(&world, 1, world.account, mail("ada@example.com", hostile, hostile));
    put(&world, 2, world.account, sms("Sign: https://sign.example.com/l/x <b>"));
    let list = world.get("/mailbox").await.expect(200).text;
    assert!(list.contains("ada@example.com") && !list.contains("<script"));
    let page = world.get(&format!("/mailbox/{}", id::encode(1))).await.expect(200);
    assert!(!page.text.contains("<script") && !page.text.contains("allow-same-origin"));
    assert!(page.text.contains("sandbox=\"allow-popups allow-popups-to-escape-sandbox\""));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; "));
    let page = world.get(&format!("/mailbox/{}", id::encode(2))).await.expect(200).text;
    assert!(page.contains("href=\"https://sign.example.com/l/x\"") && page.contains("1 segment<"));
}
