//! The default file, the list of keys and the types are alike, and the shipped files are fit for use.

use super::super::allowed::KEYS;
use super::super::{DEFAULT_FILE, Settings, Sources, StoreUrl, load};
use super::shown;
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn the_default_file_alone_is_fit_for_use() {
    let loaded = load(&Sources::default()).unwrap();
    assert_eq!(loaded.settings.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(loaded.settings.store.url, StoreUrl::Sqlite("./data/rushdesk.db".into()));
    assert_eq!(loaded.settings.auth.visitor_secret, None);
    assert_eq!(loaded.settings.routing.rules.first().unwrap().id.as_str(), "payment-failure");
    assert!(loaded.notices.is_empty());
    assert!(loaded.effective.iter().all(|effective| effective.origin == "default"));
}

#[test]
fn the_default_file_the_list_of_keys_and_the_types_name_the_same_keys() {
    let table: toml::Table = DEFAULT_FILE.parse().unwrap();
    let mut in_file = BTreeSet::new();
    for (section, keys) in &table {
        in_file.extend(keys.as_table().unwrap().keys().map(|key| format!("{section}.{key}")));
    }
    let listed: BTreeSet<String> = KEYS.iter().map(|(key, _)| (*key).to_owned()).collect();
    assert_eq!(in_file, listed);
    assert_eq!(listed.len(), KEYS.len(), "a key is listed twice");
    // The types refuse unknown keys and hold no defaults: that the default file loads proves them equal to it.
    assert_eq!(load(&Sources::default()).unwrap().effective.len(), KEYS.len());
}

#[test]
fn a_key_that_the_types_lack_or_need_would_be_noticed() {
    let table: toml::Table = DEFAULT_FILE.parse().unwrap();
    assert!(table.clone().try_into::<Settings>().is_ok());
    for (section, keys) in &table {
        let mut more = table.clone();
        more[section].as_table_mut().unwrap().insert("surplus".into(), 1.into());
        assert!(more.try_into::<Settings>().is_err(), "[{section}] takes what it does not know");
        for key in keys.as_table().unwrap().keys() {
            let mut less = table.clone();
            less[section].as_table_mut().unwrap().remove(key);
            assert!(less.try_into::<Settings>().is_err(), "{section}.{key} has a second default");
        }
    }
}

#[test]
fn every_key_of_the_default_file_is_explained() {
    let (settings, rules) = DEFAULT_FILE.split_once("[[routing.rules]]").unwrap();
    let (_, after_rules) = rules.split_once("[journal]").unwrap();
    for text in [settings, after_rules] {
        let mut before = "";
        for line in text.lines() {
            match line.split_once(" = ") {
                Some((key, _)) if !line.starts_with('#') => {
                    assert!(before.starts_with('#') || are_akin(before, key), "`{key}` has no explanation");
                    before = key;
                }
                _ => before = line,
            }
        }
    }
}

/// Whether two neighbours may share an explanation: their names begin or end alike.
fn are_akin(one: &str, other: &str) -> bool {
    let first = |key: &str| key.split('_').next().unwrap().trim_end_matches('s').to_owned();
    let last = |key: &str| key.rsplit('_').next().unwrap().to_owned();
    first(one) == first(other) || (last(one) == last(other) && last(one) == "mailbox")
}

#[test]
fn the_development_file_is_fit_for_use() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/development.toml");
    let loaded = load(&Sources { files: vec![path.clone()], ..Sources::default() }).unwrap();
    assert!(loaded.notices.is_empty(), "{:?}", loaded.notices);
    assert_eq!(shown(&loaded, "node.id"), ("\"development\"", format!("file {}", path.display()).as_str()));
}
