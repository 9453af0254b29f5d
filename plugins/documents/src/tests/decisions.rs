//! What the host decided is carried out on just what it decided upon, and what is written or removed was seen before.

use super::*;

/// As `held`, with this for its ETag.
fn tagged(etag: &str) -> Reply {
    let etag = etag.replace('"', "&quot;");
    let text = format!(
        "<multistatus xmlns='DAV:' xmlns:l='urn:liaison:delivery'><response><propstat><prop><getetag>{etag}</getetag>\
         <l:version>6</l:version><l:sha256>{ZEROS}</l:sha256></prop><status>HTTP/1.1 200 OK</status></propstat></response>\
         </multistatus>"
    );
    reply(207).text(&text)
}

fn looked(found: Reply) -> testing::Endpoint {
    endpoint().expect("PROPFIND /a/b/p.pdf", found).expect("GET /a/b/p.pdf", reply(200).text("%PDF"))
}

fn overwrite(version: Option<String>) -> Resolution {
    Resolution::Overwrite(version)
}

#[test]
fn what_changed_since_a_decision_is_not_written_over() {
    webdav(json!({}));
    let merged = |version| {
        let data = json!({ "title": "M", "updatedAt": 8, "url": "https://files/m", "sha256": ZEROS });
        Resolution::Merged(Merged { data: data.to_string().into_bytes(), version })
    };
    let before = Some(version_of(held(5, ZEROS)));
    // Another state than it was decided upon, and a decision upon none.
    for decided in [overwrite(before.clone()), overwrite(None), merged(before), merged(None)] {
        let run = looked(held(6, ZEROS)).deliver(deliver, policy().resolution(decided));
        let (version, _, reason) = conflict(run.outcome);
        assert_eq!(version, Some(version_of(held(6, ZEROS))));
        assert!(reason.ends_with("it has changed since it was decided what to write over it"), "{reason}");
        assert_eq!(run.requests.len(), 2, "it only looked");
    }
    // Only the ETag is the same: someone else has changed the title.
    let retitled =
        json!({ "title": "A", "updatedAt": 7, "url": "https://files/p", "sha256": "2".repeat(64) });
    let seen = version_of(tagged("\"e\""));
    let run =
        looked(held(6, ZEROS)).deliver(deliver, policy().data(retitled).resolution(overwrite(Some(seen))));
    assert_eq!(run.outcome.kind(), OutcomeKind::Conflict);
}

#[test]
fn what_is_there_by_now_as_it_was_decided_is_already_there() {
    webdav(json!({ "metadata": {} }));
    let same = json!({ "updatedAt": 6, "url": "https://files/p", "sha256": ZEROS });
    let event = policy().data(same).resolution(overwrite(Some("gone".to_owned())));
    let run = looked(held(6, ZEROS)).deliver(deliver, event);
    assert_eq!(run.outcome, Outcome::skipped("/a/b/p.pdf: version 6 is already there"));
}

#[test]
fn what_was_decided_about_something_that_is_gone_is_for_the_host() {
    webdav(json!({}));
    let gone = || endpoint().expect("PROPFIND /a/b/p.pdf", reply(404)).expect("GET /a/b/p.pdf", reply(404));
    let data = json!({ "title": "M", "updatedAt": 8, "url": "https://files/m", "sha256": ZEROS });
    let merged = Merged { data: data.to_string().into_bytes(), version: Some("gone".to_owned()) };
    let reason = "/a/b/p.pdf: what it was decided to write over is gone";
    for resolution in [Resolution::Merged(merged), overwrite(Some("gone".to_owned()))] {
        let outcome = gone().deliver(deliver, policy().resolution(resolution)).outcome;
        assert_eq!(outcome, Outcome::conflict(None, None, reason));
    }
}

