//! What is exported is imported as it was, and nothing else is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::slice;
use std::thread;
use std::time::Duration;

use domain::chain::Hash;
use domain::delivery::{Cause, State, Why};
use domain::endpoint::{Endpoint, Ordering, Secrets, Status};
use domain::event::Event;
use domain::health::Health;
use domain::id::{AccountId, KeyId, ReplayId, RequestId, SignerId};
use domain::key::{Key, Scope};
use domain::replay::{Replay, Status as ReplayStatus};
use domain::secret::Secret;
use rusqlite::Connection;
use store::carry::{self, Counts, Findings, Lines, Pen, Progress};
use store::conformance::{Recorder, World};
use store::{
    Account, Commit, DeliveryFilter, Error, Guarded, MasterKey, NewDelivery, Page, Reply, Setting,
    SettingKind, SignerLink, TimerKind, Write, sqlite,
};

use crate::folder::{Folder, MASTER, open_in};

/// Columns that are not carried, and why.
pub(crate) const LEFT_OUT: &[(&str, &str, &str)] = &[
    ("meta", "*", "figures of one database about itself"),
    ("events", "seq", "rows stand in the order of the log"),
    ("deliveries", "first_id", "carried as an attempt"),
    ("deliveries", "first_at", "carried as an attempt"),
    ("deliveries", "first_took_ms", "carried as an attempt"),
    ("deliveries", "first_url", "carried as an attempt"),
    ("deliveries", "first_body_digest", "carried as an attempt"),
    ("deliveries", "first_remote", "carried as an attempt"),
    ("deliveries", "first_outcome", "carried as an attempt"),
    ("nodes", "*", "nodes of another database are none here"),
    ("writers", "*", "connections of these nodes"),
    ("editions", "*", "what nodes keep in memory begins anew"),
    ("failures", "*", "follows from the states of deliveries"),
    ("heads", "account_id", "the last entry of a timeline"),
    ("heads", "request_id", "the last entry of a timeline"),
    ("heads", "seq", "the last entry of a timeline"),
    ("heads", "hash", "the last entry of a timeline"),
    ("queue", "account_id", "of the delivery"),
    ("queue", "delivery_id", "of the delivery"),
    ("queue", "endpoint_id", "of the delivery"),
    ("queue", "cause", "of the delivery"),
    ("queue", "due_at", "carried with the delivery"),
    ("queue", "held", "carried with the delivery"),
    ("queue", "order_key", "carried with the delivery"),
    ("queue", "node_id", "a lease; what was leased is due"),
    ("queue", "turn", "rows stand in the order of the turns"),
    ("queue", "bytes", "follows from the event"),
    ("timers", "node_id", "who acts on it just now"),
];

const ALL: Page = Page { limit: 1_000, after: None };

/// Writes whatever there is to write: every table has rows, and every column something.
pub(crate) async fn fill(world: &World) -> AccountId {
    let id = world.account();
    let at = id.minted_at();
    let seed = Secret::new("seed");
    let account = Account { id, name: "a".to_owned(), signing_seed: seed, created_at: at };
    let key = Key {
        id: KeyId::new(world.id()),
        account: id,
        name: "k".to_owned(),
        scopes: BTreeSet::from([Scope::Requests]),
        hint: "abcd".to_owned(),
        hash: Hash([3; 32]),
        created_at: at,
        expires_at: None,
        revoked_at: None,
    };
    let request = world.request(id);
    let gone = world.request(id);
    let link = SignerLink { hash: [9; 32], request: request.id, signer: SignerId::new(world.id()) };
    let guarded = |value| Guarded { version: 0, value };
    let writes = vec![
        Write::Account(account),
        Write::Key(key),
        Write::Request(Box::new(guarded(request.clone())), vec![link]),
        Write::Request(Box::new(guarded(gone.clone())), Vec::new()),
        Write::Contact(Guarded { version: 0, value: world.contact(id) }),
        Write::Timer(TimerKind::Expiry, request.id.bits(), Some(at.plus_seconds(99))),
        Write::Timer(TimerKind::Replay, 5, Some(at.plus_seconds(9))),
        Write::Setting(guarded_setting()),
        Write::Notice(Guarded { version: 0, value: world.notice(id, request.id) }),
    ];
    world.write(id, writes).await.unwrap();
    world.write(id, vec![Write::RequestGone(gone.id, 1)]).await.unwrap();
    deliver(world, id, request.id).await;
    let reply = Reply {
        key: "k\0\"é".to_owned(),
        fingerprint: [1; 32],
        status: 201,
        body: "{}".to_owned(),
    };
    world.store.commit(Commit { reply: Some(reply), ..Commit::new(id, at) }).await.unwrap();
    id
}

