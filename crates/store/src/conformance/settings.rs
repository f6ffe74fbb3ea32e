//! What an account has set.

use std::collections::BTreeMap;

use domain::id::{AccountId, Chance as _};
use domain::secret::Secret;

use super::world::{Counting, World, at};
use crate::{
    Audience, Commit, Fault, Guarded, Said, Setting, SettingKind, SettingRow, Version, Write,
};

fn setting(kind: SettingKind, name: &str, body: &str) -> Setting {
    Setting { kind, name: name.to_owned(), body: body.to_owned(), secrets: None }
}

fn template(name: &str, body: &str) -> Setting {
    setting(SettingKind::Template, name, body)
}

fn set(version: Version, value: Setting) -> Write {
    Write::Setting(Guarded { version, value })
}

fn gone(name: &str, version: Version) -> Write {
    Write::SettingGone(SettingKind::Template, name.to_owned(), version)
}

async fn read(world: &World, account: AccountId, name: &str) -> Option<SettingRow> {
    world.views.setting(account, SettingKind::Template, name.to_owned()).await.unwrap()
}

pub async fn a_stale_setting_leaves_nothing_of_its_commit(world: &World) {
    let account = world.account();
    world.write(account, vec![set(0, template("a", "1"))]).await.unwrap();
    world.write(account, vec![set(1, template("a", "2"))]).await.unwrap();
    for stale in [
        set(0, template("a", "3")),
        set(1, template("a", "3")),
        set(3, template("a", "3")),
        set(1, template("b", "3")),
        gone("a", 1),
        gone("b", 1),
    ] {
        let event = world.event(account, "custom.a");
        let said = Said { event: event.clone(), audience: Audience::Subscribers };
        let writes = vec![set(0, template("c", "1")), stale];
        let commit = Commit { writes, events: vec![said], ..Commit::new(account, at(0)) };
        let refused = world.store.commit(commit).await;
        assert!(matches!(refused, Err(Fault::Conflict { what: "setting" })), "{refused:?}");
        assert_eq!(read(world, account, "c").await, None);
        assert_eq!(world.views.event(account, event.id).await.unwrap(), None);
    }
    let stands = SettingRow { setting: template("a", "2"), version: 2 };
    assert_eq!(read(world, account, "a").await, Some(stands));
}

pub async fn secrets_of_a_setting_come_back_and_go_with_it(world: &World) {
    let account = world.account();
    let secret = |text: &str| Some(Secret::new(text));
    for (version, secrets) in [(0, secret("one")), (1, secret("two")), (2, None), (3, secret(""))] {
        let value = Setting { secrets, ..template("a", "{\"ä\": \"\u{1f58b}\"}") };
        world.write(account, vec![set(version, value.clone())]).await.unwrap();
        let stands = read(world, account, "a").await;
        assert_eq!(stands, Some(SettingRow { setting: value, version: version + 1 }));
    }
    world.write(account, vec![gone("a", 4)]).await.unwrap();
    assert_eq!(read(world, account, "a").await, None);
    world.write(account, vec![set(0, template("a", "new"))]).await.unwrap();
    let stands = SettingRow { setting: template("a", "new"), version: 1 };
    assert_eq!(read(world, account, "a").await, Some(stands));
}

pub async fn a_long_secret_comes_back_whole_and_among_others(world: &World) {
    let account = world.account();
    let text = |number: u8| char::from(b'a' + number).to_string().repeat(350_000);
    let piece = |number: u8| Setting {
        secrets: Some(Secret::new(text(number))),
        ..setting(SettingKind::DocumentPiece, &format!("doc_1:{number:04}"), "{}")
    };
    for number in 0..4 {
        world.write(account, vec![set(0, piece(number))]).await.unwrap();
    }
    let (kind, after) = (SettingKind::DocumentPiece, "doc_1:0000".to_owned());
    let rows = world.views.settings(account, kind, after, 2).await.unwrap();
    let expected = [1, 2].map(|number| SettingRow { setting: piece(number), version: 1 });
    assert!(rows == expected, "a piece came back otherwise");
    let gone = |number: u8| {
        Write::SettingGone(SettingKind::DocumentPiece, format!("doc_1:{number:04}"), 1)
    };
    world.write(account, (0..4).map(gone).collect()).await.unwrap();
    assert_eq!(world.views.settings(account, kind, String::new(), 9).await.unwrap(), []);
}

pub async fn settings_come_in_pages_by_their_bytes_and_apart(world: &World) {
    let (account, other) = (world.account(), world.account());
    let mut names =
        ["b", "a", "aa", "a_", "B", "é", "e", "email:ana@example.net", "~", "\u{1f58b}"];
    for name in names {
        world.write(account, vec![set(0, template(name, "mine"))]).await.unwrap();
        let elsewhere = setting(SettingKind::Suppression, name, "of another kind");
        world.write(account, vec![set(0, elsewhere)]).await.unwrap();
        world.write(other, vec![set(0, template(name, "another's"))]).await.unwrap();
    }
    names.sort_unstable();
    let mut found: Vec<String> = Vec::new();
    for _ in &names {
        let after = found.last().cloned().unwrap_or_default();
        let list = world.views.settings(account, SettingKind::Template, after, 3).await.unwrap();
        assert!(list.len() <= 3 && list.iter().all(|row| row.setting.body == "mine"), "{list:?}");
        found.extend(list.into_iter().map(|row| row.setting.name));
    }
    assert_eq!(found, names);
    let none = world.views.settings(account, SettingKind::Shortener, String::new(), 3).await;
    assert_eq!(none.unwrap(), []);
}

pub async fn whoever_sets_what_only_who_knew_the_last_version_does(world: &World) {
    let accounts = [world.account(), world.account()];
    let mut dice = Counting::default();
    // Counted chance is even in its high bits alone.
    let mut roll = |sides: u64| usize::try_from((dice.draw() >> 40) % sides).unwrap();
    let mut model: BTreeMap<(AccountId, &str), (Version, String)> = BTreeMap::new();
    let (mut taken, mut refused) = (0, 0);
    for turn in 0..200 {
        let (account, name) = (accounts[roll(2)], ["a", "b"][roll(2)]);
        let stands = model.get(&(account, name)).map_or(0, |(version, _)| *version);
        // Every other time somebody who knows it.
        let version = if roll(2) == 0 { stands } else { roll(5) as Version };
        let body = turn.to_string();
        let removes = version > 0 && roll(4) == 0;
        let write = if removes { gone(name, version) } else { set(version, template(name, &body)) };
        let committed = world.write(account, vec![write]).await;
        assert_eq!(committed.is_ok(), version == stands, "{turn}: {version} of {stands}");
        if committed.is_err() {
            refused += 1;
        } else if removes {
            model.remove(&(account, name));
        } else {
            taken += 1;
            model.insert((account, name), (version + 1, body));
        }
        let known = model.get(&(account, name)).cloned();
        let row = read(world, account, name).await;
        assert_eq!(row.map(|row| (row.version, row.setting.body)), known);
    }
    assert!(taken > 50 && refused > 50, "too little happened: {taken} {refused}");
}