#[test]
fn only_what_was_decided_upon_is_removed() {
    webdav(json!({}));
    let removal = |version: Option<String>| policy().tombstone().resolution(overwrite(version));
    for version in [Some(version_of(held(5, ZEROS))), Some("\"e\"".to_owned()), None] {
        let run = looked(held(6, ZEROS)).deliver(deliver, removal(version));
        let (version, _, reason) = conflict(run.outcome);
        assert_eq!(version, Some(version_of(held(6, ZEROS))));
        assert_eq!(reason, "/a/b/p.pdf: it has changed since its removal was decided");
    }
    let run = looked(held(6, ZEROS))
        .expect("DELETE /a/b/p.pdf", reply(204))
        .deliver(deliver, removal(Some(version_of(held(6, ZEROS)))));
    assert_eq!(run.outcome, Outcome::delivered());
    assert_eq!(run.requests[2].header("if-match"), Some("\"e\""));
}

/// An event with its document in it: `%PDF-1.7`, which nothing that is read here is, because a kept body is all zeros.
fn inline() -> EventBuilder {
    webdav(json!({ "document": { "inline": "/content" }, "metadata": {}, "verify": "answer" }));
    policy().data(json!({ "updatedAt": 7, "content": "JVBERi0xLjc=" }))
}

#[test]
fn without_a_strong_etag_it_is_looked_at_just_before_it_is_written_over() {
    let event = inline();
    for etag in ["W/\"e\"", "", "\"a b\""] {
        let begun = |again: Reply| {
            looked(tagged(etag))
                .expect("PROPFIND /a/b/p.pdf", again)
                .expect("GET /a/b/p.pdf", reply(200).text("%PDF"))
        };
        let run = begun(tagged(etag))
            .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
            .expect("PUT /a/b/p.pdf", reply(204))
            .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
            .deliver(deliver, event.clone());
        assert!(matches!(run.outcome, Outcome::Delivered(_)), "{etag}: {:?}", run.outcome);
        assert!(run.requests.iter().all(|request| request.header("if-match").is_none()), "it never matches");
        let run = begun(held(9, ZEROS)).deliver(deliver, event.clone());
        assert_eq!(run.outcome.kind(), OutcomeKind::Conflict, "{etag}");
    }
    let run = looked(tagged("\"e\""))
        .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
        .expect("PUT /a/b/p.pdf", reply(204))
        .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
        .deliver(deliver, event);
    assert_eq!(run.requests[3].header("if-match"), Some("\"e\""), "the repository sees to it");
}

#[test]
fn an_empty_beginning_without_an_etag_is_looked_at_again() {
    let event = inline();
    let begun = |found: Reply| {
        endpoint()
            .expect("PROPFIND /a/b/p.pdf", reply(404))
            .expect("GET /a/b/p.pdf", reply(404))
            .expect("PUT /a/b/p.pdf", reply(201))
            .expect("PROPFIND /a/b/p.pdf", found)
            .expect("GET /a/b/p.pdf", reply(200))
    };
    let empty = "<multistatus xmlns='DAV:'><response><propstat><prop><getetag>\"0\"</getetag><getcontentlength>0\
                 </getcontentlength></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>";
    let run = begun(reply(207).text(empty))
        .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
        .expect("PUT /a/b/p.pdf", reply(204))
        .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
        .deliver(deliver, event.clone());
    assert!(matches!(run.outcome, Outcome::Delivered(_)), "{:?}", run.outcome);
    assert_eq!(run.requests[6].header("if-match"), Some("\"0\""));
    // Someone else was there within the moment.
    let run = begun(held(9, ZEROS))
        .expect("PROPFIND /a/b/p.pdf", held(9, ZEROS))
        .expect("GET /a/b/p.pdf", reply(200).text("%PDF"))
        .deliver(deliver, event);
    assert_eq!(run.outcome.kind(), OutcomeKind::Conflict);
}