fn guarded_setting() -> Guarded<Setting> {
    let secrets = Some(Secret::new("{}"));
    let (kind, name, body) = (SettingKind::Provider, "prv".to_owned(), "{}".to_owned());
    Guarded { version: 0, value: Setting { kind, name, body, secrets } }
}

/// Tells endpoints of events: some in order, with one ahead and others held; some to no avail.
async fn deliver(world: &World, account: AccountId, request: RequestId) {
    let at = account.minted_at();
    let secrets = Secrets { token: Some(Secret::new("t0ken")), ..Secrets::default() };
    let plain = world.register(Endpoint { secrets, ..world.endpoint(account) }).await;
    let ordered = Endpoint { ordering: Ordering::Request, ..world.endpoint(account) };
    let ordered = world.register(ordered).await;
    let off = Endpoint { status: Status::Disabled, ..world.endpoint(account) };
    world.register(off).await;
    for name in ["signer.viewed", "signer.signed", "request.completed"] {
        world.say(&[world.event_of(account, request, name)]).await;
    }
    let odd =
        Event { key: Some("id\0\u{1f}ü".to_owned()), test: true, ..world.keyed(account, "o\0k") };
    world.say(&[odd.clone(), world.keyed(account, "o\0k"), world.keyed(account, "o\0k")]).await;
    let taken = world.lanes.taken();
    let to = |endpoint: &Endpoint| {
        taken.iter().filter(|one| one.delivery.endpoint == endpoint.id).collect::<Vec<_>>()
    };
    let states = [
        State::Delivered { at: at.plus_seconds(1) },
        State::Exhausted { at: at.plus_seconds(1), why: Why::WaitsRanOut },
        State::Pending { due_at: at.plus_seconds(600) },
    ];
    for (one, state) in to(&plain).into_iter().zip(states) {
        let settlement = world.settlement(&one.delivery, state);
        let of = one.event.request;
        let health = matches!(state, State::Exhausted { .. }).then_some(false);
        world.settle(vec![store::Settlement { request: of, health, ..settlement }]).await;
    }
    let failing = Health { failing_since: Some(at), failures: 1, warnings: 1 };
    world.write(account, vec![Write::Warned(plain.id, failing)]).await.unwrap();
    let retry =
        world.settlement(&to(&ordered)[0].delivery, State::Pending { due_at: at.plus_seconds(60) });
    world.settle(vec![store::Settlement { request: Some(request), ..retry }]).await;
    let replay = Replay {
        id: ReplayId::new(world.id()),
        account,
        endpoint: plain.id,
        since: at,
        until: at.plus_seconds(9),
        types: Vec::new(),
        states: BTreeSet::new(),
        rate: 10,
        dry_run: false,
        status: ReplayStatus::Running,
        matched: 0,
        sent: 0,
        skipped: BTreeMap::new(),
        cursor: None,
        created_at: at,
        finished_at: None,
    };
    let cause = Cause::Replay { id: replay.id };
    let again = NewDelivery { event: odd.id, endpoint: plain.id, cause, due_at: at };
    let commit = Commit {
        writes: vec![Write::Replay(replay)],
        deliveries: vec![again],
        ..Commit::new(account, at)
    };
    world.store.commit(commit).await.unwrap();
}

/// The lines between the first and the last one: they say the same whenever they were written.
pub(crate) fn rows(export: &[u8]) -> Vec<String> {
    let lines: Vec<_> = str::from_utf8(export).unwrap().lines().map(str::to_owned).collect();
    lines[1..lines.len() - 1].to_vec()
}

/// Gives a store in use a moment.
fn wait(progress: Progress) {
    if progress == Progress::Waiting {
        thread::park_timeout(Duration::from_millis(10));
    }
}

pub(crate) fn export(folder: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    let mut watch = wait;
    let at = AccountId::new(1).minted_at();
    let pen = Pen::begin(&mut out, &mut watch, at, "0").unwrap();
    sqlite::export(folder, pen).unwrap();
    out
}

pub(crate) fn import(folder: &Path, export: &[u8]) -> Result<Findings, Error> {
    let mut watch = |_| ();
    let mut from = Cursor::new(export);
    let mut lines = Lines::begin(&mut from, &mut watch)?;
    sqlite::import(folder, &MasterKey::new(&MASTER).unwrap(), &mut lines)
}

/// Fails unless every table has rows.
pub(crate) fn all_have_rows(counts: Counts) {
    let empty: Vec<_> = counts.iter().filter(|(_, rows)| *rows == 0).collect();
    assert!(empty.is_empty(), "{empty:?}");
}

