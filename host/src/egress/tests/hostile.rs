//! External systems that mean harm: each costs its own request, within its limits, and nothing else.

use http::header::CONTENT_ENCODING;

use super::*;

/// 100,000 zeros by gzip: 132 bytes.
const BOMB: &[u8] = &[
    0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0x02, 0x03, 0xed, 0xc1, 0x31, 0x01, 0, 0, 0, 0xc2, 0xa0, 0xf5, 0x4f,
    0x6d, 0x0d, 0x0f, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0x80, 0x57, 0x03, 0x7d, 0x95, 0x11, 0xd4, 0xa0, 0x86, 0x01, 0,
];

/// No one asks for compressed replies, and none is decompressed: what comes counts as it came.
#[tokio::test]
async fn a_compressed_bomb_stays_as_small_as_it_came() {
    local(async {
        let server = Server::plain(|_| {
            let mut response = http::Response::new(http_body_util::Full::new(Bytes::from_static(BOMB)));
            response.headers_mut().insert(CONTENT_ENCODING, "gzip".parse().unwrap());
            response
        })
        .await;
        let settings = Egress { max_reply_bytes: 132, ..settings(&format!("http://{}", server.address)) };
        let response = perform(
            &Gateway::new(&settings, Mask::default(), &std::env::temp_dir()).unwrap(),
            &request("GET", "/x"),
        )
        .await
        .unwrap();
        assert_eq!(response.body, BOMB);
        assert_eq!(response.headers[CONTENT_ENCODING], "gzip");
        assert_eq!(server.seen.borrow()[0].header("accept-encoding"), None);
    })
    .await;
}

#[tokio::test]
async fn what_never_ends_is_cut_at_its_limit() {
    local(async {
        let chunk = [&b"1000\r\n"[..], &[b'x'; 0x1000], b"\r\n"].concat();
        let cases: [(&[u8], Vec<u8>, Option<Failure>); 4] = [
            (
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                chunk,
                Some(Failure::TooLarge(10_000)),
            ),
            (b"HTTP/1.1 200 OK\r\n\r\n", vec![b'x'; 4096], Some(Failure::TooLarge(10_000))),
            (b"HTTP/1.1 200 OK\r\n", b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(50), None),
            (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(50), Some(Failure::TimedOut)),
        ];
        for (head, endless, expected) in cases {
            let (address, _) = scripted(move |mut connection| {
                let (head, endless) = (head, endless.clone());
                async move {
                    reply_with(&mut connection, head).await;
                    while connection.write_all(&endless).await.is_ok() {}
                }
            })
            .await;
            let settings = Egress { max_reply_bytes: 10_000, ..settings(&format!("http://{address}")) };
            let request = HttpRequest { timeout: Some(Duration::from_millis(300)), ..request("GET", "/x") };
            let failure =
                perform(&Gateway::new(&settings, Mask::default(), &std::env::temp_dir()).unwrap(), &request)
                    .await
                    .unwrap_err();
            match expected {
                Some(expected) => assert_eq!(failure, expected),
                // A head is bounded by the buffer that it is read into.
                None => assert!(
                    matches!(&failure, Failure::Connection(why) if why.contains("too large")),
                    "{failure}"
                ),
            }
        }
    })
    .await;
}

/// One byte now and then, each well within any time-out: the whole reply counts.
#[tokio::test]
async fn a_drip_is_over_with_its_time() {
    local(async {
        for head in [&b"HTTP/1.1 200 OK\r\n"[..], b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"] {
            let (address, _) = scripted(move |mut connection| async move {
                reply_with(&mut connection, head).await;
                let mut tick = tokio::time::interval(Duration::from_millis(10));
                while connection.write_all(b"x").await.is_ok() {
                    tick.tick().await;
                }
            })
            .await;
            let (limit, begin) = (Duration::from_millis(200), Instant::now());
            let request = HttpRequest { timeout: Some(limit), ..request("GET", "/x") };
            assert_eq!(perform(&gateway(address), &request).await.unwrap_err(), Failure::TimedOut);
            let took = begin.elapsed();
            assert!(took >= limit && took < limit + Duration::from_secs(2), "{took:?}");
        }
    })
    .await;
}

