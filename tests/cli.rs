//! The program as a shell sees it: arguments in, exit code, standard output and standard error out.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where its own footing is missing"
)]

#[path = "cli/every_setting.rs"]
mod every_setting;

use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Runs the program in an empty folder with these arguments and variables, and no others.
fn rushdesk(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    rushdesk_in(tempfile::tempdir().unwrap().path(), arguments, variables)
}

fn rushdesk_in(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rushdesk"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(folder)
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// The one line of `config check` that shows `key`.
fn line<'a>(output: &'a Output, key: &str) -> &'a str {
    out(output).lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap()
}

#[test]
fn config_default_prints_a_file_that_config_check_accepts() {
    let printed = rushdesk(&["config", "default"], &[]);
    assert_eq!((code(&printed), err(&printed)), (0, ""));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &printed.stdout).unwrap();
    let path = file.path().to_str().unwrap();
    let checked = rushdesk(&["config", "check", "--config", path], &[]);
    assert_eq!((code(&checked), err(&checked)), (0, ""));
    assert_eq!(line(&checked, "server.listen"), format!("server.listen = \"127.0.0.1:8080\"  # file {path}"));
}

#[test]
fn config_default_needs_no_sound_settings() {
    let printed = rushdesk(&["config", "default"], &[("RUSHDESK__NO__KEY", "1")]);
    assert_eq!(code(&printed), 0);
    assert!(out(&printed).contains("[limits]"));
}

#[test]
fn each_spelling_reaches_the_settings_and_the_flag_wins() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[limits]\nhello_s = 6\nheartbeat_s = 40\nfetch_default = 10\n").unwrap();
    let output = rushdesk(
        &[
            "--set",
            "limits.hello_s=8",
            "--config",
            file.path().to_str().unwrap(),
            "config",
            "check",
            "--listen",
            "[::1]:0",
        ],
        &[
            ("RUSHDESK__LIMITS__HELLO_S", "7"),
            ("RUSHDESK__LIMITS__HEARTBEAT_S", "50"),
            ("RUSHDESK_SERVICE_HOST", "x"),
        ],
    );
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert_eq!(line(&output, "limits.hello_s"), "limits.hello_s = 8  # flag --set limits.hello_s");
    assert_eq!(
        line(&output, "limits.heartbeat_s"),
        "limits.heartbeat_s = 50  # environment RUSHDESK__LIMITS__HEARTBEAT_S"
    );
    assert!(line(&output, "limits.fetch_default").starts_with("limits.fetch_default = 10  # file "));
    assert_eq!(line(&output, "server.listen"), "server.listen = \"[::1]:0\"  # flag --listen");
}

#[test]
fn settings_of_every_level_of_the_command_line_count() {
    let output = rushdesk(
        &[
            "--set",
            "limits.hello_s=8",
            "--store",
            "memory",
            "config",
            "--set",
            "limits.page_max=60",
            "check",
            "--set",
            "limits.fetch_max=300",
        ],
        &[],
    );
    assert_eq!(code(&output), 0, "{}", err(&output));
    for (key, value) in [("limits.hello_s", "8"), ("limits.page_max", "60"), ("limits.fetch_max", "300")] {
        assert_eq!(line(&output, key), format!("{key} = {value}  # flag --set {key}"));
    }
    assert!(err(&output).contains("nothing survives"), "{}", err(&output));
}

#[test]
fn what_config_check_prints_is_a_settings_file() {
    let printed = rushdesk(&["config", "check"], &[]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &printed.stdout).unwrap();
    let again = rushdesk(&["config", "check", "--config", file.path().to_str().unwrap()], &[]);
    assert_eq!(code(&again), 0, "{}", err(&again));
    let values = |output: &Output| -> Vec<String> {
        let settings = out(output).lines().filter(|line| !line.starts_with('#'));
        settings.map(|line| line.rsplit_once("  # ").unwrap().0.to_owned()).collect()
    };
    assert_eq!(values(&printed), values(&again));
}

#[test]
fn secrets_stay_masked_in_text_and_json() {
    let variables =
        [("RUSHDESK__AUTH__VISITOR_SECRET", SECRET), ("RUSHDESK__BOOTSTRAP__ADMIN_PASSWORD", "12345678")];
    for arguments in [&["config", "check"][..], &["config", "check", "--json"]] {
        let output = rushdesk(arguments, &variables);
        assert_eq!(code(&output), 0, "{}", err(&output));
        assert!(out(&output).contains("********"));
        assert!(!out(&output).contains(SECRET) && !out(&output).contains("12345678"));
    }
}

#[test]
fn wrong_settings_end_with_2_and_a_sentence_that_names_what_was_meant() {
    for arguments in
        [&["config", "check"][..], &["serve"], &[], &["healthcheck"], &["token", "visitor", "--subject", "a"]]
    {
        let output = rushdesk(arguments, &[("RUSHDESK__SERVER__LISTN", "127.0.0.1:0")]);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains("RUSHDESK__SERVER__LISTEN"), "{}", err(&output));
        assert_eq!(out(&output), "");
    }
}

