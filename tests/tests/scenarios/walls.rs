//! The walls of the house: which part of the host may know what. Read from the source text.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Code of the host that is not a test: its path below `host/src`, and its lines that are no comments.
struct Source {
    path: String,
    lines: Vec<String>,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is a member of the workspace").to_owned()
}

/// All files below a folder that end in `.rs`; what is built and what is hidden is passed over.
fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && name != "node_modules" && !name.starts_with('.') {
            files.extend(rust_files(&path)?);
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn host_sources() -> anyhow::Result<Vec<Source>> {
    let folder = repository().join("host/src");
    let mut sources = Vec::new();
    for file in rust_files(&folder)? {
        let path = file.strip_prefix(&folder)?.to_string_lossy().into_owned();
        if path.ends_with("tests.rs") || path.contains("tests/") {
            continue;
        }
        let text = fs::read_to_string(&file)?;
        let code = text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
        let lines = code.lines().map(str::trim).filter(|line| !line.starts_with("//")).map(str::to_owned);
        sources.push(Source { path, lines: lines.collect() });
    }
    assert!(sources.len() > 60, "only {} files: the host is elsewhere", sources.len());
    Ok(sources)
}

/// Is it the module of this name, or in its folder?
fn is_in(path: &str, module: &str) -> bool {
    path == format!("{module}.rs") || path.starts_with(&format!("{module}/"))
}

/// Does the text hold this as a word of its own?
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices(word).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[test]
fn each_library_that_reaches_out_is_known_to_one_part_only() -> anyhow::Result<()> {
    let walls: [(&str, &[&str]); 23] = [
        ("rdkafka", &["kafka"]),
        ("wasmtime", &["plugin"]),
        ("wasmtime_wasi", &["plugin"]),
        ("wasmparser", &["plugin"]),
        // The intake is a server, as the admin pages are: neither asks anybody anything.
        ("hyper", &["egress", "intake"]),
        ("hyper_util", &["egress", "intake"]),
        ("jsonschema", &["config/json_schema", "intake"]),
        ("tokio_rustls", &["egress"]),
        ("tokio_postgres", &["egress/sql/postgres"]),
        ("mysql_async", &["egress/sql/mysql"]),
        ("rusqlite", &["egress/sql/sqlite"]),
        ("sqlparser", &["egress/sql/grant"]),
        ("aws_sigv4", &["egress/aws"]),
        ("reqwest", &["alert", "provenance", "schema_registry/client"]),
        ("schema_registry_converter", &["schema_registry/client"]),
        ("reqwest_middleware", &["schema_registry/client"]),
        ("apache_avro", &["schema_registry/avro"]),
        ("prost_reflect", &["schema_registry/protobuf"]),
        ("protox", &["schema_registry/protobuf"]),
        ("ring::signature", &["provenance", "config/webhook_key"]),
        ("lettre", &["alert"]),
        ("axum", &["admin"]),
        // A connection or a port, of the standard library's too; the kinds of address are free.
        ("tokio::net", &["egress", "admin", "intake"]),
    ];
    let sources = host_sources()?;
    let mut broken = Vec::new();
    for (word, allowed) in walls {
        let users: Vec<_> =
            sources.iter().filter(|source| source.lines.iter().any(|line| has_word(line, word))).collect();
        assert!(!users.is_empty(), "nobody uses {word}: the wall is out of date");
        let strangers = users.iter().filter(|user| !allowed.iter().any(|module| is_in(&user.path, module)));
        broken.extend(strangers.map(|user| format!("{} uses {word}", user.path)));
    }
    for source in &sources {
        let is_network = ["TcpStream", "TcpListener", "UdpSocket"];
        let uses = source.lines.iter().any(|line| is_network.iter().any(|word| has_word(line, word)));
        // `kafka/topics.rs` looks for a broker that answers.
        if uses && !["egress", "admin", "intake", "kafka"].iter().any(|module| is_in(&source.path, module)) {
            broken.push(format!("{} opens connections", source.path));
        }
    }
    assert_eq!(broken, [""; 0]);
    Ok(())
}

#[test]
fn no_stage_knows_another_but_by_the_words_they_share() -> anyhow::Result<()> {
    // What everybody may use; everything else that a stage uses is in its own row.
    let words = ["config", "contract", "event", "fnv", "telemetry"];
    let stages: [(&str, &[&str]); 18] = [
        ("config", &[]),
        ("contract", &[]),
        ("event", &[]),
        ("fnv", &[]),
        ("telemetry", &[]),
        ("native", &[]),
        ("kafka", &[]),
        ("provenance", &[]),
        // A plugin is loaded from where it comes from, and its cache is as private as that of images.
        ("plugin", &["provenance"]),
        ("egress", &[]),
        ("admin", &[]),
        ("alert", &[]),
        ("whereabouts", &[]),
        ("schema_registry", &[]),
        // What it takes goes to a topic, and is remembered.
        ("intake", &["kafka", "whereabouts"]),
        // The reasons of a dead letter are words too: the rules name one where they give an event up. So are the rounds
        // of a journal: an attempt goes on from them.
        ("delivery", &["dead_letter", "journal"]),
        // Its store is a topic.
        ("dead_letter", &["kafka"]),
        ("journal", &["kafka"]),
    ];
    let sources = host_sources()?;
    let mut broken = Vec::new();
    for source in &sources {
        let Some((stage, others)) = stages.iter().find(|(stage, _)| is_in(&source.path, stage)) else {
            continue;
        };
        let used = source.lines.iter().flat_map(|line| line.split("crate::").skip(1));
        let used = used.map(|rest| rest.split(|next: char| !next.is_alphanumeric() && next != '_').next());
        for module in used.flatten().collect::<BTreeSet<_>>() {
            if module != *stage && !words.contains(&module) && !others.contains(&module) {
                broken.push(format!("{} uses crate::{module}", source.path));
            }
        }
    }
    assert_eq!(broken, [""; 0]);
    // Who joins them, and who tries all decoders in tests; nobody else is left.
    let joining = ["host", "subscription", "rehearsal", "cli", "lib", "main", "fuzz"];
    let modules = sources.iter().filter_map(|source| source.path.split(['/', '.']).next());
    let known = stages.iter().map(|(stage, _)| *stage).chain(joining).collect::<BTreeSet<_>>();
    let unknown: Vec<_> = modules.filter(|module| !known.contains(module)).collect();
    assert_eq!(unknown, [""; 0], "say here what a new part may use");
    Ok(())
}

#[test]
fn the_host_knows_none_of_the_plugins_that_ship_with_it() -> anyhow::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(repository().join("plugins"))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    assert!(names.contains(&"rest".to_owned()), "the plugins are elsewhere: {names:?}");
    let mut broken = Vec::new();
    for source in host_sources()? {
        // The older files that `liaison import` reads name a type of connector, and one of them is called `rest`.
        if is_in(&source.path, "cli/import") {
            continue;
        }
        // Words of the configuration: a connector has a database, and alerts have a webhook, whichever plugin there is.
        let is_a_word = |name: &str| match name {
            "database" => is_in(&source.path, "config/validate"),
            "webhook" => ["config", "telemetry"].iter().any(|module| is_in(&source.path, module)),
            _ => false,
        };
        for name in names.iter().filter(|name| !is_a_word(name)) {
            let literal = [format!("\"{name}\""), format!("{name}.wasm")];
            if source.lines.iter().any(|line| literal.iter().any(|text| line.contains(text.as_str()))) {
                broken.push(format!("{} knows the plugin {name}", source.path));
            }
        }
    }
    assert_eq!(broken, [""; 0]);
    Ok(())
}

#[test]
fn every_file_begins_with_what_it_is_for() -> anyhow::Result<()> {
    let mut silent = Vec::new();
    for file in rust_files(&repository())? {
        if !fs::read_to_string(&file)?.starts_with("//! ") {
            silent.push(file.display().to_string());
        }
    }
    assert_eq!(silent, [""; 0]);
    Ok(())
}

#[test]
fn nothing_new_lies_at_the_root() -> anyhow::Result<()> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(repository())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && name != "target" {
            found.insert(name);
        }
    }
    let expected = ["Cargo.lock", "Cargo.toml", "README.md", "host", "plugin-sdk", "plugins", "tests", "wit"];
    assert_eq!(found, BTreeSet::from(expected.map(str::to_owned)));
    Ok(())
}