#[test]
fn what_someone_else_changed_before_it_is_marked_is_not_marked() {
    let event = inline();
    let run = looked(tagged("\"e\""))
        .expect("PROPPATCH /a/b/p.pdf", reply(412))
        .expect("PROPFIND /a/b/p.pdf", held(9, ZEROS))
        .expect("GET /a/b/p.pdf", reply(200).text("%PDF"))
        .deliver(deliver, event);
    let (_, _, reason) = conflict(run.outcome);
    assert_eq!(reason, "/a/b/p.pdf: it holds version 9, which is newer than 7");
}

#[test]
fn an_equal_version_with_something_else_in_it_is_for_the_host() {
    webdav(json!({}));
    // The title is another one.
    let run = looked(held(7, ZEROS)).deliver(deliver, policy());
    let (version, current, reason) = conflict(run.outcome);
    assert_eq!(version.as_ref(), Some(&version_of(held(7, ZEROS))));
    assert_eq!(current, json!({ "updatedAt": 7, "title": "T", "sha256": ZEROS }));
    assert_eq!(reason, "/a/b/p.pdf: it holds version 7 already, and it is another one");
    // Decided so, the event is written over it.
    let run = looked(held(7, ZEROS))
        .expect("GET https://files/p", reply(200).text("%PDF"))
        .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
        .expect("PUT /a/b/p.pdf", reply(204))
        .expect("GET /a/b/p.pdf", reply(200).text("%PDF"))
        .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
        .deliver(deliver, policy().resolution(overwrite(version)));
    assert!(matches!(run.outcome, Outcome::Delivered(_)), "{:?}", run.outcome);
    assert!(body(&run.requests[6]).contains(">A</m:title>"));
    let data = json!({ "title": "T", "updatedAt": 7, "url": "https://files/p", "sha256": ZEROS });
    let run = looked(held(7, ZEROS)).deliver(deliver, policy().data(data));
    assert_eq!(run.outcome, Outcome::skipped("/a/b/p.pdf: version 7 is already there"));
}

#[test]
fn a_tombstone_is_as_old_as_its_event() {
    webdav(json!({ "metadata": {} }));
    // 2026-01-01T00:00:00Z.
    let (now, late) = (1_767_225_600_000, 1_767_225_599_999);
    for (version, time, is_removed) in [
        ("2026-01-01T00:00:00Z", Some(now), true),
        ("2026-01-01T00:00:00Z", Some(late), false),
        ("2026-01-01T01:00:00+02:00", Some(late), true),
        // Its version is no time, or that of the removal is not known.
        ("6", Some(late), true),
        ("2026-01-01T00:00:00Z", None, true),
    ] {
        let found = format!(
            "<multistatus xmlns='DAV:' xmlns:l='urn:liaison:delivery'><response><propstat><prop><getetag>\"e\"</getetag>\
             <l:version>{version}</l:version><l:sha256>{ZEROS}</l:sha256></prop><status>HTTP/1.1 200 OK</status></propstat>\
             </response></multistatus>"
        );
        let script = looked(reply(207).text(&found));
        let script = if is_removed { script.expect("DELETE /a/b/p.pdf", reply(204)) } else { script };
        let removal = policy().tombstone();
        let run =
            script.deliver(deliver, time.into_iter().fold(removal, |removal, time| removal.time_ms(time)));
        if is_removed {
            assert_eq!(run.outcome, Outcome::delivered(), "{version}");
        } else {
            let (_, current, reason) = conflict(run.outcome);
            assert_eq!(current["updatedAt"], version);
            assert!(
                reason.contains("which is newer than its removal at 2025-12-31T23:59:59.999Z"),
                "{reason}"
            );
        }
    }
}