#[test]
fn wrong_settings_are_answered_in_json_where_a_program_reads() {
    let output =
        rushdesk(&["config", "check", "--json", "--set", "limits.hello_s=0", "--listen", "here"], &[]);
    assert_eq!((code(&output), err(&output)), (2, ""));
    let answer: Value = serde_json::from_str(out(&output)).unwrap();
    assert_eq!(answer["ok"], false);
    let wrong: Vec<_> = answer["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["key"].as_str().unwrap())
        .collect();
    assert_eq!(wrong, ["limits.hello_s", "server.listen"]);
    let output = rushdesk(&["config", "check", "--json"], &[]);
    let answer: Value = serde_json::from_str(out(&output)).unwrap();
    assert_eq!(answer["ok"], true);
    assert!(answer["settings"].as_array().unwrap().iter().any(|setting| setting["key"] == "store.url"));
}

#[test]
fn wrong_use_ends_with_2_and_help_with_0() {
    for arguments in [
        &["nonsense"][..],
        &["serve", "--nonsense"],
        &["--set", "limits.hello_s"],
        &["prune"],
        &["prune", "--older-than", "soon"],
        &["backup"],
        &["token", "visitor"],
        &["agent", "add"],
        &["agent", "add", "ann", "--role", "owner"],
        &["agent", "add", "ann", "--skills", "refund=9"],
        &["group", "add", "two words"],
        &["audit", "--conversation", "x"],
        &["config", "check", "--config", "/no/such/file.toml"],
    ] {
        let output = rushdesk(arguments, &[]);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", err(&output));
        assert!(!err(&output).is_empty() && out(&output).is_empty(), "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["--version"], &["agent", "add", "--help"]] {
        assert_eq!(code(&rushdesk(arguments, &[])), 0, "{arguments:?}");
    }
}

#[test]
fn the_demo_says_where_it_keeps_its_store() {
    let help = rushdesk(&["demo", "--help"], &[]);
    assert!(out(&help).contains("./data/demo.db") && out(&help).contains("--store memory"), "{}", out(&help));
}

#[test]
fn a_visitors_token_is_one_line_that_a_program_can_use() {
    let arguments = [
        "token",
        "visitor",
        "--subject",
        "42",
        "--name",
        "Ann",
        "--tier",
        "vip",
        "--attribute",
        "city=Berlin",
    ];
    let output = rushdesk(&arguments, &[("RUSHDESK__AUTH__VISITOR_SECRET", SECRET)]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert_eq!(out(&output).trim_end().split('.').count(), 3);
    let with_more = [&arguments[..], &["--shop", "shoes", "--expires-in", "1h", "--json"]].concat();
    let output = rushdesk(&with_more, &[("RUSHDESK__AUTH__VISITOR_SECRET", SECRET)]);
    let answer: Value = serde_json::from_str(out(&output)).unwrap();
    assert_eq!(answer["visitor"], "shoes:42");
    assert!(answer["token"].is_string() && answer["expires_at"].as_str().unwrap().ends_with(".000Z"));
}

#[test]
fn a_visitors_token_without_a_secret_or_with_too_much_in_it_is_wrong_use() {
    let output = rushdesk(&["token", "visitor", "--subject", "42"], &[]);
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains("RUSHDESK__AUTH__VISITOR_SECRET"), "{}", err(&output));
    let long = "x".repeat(201);
    let output =
        rushdesk(&["token", "visitor", "--subject", &long], &[("RUSHDESK__AUTH__VISITOR_SECRET", SECRET)]);
    assert_eq!(code(&output), 2, "{}", err(&output));
}

#[test]
fn logs_go_to_standard_error_in_the_chosen_format() {
    let output = rushdesk(&["doctor", "--store", "memory", "--set", "log.format=json"], &[]);
    let lines: Vec<Value> = err(&output).lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let notice =
        lines.iter().find(|line| line["message"].as_str().is_some_and(|m| m.contains("nothing survives")));
    assert_eq!(notice.unwrap()["level"], "WARN");
    assert!(!out(&output).contains("nothing survives"));
    let silent = rushdesk(&["doctor", "--store", "memory", "--set", "log.level=error"], &[]);
    assert!(!err(&silent).contains("nothing survives"), "{}", err(&silent));
}

#[test]
fn config_check_ends_with_a_verdict() {
    let fine = rushdesk(&["config", "check", "--store", "memory"], &[]);
    let verdict = out(&fine).lines().last().unwrap();
    assert!(verdict.starts_with("# fine: ") && verdict.contains(" 1 of them chosen"), "{verdict}");
    assert!(verdict.ends_with("1 worth a look (see above)"), "{verdict}");
    let wrong = rushdesk(&["config", "check", "--listen", "here"], &[]);
    assert_eq!(code(&wrong), 2);
    assert!(err(&wrong).lines().last().unwrap().starts_with("not fine: "), "{}", err(&wrong));
}

#[test]
fn a_variable_with_single_underscores_is_not_read_over_in_silence() {
    let output = rushdesk(&["config", "check"], &[("RUSHDESK_SERVER_LISTEN", "127.0.0.1:1")]);
    assert_eq!(code(&output), 2);
    assert!(
        err(&output).contains("write RUSHDESK__SERVER__LISTEN, with two underscores"),
        "{}",
        err(&output)
    );
}

#[test]
fn a_store_that_is_not_there_is_named_and_never_made() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["agent", "list"][..],
        &["agent", "add", "ann"],
        &["group", "list"],
        &["backup", "copy.db"],
        &["audit"],
        &["prune", "--older-than", "1d"],
    ] {
        let output = rushdesk_in(folder.path(), arguments, &[]);
        assert_eq!(code(&output), 1, "{arguments:?}: {}", err(&output));
        let sought = folder.path().join("data/rushdesk.db").display().to_string();
        assert!(err(&output).contains(&format!("{sought} does not exist")), "{}", err(&output));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
    assert_eq!(code(&rushdesk_in(folder.path(), &["migrate"], &[])), 0);
    let listed = rushdesk_in(folder.path(), &["agent", "list"], &[]);
    assert!(out(&listed).starts_with("admin  admin"), "{}", out(&listed));
}

#[test]
fn a_folder_of_attachments_that_is_none_is_seen_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("taken"), "").unwrap();
    for wrong in ["taken", "taken/below"] {
        let set = format!("attachments.dir={wrong}");
        let arguments = ["serve", "--store", "memory", "--listen", "127.0.0.1:0", "--set", &set];
        let output = rushdesk_in(folder.path(), &arguments, &[]);
        assert_eq!(code(&output), 2, "{}", err(&output));
        assert!(err(&output).contains("attachments.dir: ") && err(&output).contains("taken is no folder"));
        let doctor = rushdesk_in(folder.path(), &["doctor", "--set", &set], &[("PATH", "/usr/bin:/bin")]);
        assert_eq!(code(&doctor), 1);
        assert!(out(&doctor).contains("fail  attachments: "), "{}", out(&doctor));
    }
}

