//! The way to the database is encrypted as its URL asks, and with the right server alone.

use domain::secret::Secret;
use store::conformance::Recorder;
use store::postgres::{Options, Postgres, Protection};
use store::{Error, Store as _};
use tokio_postgres::Client;

use super::database::Database;

/// Opens a store with those words behind the URL, at that host; gives how many of its connections are encrypted.
async fn encrypted(
    database: &Database,
    host: &str,
    words: &str,
) -> Result<(Protection, usize), Error> {
    let url = database.url().expose().replace("127.0.0.1", host);
    let (url, _) = url.split_once('?').unwrap();
    let url = Secret::new(
        format!("{url}?{words}")
            .replace("AUTHORITY", &file("authority"))
            .replace("STRANGER", &file("stranger"))
            .replace("ITSELF", &file("localhost")),
    );
    let options = Options { url, ..database.options(Recorder::new(), 1) };
    let store = Postgres::open(options).await?;
    let ways = ways(&database.client().await).await;
    assert!(ways.iter().all(|is_encrypted| *is_encrypted == ways[0]), "{ways:?}");
    let encrypted = ways.into_iter().filter(|is_encrypted| *is_encrypted).count();
    let protection = store.protection();
    store.close().await?;
    Ok((protection, encrypted))
}

fn file(name: &str) -> String {
    format!("{}/fixtures/{name}.pem", env!("CARGO_MANIFEST_DIR"))
}

/// Tells of each connection that a store has to this database whether it is encrypted.
async fn ways(client: &Client) -> Vec<bool> {
    let text = "SELECT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
        WHERE a.datname = current_database() AND a.application_name = 'countersign'";
    client.query(text, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn refused(host: &str, words: &str) -> String {
    let database = Database::new().await;
    let refused = encrypted(&database, host, words).await.unwrap_err();
    assert!(matches!(refused, Error::Unusable { .. }), "{refused:?}");
    refused.to_string()
}

#[tokio::test]
async fn every_connection_is_encrypted_when_the_url_asks_for_it() {
    let database = Database::new().await;
    for (host, words, expected) in [
        ("127.0.0.1", "sslmode=require", Protection::Unverified),
        ("127.0.0.1", "", Protection::Offered),
        ("127.0.0.1", "sslmode=require&sslrootcert=AUTHORITY", Protection::Authority),
        ("127.0.0.1", "sslmode=verify-ca&sslrootcert=AUTHORITY", Protection::Authority),
        ("localhost", "sslmode=verify-full&sslrootcert=AUTHORITY", Protection::Host),
        ("localhost", "sslmode=verify-full&sslrootcert=ITSELF", Protection::Host),
    ] {
        let (protection, encrypted) = encrypted(&database, host, words).await.unwrap();
        assert!(protection == expected && encrypted > 2, "{words}: {protection:?}, {encrypted}");
    }
    let plain = encrypted(&database, "127.0.0.1", "sslmode=disable").await.unwrap();
    assert_eq!(plain, (Protection::None, 0));
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_is_refused() {
    for words in
        ["sslmode=verify-full&sslrootcert=STRANGER", "sslmode=verify-ca&sslrootcert=system"]
    {
        let text = refused("localhost", words).await;
        assert!(text.contains("not signed by an authority that is trusted"), "{text}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    for roots in ["AUTHORITY", "ITSELF"] {
        let words = format!("sslmode=verify-full&sslrootcert={roots}");
        let text = refused("127.0.0.1", &words).await;
        assert!(text.contains("another name than the host"), "{text}");
    }
}

#[tokio::test]
async fn a_password_is_bound_to_the_certificate_it_was_proven_to() {
    let database = Database::new().await;
    let client = database.client().await;
    // The role belongs to the whole server, and is made by whoever comes first.
    let text = "DO $$ BEGIN CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'open'; EXCEPTION WHEN OTHERS THEN NULL; END $$";
    client.batch_execute(text).await.unwrap();
    let url = database.url().expose().replace("postgres@", "guarded:open@");
    let (url, _) = url.split_once('?').unwrap();
    for (words, is_bound) in [("sslmode=require", true), ("sslmode=disable", false)] {
        let url = Secret::new(format!("{url}?channel_binding=require&{words}"));
        let options = Options { url, ..database.options(Recorder::new(), 1) };
        let opened = Postgres::open(options).await;
        assert_eq!(opened.is_ok(), is_bound, "{opened:?}");
        // The server drops no database while somebody is about to prove a password, and the end of the test would stop
        // those whom this store sent to connect in the middle of it.
        if let Ok(store) = opened {
            store.close().await.unwrap();
        }
    }
}