#[test]
fn the_same_document_with_someone_elses_metadata_is_not_taken_over() {
    webdav(json!({}));
    let theirs = |title: &str| {
        let title = if title.is_empty() {
            String::new()
        } else {
            format!("<title xmlns='urn:liaison:document'>{title}</title>")
        };
        let text = format!(
            "<multistatus xmlns='DAV:'><response><propstat><prop><getetag>\"e\"</getetag>{title}</prop>\
             <status>HTTP/1.1 200 OK</status></propstat></response></multistatus>"
        );
        looked(reply(207).text(&text))
    };
    let (_, _, reason) = conflict(theirs("Theirs").deliver(deliver, policy()).outcome);
    assert_eq!(reason, "/a/b/p.pdf: it holds what was not delivered here");
    for same in ["A", ""] {
        let run =
            theirs(same).expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE)).deliver(deliver, policy());
        assert!(matches!(run.outcome, Outcome::Delivered(_)), "{:?}", run.outcome);
    }
}

#[test]
fn what_someone_else_wrote_over_a_mark_is_theirs() {
    webdav(json!({}));
    let marked = |length: u32, version: u32| {
        let ones = "1".repeat(64);
        let text = format!(
            "<multistatus xmlns='DAV:' xmlns:l='urn:liaison:delivery'><response><propstat><prop><getetag>\"h\"</getetag>\
             <getcontentlength>{length}</getcontentlength><l:version>6</l:version><l:sha256>{ones}</l:sha256>\
             <l:pending>{} 10 {version}</l:pending></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>",
            "2".repeat(64)
        );
        looked(reply(207).text(&text))
    };
    let data = json!({ "title": "A", "updatedAt": 7, "url": "https://files/p", "sha256": "3".repeat(64) });
    // As long as what was begun, or longer, and not that.
    for length in [10, 11] {
        let event = policy().data(data.clone());
        let (_, _, reason) = conflict(marked(length, 7).deliver(deliver, event).outcome);
        assert_eq!(reason, "/a/b/p.pdf: someone else has changed it since");
        let run = marked(length, 7).deliver(deliver, policy().tombstone());
        assert_eq!(run.outcome.kind(), OutcomeKind::Conflict, "nor is it removed");
    }
    // Half of it is written anew: only the checksum, which is zeros here, is in its way.
    let run = marked(9, 7)
        .expect("GET https://files/p", reply(200).text("%PDF"))
        .deliver(deliver, policy().data(data));
    assert!(
        matches!(&run.outcome, Outcome::Rejected(why) if why.contains("its sha256 is")),
        "{:?}",
        run.outcome
    );
}

#[test]
fn what_arrived_whole_and_was_not_described_has_the_version_that_was_meant() {
    webdav(json!({}));
    let text = format!(
        "<multistatus xmlns='DAV:' xmlns:l='urn:liaison:delivery'><response><propstat><prop><getetag>\"h\"</getetag>\
         <getcontentlength>4</getcontentlength><l:version>6</l:version><l:sha256>{}</l:sha256>\
         <l:pending>{ZEROS} 4 9</l:pending></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>",
        "1".repeat(64)
    );
    let (_, current, reason) = conflict(looked(reply(207).text(&text)).deliver(deliver, policy()).outcome);
    assert_eq!(reason, "/a/b/p.pdf: it holds version 9, which is newer than 7");
    assert_eq!(current["updatedAt"], 9);
    // Its own event only describes it.
    let data = json!({ "title": "A", "updatedAt": 9, "url": "https://files/p", "sha256": ZEROS });
    let run = looked(reply(207).text(&text))
        .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
        .deliver(deliver, policy().data(data));
    assert!(matches!(run.outcome, Outcome::Delivered(_)), "{:?}", run.outcome);
    assert!(body(&run.requests[2]).contains("<l:version>9</l:version>"));
}