#[test]
fn doctor_tells_doubts_from_faults() {
    let doctor = |sockets: &str| {
        let set = format!("server.max_sockets={sockets}");
        rushdesk(
            &["doctor", "--json", "--listen", "127.0.0.1:0", "--set", &set],
            &[("PATH", "/usr/bin:/bin")],
        )
    };
    let few = doctor("10");
    let checks: Value = serde_json::from_str(out(&few)).unwrap();
    let found = |checks: &Value, name: &str| {
        let line = checks.as_array().unwrap().iter().find(|line| line["check"] == name).unwrap().clone();
        (line["level"].as_str().unwrap().to_owned(), line["ok"].as_bool().unwrap())
    };
    for check in ["store", "store folder", "attachments", "open files", "clock", "bus", "listen"] {
        assert_eq!(found(&checks, check), ("ok".to_owned(), true), "{check}: {checks}");
    }
    let many = doctor("10000000");
    let checks: Value = serde_json::from_str(out(&many)).unwrap();
    assert_eq!(found(&checks, "open files"), ("warn".to_owned(), true), "{checks}");
    assert_eq!(code(&many), 0, "a doubt is no failure: {}", err(&many));
}

/// Answers one connection with `response` and gives back what it was asked.
fn answer_once(response: &'static str) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut piece = [0; 1_024];
        while !asked.ends_with(b"\r\n\r\n") {
            let read = socket.read(&mut piece).unwrap();
            asked.extend_from_slice(&piece[..read]);
        }
        socket.write_all(response.as_bytes()).unwrap();
        String::from_utf8(asked).unwrap()
    });
    (address, server)
}

#[test]
fn healthcheck_is_0_only_where_the_desk_says_it_is_ready() {
    for (response, expected, words) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"ready\":true}", 0, "{\"ready\":true}"),
        (
            "HTTP/1.1 503 Service Unavailable\r\n\r\n{\"store\":\"away\"}",
            1,
            "not ready (503): {\"store\":\"away\"}",
        ),
        ("SSH-2.0-OpenSSH\r\n", 1, "does not speak HTTP"),
        ("", 1, "does not speak HTTP"),
    ] {
        let (address, server) = answer_once(response);
        let output = rushdesk(&["healthcheck", "--listen", &address], &[]);
        assert!(server.join().unwrap().starts_with("GET /readyz HTTP/1."));
        assert_eq!(code(&output), expected, "{}{}", out(&output), err(&output));
        let told = if expected == 0 { out(&output) } else { err(&output) };
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn healthcheck_of_nobody_fails_and_of_no_port_is_wrong_use() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    assert_eq!(code(&rushdesk(&["healthcheck", "--listen", &free], &[])), 1);
    assert_eq!(code(&rushdesk(&["healthcheck", "--listen", "127.0.0.1:0"], &[])), 2);
}