/// What stands behind a reply is not the reply to the next request.
#[tokio::test]
async fn a_smuggled_reply_is_never_taken_for_the_next_one() {
    local(async {
        let smuggled =
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
        let (address, accepted) = scripted(move |mut connection| async move {
            reply_with(&mut connection, smuggled).await;
            while read_request(&mut connection).await {}
        })
        .await;
        let gateway = gateway(address);
        for connections in 1..4 {
            assert_eq!(perform(&gateway, &request("GET", "/x")).await.unwrap().body, "ok");
            assert_eq!(accepted.get(), connections);
        }
    })
    .await;
}

#[tokio::test]
async fn lengths_that_contradict_each_other_are_refused_or_end_the_connection() {
    local(async {
        let two = &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\nok123"[..];
        let both =
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        for (reply, body) in [(two, None), (both, Some("ok"))] {
            let (address, accepted) =
                scripted(
                    move |mut connection| async move { while reply_with(&mut connection, reply).await {} },
                )
                .await;
            let gateway = gateway(address);
            for _ in 0..2 {
                match (perform(&gateway, &request("GET", "/x")).await, body) {
                    (Ok(response), Some(body)) => assert_eq!(response.body, body),
                    (Err(Failure::Connection(_)), None) => {}
                    (found, _) => panic!("{found:?}"),
                }
            }
            assert!(body.is_some() || accepted.get() == 2);
        }
    })
    .await;
}

/// All of it is refused before anything is dialled.
#[tokio::test]
async fn no_trick_in_a_request_reaches_the_network() {
    local(async {
        let server = Server::plain(|_| answer(200, "")).await;
        let port = server.address.port();
        let gateway = Gateway::new(
            &settings(&format!("http://127.0.0.1:{port}/api")),
            Mask::default(),
            &std::env::temp_dir(),
        )
        .unwrap();
        let urls = [
            format!("http://127.0.0.2:{port}/"),
            format!("http://[::1]:{port}/"),
            format!("http://[::ffff:127.0.0.1]:{port}/"),
            format!("http://127.0.0.1:{port}@127.0.0.2:{port}/"),
            format!("http://u:p@127.0.0.1:{port}/"),
            format!("//127.0.0.2:{port}/"),
            "/x HTTP/1.1\r\nhost: evil".to_owned(),
            "/%2e%2e/admin".to_owned(),
            "/..%2f..%2fadmin".to_owned(),
            "/\\..\\admin".to_owned(),
            "*".to_owned(),
        ];
        for url in urls {
            let failure = perform(&gateway, &request("GET", &url)).await.unwrap_err();
            assert!(matches!(failure, Failure::NotAllowed(_) | Failure::Invalid(_)), "{url}: {failure}");
        }
        for (name, value) in
            [("host", "evil"), ("content-length", "1"), ("x", "a\r\nhost: evil"), ("x\r\ny", "")]
        {
            let headers = vec![(name.to_owned(), value.to_owned())];
            let failure =
                perform(&gateway, &HttpRequest { headers, ..request("PUT", "/x") }).await.unwrap_err();
            assert!(matches!(failure, Failure::Invalid(_)), "{name:?}: {failure}");
        }
        assert_eq!(server.accepted.get(), 0);
        // Other spellings of the endpoint's own address are the endpoint.
        for host in ["2130706433", "0x7f000001", "0177.0.0.1", "127.1"] {
            let url = format!("http://{host}:{port}/api");
            assert_eq!(perform(&gateway, &request("GET", &url)).await.unwrap().status, 200, "{host}");
        }
        let hosts: Vec<_> =
            server.seen.borrow().iter().map(|seen| seen.header("host").map(str::to_owned)).collect();
        assert_eq!(hosts, vec![Some(server.address.to_string()); 4]);
    })
    .await;
}