#[test]
fn metadata_that_someone_else_changed_are_not_written_over_unasked() {
    webdav(json!({}));
    // Written with the title `B`, whose checksum begins so.
    let titled = |title: &str, said: &str| {
        let text = format!(
            "<multistatus xmlns='DAV:' xmlns:l='urn:liaison:delivery'><response><propstat><prop><getetag>\"e\"</getetag>\
             <l:version>6</l:version><l:sha256>{ZEROS}</l:sha256><l:said>title={said}</l:said>\
             <title xmlns='urn:liaison:document'>{title}</title></prop><status>HTTP/1.1 200 OK</status></propstat></response>\
             </multistatus>"
        );
        looked(reply(207).text(&text))
    };
    let (_, current, reason) = conflict(titled("Theirs", "df7e70e5").deliver(deliver, policy()).outcome);
    assert_eq!(reason, "/a/b/p.pdf: someone else has changed its metadata since");
    assert_eq!(current["title"], "Theirs");
    // As it was written, and as the event says anyway.
    for title in ["B", "A"] {
        let run = titled(title, "df7e70e5")
            .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
            .deliver(deliver, policy());
        assert!(matches!(run.outcome, Outcome::Delivered(_)), "{title}: {:?}", run.outcome);
        assert!(body(&run.requests[2]).contains("<l:said>title=559aead0</l:said>"), "of the title `A`");
    }
}

#[test]
fn what_was_merged_is_written_down_as_the_event_said_it() {
    webdav(json!({}));
    let data = json!({ "title": "Theirs", "updatedAt": 7, "url": "https://files/p", "sha256": ZEROS });
    let version = Some(version_of(held(6, ZEROS)));
    let merged = Resolution::Merged(Merged { data: data.to_string().into_bytes(), version });
    webdav(json!({ "verify": "answer" }));
    let run = looked(held(6, ZEROS))
        .expect("GET https://files/p", reply(200).text("%PDF"))
        .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
        .expect("PUT /a/b/p.pdf", reply(204))
        .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
        .deliver(deliver, policy().resolution(merged));
    let body = body(&run.requests[5]);
    assert!(body.contains(">Theirs</m:title>") && body.contains("<l:said>title=559aead0</l:said>"), "{body}");
}

#[test]
fn a_merge_that_ended_half_way_is_decided_again() {
    webdav(json!({}));
    let found = || {
        let text = format!(
            "<multistatus xmlns='DAV:' xmlns:l='urn:liaison:delivery'><response><propstat><prop><getetag>\"h\"</getetag>\
             <getcontentlength>2</getcontentlength><l:version>6</l:version><l:sha256>{}</l:sha256>\
             <title xmlns='urn:liaison:document'>Theirs</title><l:pending>merged:{ZEROS} 4 7</l:pending></prop>\
             <status>HTTP/1.1 200 OK</status></propstat></response></multistatus>",
            "1".repeat(64)
        );
        reply(207).text(&text)
    };
    // A host that was killed does not know any more that it had decided.
    let (version, current, reason) = conflict(looked(found()).deliver(deliver, policy()).outcome);
    assert_eq!(reason, "/a/b/p.pdf: an attempt to write what was merged with it ended half-way");
    assert_eq!(current["title"], "Theirs");
    let data = json!({ "title": "Theirs", "updatedAt": 7, "url": "https://files/p", "sha256": ZEROS });
    let merged = Resolution::Merged(Merged { data: data.to_string().into_bytes(), version });
    let run = looked(found())
        .expect("GET https://files/p", reply(200).text("%PDF"))
        .expect("PROPPATCH /a/b/p.pdf", reply(207).text(DONE))
        .expect("PUT /a/b/p.pdf", reply(423))
        .deliver(deliver, policy().resolution(merged));
    assert!(body(&run.requests[3]).contains(&format!("<l:pending>merged:{ZEROS} 4 7</l:pending>")));
}

#[test]
fn a_change_within_the_second_of_the_events_version_is_for_a_person() {
    webdav(json!({}));
    for (at, version) in
        [("2026-11-28T09:49:09.500Z", None), ("2026-11-28T09:49:10.500Z", Some("2026-11-28T09:49:09.000Z"))]
    {
        let data = json!({ "updatedAt": at, "url": "https://files/p", "sha256": "2".repeat(64) });
        let run = looked(held(6, &"1".repeat(64))).deliver(deliver, policy().data(data));
        assert_eq!(conflict(run.outcome).1["updatedAt"].as_str(), version, "{at}");
    }
}
