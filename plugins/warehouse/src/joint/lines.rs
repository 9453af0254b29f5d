//! Lines of one folder as one file.

use liaison_sdk::joint::{Body, Effect, HttpRequest, Joint};

use crate::files;

/// One file a folder that two lines or more go to.
pub(super) fn join(effects: Vec<Effect>) -> Vec<Joint> {
    // There are as few folders as there are partitions.
    let mut folders: Vec<(&str, Vec<Line<'_>>)> = Vec::new();
    for (member, effect) in (0..).zip(&effects) {
        let Some((folder, line)) = line(member, effect) else { continue };
        match folders.iter_mut().find(|(known, _)| *known == folder) {
            Some((_, lines)) => lines.push(line),
            None => folders.push((folder, vec![line])),
        }
    }
    folders.into_iter().filter_map(|(folder, lines)| joint(folder, lines)).collect()
}

/// What one delivery puts.
struct Line<'a> {
    member: u32,
    offset: i64,
    content: &'a [u8],
    request: &'a HttpRequest,
}

/// With its folder.
fn line(member: u32, effect: &Effect) -> Option<(&str, Line<'_>)> {
    match effect {
        Effect::Http(request) if request.method == "PUT" => {
            let Body::Bytes(content) = &request.body else { return None };
            let (folder, offset) = files::parse(&request.url)?;
            Some((folder, Line { member, offset, content, request }))
        }
        Effect::Http(_) | Effect::Sql(_) | Effect::Grpc(_) => None,
    }
}

fn joint(folder: &str, mut lines: Vec<Line<'_>>) -> Option<Joint> {
    if lines.len() < 2 {
        return None;
    }
    let members: Vec<u32> = lines.iter().map(|line| line.member).collect();
    let request = lines.first()?.request;
    lines.sort_unstable_by_key(|line| (line.offset, line.content));
    // The same event twice is the same line.
    lines.dedup_by_key(|line| (line.offset, line.content));
    let (first, last) = (lines.first()?.offset, lines.last()?.offset);
    let content = lines.into_iter().map(|line| line.content).collect::<Vec<_>>().concat();
    let url = format!("{folder}/{}", files::name(first, last, &content));
    let effect = Effect::Http(HttpRequest { url, body: Body::Bytes(content), ..request.clone() });
    let memo = members.len().to_string().into_bytes();
    Some(Joint { effect, members, memo })
}