/// An export of a folder that was filled.
async fn filled() -> Vec<u8> {
    let folder = Folder::new();
    let world = open_in(folder.path(), Recorder::new(), 1, ()).unwrap();
    fill(&world).await;
    drop(world);
    export(folder.path())
}

#[tokio::test]
async fn a_folder_goes_through_an_export_and_is_the_same() {
    let (text, copy) = (filled().await, Folder::new());
    let findings = import(copy.path(), &text).unwrap();
    all_have_rows(findings.counts);
    assert_eq!((findings.chains, findings.entries, findings.erased), (1, 7, 0));
    assert_eq!(rows(&export(copy.path())), rows(&text));

    let world = open_in(copy.path(), Recorder::new(), 2, ()).unwrap();
    let account = world.views.accounts().await.unwrap()[0].id;
    assert_eq!(world.lease_all(0).await.taken, 5);
    let endpoints = world.views.endpoints(account, ALL).await.unwrap();
    assert!(endpoints.iter().any(|row| row.endpoint.secrets.token.is_some()));
}

#[tokio::test]
async fn a_store_in_use_is_exported_with_what_stands_in_the_journal_alone() {
    let folder = Folder::new();
    let world = open_in(folder.path(), Recorder::new(), 1, ()).unwrap();
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let event = world.event(account, "custom.a");
    world.say(slice::from_ref(&event)).await;
    let has_it =
        |text: &[u8]| str::from_utf8(text).unwrap().contains(&format!("{:032x}", event.id.bits()));
    assert!(has_it(&export(folder.path())));
    // The database has it; what is said again leaves a record of which nothing comes.
    assert!(world.views.event(account, event.id).await.unwrap().is_some());
    world.say(slice::from_ref(&event)).await;
    assert!(has_it(&export(folder.path())));
}

#[tokio::test]
async fn what_was_cut_off_or_changed_is_refused_and_leaves_nothing() {
    let text = filled().await;
    let text = str::from_utf8(&text).unwrap();
    let refused = |text: &str| {
        let folder = Folder::new();
        let said = import(folder.path(), text.as_bytes()).unwrap_err().to_string();
        let mut left = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(left.all(|name| name == "countersign.lock"), "{said}");
        said
    };
    for (at, _) in text.match_indices('\n') {
        for cut in [at, at + 1].into_iter().filter(|cut| *cut < text.len()) {
            let said = refused(text.get(..cut).unwrap());
            assert!(said.contains("the file was cut off"), "{cut}: {said}");
        }
    }
    assert!(
        refused(&text.replacen("t0ken", "token", 1).replacen("Lease", "Leash", 1))
            .contains("SHA-256")
    );
    assert!(refused(&format!("{text}x")).contains("goes on behind its last line"));
    assert!(refused("{}\n").contains("is no export"));
    let line = |number: usize, change: &dyn Fn(&str) -> String| {
        let lines = text.lines().enumerate();
        let lines: Vec<_> = lines
            .map(|(at, line)| if at + 1 == number { change(line) } else { line.to_owned() })
            .collect();
        refused(&format!("{}\n", lines.join("\n")))
    };
    assert_eq!(line(2, &|_| "[]".to_owned()), "line 2 makes no sense: nobody knows the table ``");
    assert!(line(3, &|_| "{".to_owned()).starts_with("line 3 makes no sense: it is no list"));
    assert_eq!(
        line(2, &|line| line.replacen('"', "", 3).replacen("accounts", "\"accounts", 1))
            .split(':')
            .next(),
        Some("line 2 makes no sense")
    );
    let number = 1 + text.lines().position(|line| line.starts_with("[\"requests")).unwrap();
    let said = line(number, &|line| line.replacen("\"draft\"", "\"drift\"", 1));
    assert!(said.starts_with(&format!("the row of line {number} cannot be kept: CHECK")), "{said}");
    let said = line(number, &|line| line.replacen(",1,", ",\"1\",", 1));
    assert_eq!(said, format!("line {number} makes no sense: `version` is of another kind"));
    let said =
        line(1, &|line| line.replacen("\"hint\"", "", 1).replacen("\"body\"", "\"budy\"", 1));
    assert!(said.contains("the column `budy` of `keys`, which nobody here knows"), "{said}");
    assert!(
        line(1, &|line| line.replacen("\"version\":1", "\"version\":2", 1))
            .contains("use a newer countersign")
    );
}

