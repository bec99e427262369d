//! Every key of the default file with a wrong value: the program names it and says what is wrong.

use super::{code, err, out, rushdesk};
use std::process::Output;

/// For keys that hold a text: one that they do not take.
const WRONG_TEXTS: [(&str, &str); 17] = [
    ("server.listen", "nowhere"),
    ("store.url", "mysql://db"),
    ("bus.url", "nats://bus"),
    ("bus.prefix", "two words"),
    ("node.id", "two words"),
    ("node.advertise", "two words"),
    ("auth.visitor_secret", "short"),
    ("auth.visitor_public_key", "/no/such/file.pem"),
    ("auth.token_secret", "short"),
    ("routing.default_group", "two words"),
    ("attachments.dir", ""),
    ("ladder.notice_zh", ""),
    ("ladder.notice_en", "bell \u{7}"),
    (
        "bootstrap.admin_password",
        "more than a hundred and twenty-eight bytes of a password, which nobody types and which would buy hashing time with \
         nothing but its length",
    ),
    ("log.level", "loud"),
    ("log.format", "xml"),
    ("server.allowed_origins", "no origin"),
];

/// Every key of the default file with its value there.
fn every_key() -> Vec<(String, toml::Value)> {
    let printed = rushdesk(&["config", "default"], &[]);
    let table: toml::Table = out(&printed).parse().unwrap();
    let keys = table.into_iter().flat_map(|(section, keys)| {
        let keys = keys.as_table().unwrap().clone().into_iter();
        keys.map(move |(name, value)| (format!("{section}.{name}"), value))
    });
    keys.collect()
}

/// Checks that the program ends with 2 and says of each key where it stands and what is wrong.
fn told_of_each(output: &Output, keys: &[String]) {
    assert_eq!(code(output), 2, "{}", err(output));
    for key in keys {
        let start = format!("  {key} (");
        let told = err(output).lines().find(|line| line.starts_with(&start));
        let told = told.unwrap_or_else(|| panic!("nothing is said of {key}:\n{}", err(output)));
        let sentence = told.split_once("): ").unwrap().1;
        assert!(sentence.split_whitespace().count() >= 3, "{told}");
    }
}

#[test]
fn a_value_of_a_wrong_type_is_told_for_every_key() {
    let keys = every_key();
    assert!(keys.len() > 80, "only {} keys", keys.len());
    let wrong = |value: &toml::Value| match value {
        toml::Value::Array(_) => "true",
        _ => "[[1.5]]",
    };
    let lines: String = keys.iter().map(|(key, value)| format!("{key} = {}\n", wrong(value))).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines).unwrap();
    let output = rushdesk(&["config", "check", "--config", file.path().to_str().unwrap()], &[]);
    told_of_each(&output, &keys.into_iter().map(|(key, _)| key).collect::<Vec<_>>());
}

#[test]
fn a_value_out_of_bounds_is_told_for_every_key() {
    let keys = every_key();
    let mut variables = Vec::new();
    for (key, value) in &keys {
        let wrong = WRONG_TEXTS.iter().find(|(known, _)| known == key).map(|(_, wrong)| *wrong);
        let wrong = match value {
            toml::Value::String(_) => wrong.unwrap_or_else(|| panic!("name a wrong text for {key}")),
            toml::Value::Integer(_) => "-1",
            toml::Value::Boolean(_) => "perhaps",
            _ => wrong.unwrap_or("[\"no such form\", 7]"),
        };
        variables.push((format!("RUSHDESK__{}", key.replace('.', "__").to_uppercase()), wrong));
    }
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, wrong)| (name.as_str(), *wrong)).collect();
    let output = rushdesk(&["config", "check"], &variables);
    let later = "auth.visitor_public_key";
    let told = keys.into_iter().map(|(key, _)| key).filter(|key| key != later).collect::<Vec<_>>();
    told_of_each(&output, &told);
    let output = rushdesk(&["config", "check", "--set", &format!("{later}=/no/such/file.pem")], &[]);
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains(later), "{}", err(&output));
}