#[tokio::test]
async fn a_chain_that_was_changed_is_refused_though_the_file_is_whole() {
    let folder = Folder::new();
    let world = open_in(folder.path(), Recorder::new(), 1, ()).unwrap();
    fill(&world).await;
    drop(world);
    let check = |change: &str| {
        let db = Connection::open(folder.path().join("countersign.db")).unwrap();
        db.execute_batch("SAVEPOINT before").unwrap();
        assert_eq!(db.execute(change, []).unwrap(), 1);
        db.execute_batch("RELEASE before").unwrap();
        drop(db);
        let text = export(folder.path());
        import(Folder::new().path(), &text).unwrap_err().to_string()
    };
    for (change, back, said) in [
        (
            "UPDATE timeline SET at = at + 1 WHERE seq = 2",
            "UPDATE timeline SET at = at - 1 WHERE seq = 2",
            "its hash does not follow",
        ),
        (
            "UPDATE events SET data = data || ' ' WHERE link_seq = 2",
            "UPDATE events SET data = substr(data, 1, length(data) - 1) WHERE link_seq = 2",
            "what it tells of was changed",
        ),
        (
            "UPDATE events SET link_seq = 9 WHERE link_seq = 2",
            "UPDATE events SET link_seq = 2 WHERE link_seq = 9",
            "its event names another place",
        ),
        ("DELETE FROM timeline WHERE seq = 3", "", "an entry before it is missing"),
    ] {
        let found = check(change);
        assert!(found.contains(said), "{change}: {found}");
        let db = Connection::open(folder.path().join("countersign.db")).unwrap();
        db.execute_batch(back).unwrap();
    }
}

#[tokio::test]
async fn another_master_key_is_refused_before_anything_is_written() {
    let (text, folder) = (filled().await, Folder::new());
    let mut watch = |_| ();
    let mut from = Cursor::new(text);
    let mut lines = Lines::begin(&mut from, &mut watch).unwrap();
    let other = MasterKey::new(&[8; 32]).unwrap();
    let said = sqlite::import(folder.path(), &other, &mut lines).unwrap_err().to_string();
    assert!(said.starts_with("the master key is not the one"), "{said}");
    assert!(!folder.path().join("countersign.db").exists());
}

#[tokio::test]
async fn a_folder_with_a_store_takes_no_import() {
    let (text, folder) = (filled().await, Folder::new());
    drop(open_in(folder.path(), Recorder::new(), 1, ()).unwrap());
    let said = import(folder.path(), &text).unwrap_err().to_string();
    assert!(said.contains("holds a store already"), "{said}");
}

#[tokio::test]
async fn half_an_import_is_not_served_and_is_begun_anew() {
    let (text, folder) = (filled().await, Folder::new());
    // As a process that was killed leaves it.
    let half = folder.path().join("importing");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("countersign.db"), b"half").unwrap();
    let said = open_in(folder.path(), Recorder::new(), 1, ()).unwrap_err().to_string();
    assert!(said.contains("an import into") && said.contains("was broken off"), "{said}");
    import(folder.path(), &text).unwrap();
    let world = open_in(folder.path(), Recorder::new(), 1, ()).unwrap();
    let account = world.views.accounts().await.unwrap()[0].id;
    assert_eq!(world.deliveries(account, DeliveryFilter::default()).await.len(), 13);
}

#[test]
fn every_column_is_carried_or_left_out_for_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(&fs::read_to_string(root.join("schema/sqlite.sql")).unwrap()).unwrap();
    let text = "SELECT m.name, p.name FROM sqlite_schema m, pragma_table_info(m.name) p WHERE m.type = 'table'";
    let mut statement = db.prepare(text).unwrap();
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let found: Vec<(String, String)> = found.map(Result::unwrap).collect();
    assert!(found.len() > 80, "{}", found.len());
    complete(&found);
    for table in carry::columns().map(|(table, _)| table).collect::<BTreeSet<_>>() {
        let text = fs::read_to_string(root.join(format!("sql/sqlite/export/{table}.sql"))).unwrap();
        let names =
            db.prepare(&text).unwrap().column_names().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(names, carried(table));
    }
}

/// The columns of a table, in their order.
pub(crate) fn carried(table: &str) -> Vec<&'static str> {
    carry::columns().filter(|(of, _)| *of == table).map(|(_, column)| column).collect()
}

/// Fails unless every column of a schema is carried, or left out for a reason.
pub(crate) fn complete(schema: &[(String, String)]) {
    let is_known = |(table, column): &&(String, String)| {
        let left_out =
            |(of, name, _): &(&str, &str, &str)| of == table && (*name == "*" || name == column);
        carry::columns().any(|one| one == (table, column)) || LEFT_OUT.iter().any(left_out)
    };
    let unknown: Vec<_> = schema.iter().filter(|column| !is_known(column)).collect();
    assert!(
        unknown.is_empty(),
        "add them to `TABLES` in carry.rs and to sql/*/{{export,import}}: {unknown:?}"
    );
}
