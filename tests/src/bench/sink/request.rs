//! Reads of an HTTP/1.1 request what the sink needs: where it ends, and which event it is about. Pure.

use std::io;

/// Heads longer than this are not ours.
const MAX_HEAD_BYTES: usize = 8 * 1024;

/// One whole request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    /// The number at the end of its path.
    pub(super) event: u32,
    /// Head and body together.
    pub(super) bytes: usize,
}

/// The first request in `read`; `None` while it is not all there. Fails where it can be none of ours.
pub(super) fn parse(read: &[u8]) -> io::Result<Option<Request>> {
    let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return if read.len() > MAX_HEAD_BYTES { Err(io::ErrorKind::InvalidData.into()) } else { Ok(None) };
    };
    let strange = |_| io::Error::from(io::ErrorKind::InvalidData);
    let head = std::str::from_utf8(&read[..end]).map_err(strange)?;
    let mut lines = head.split("\r\n");
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let event = path.rsplit('/').next().unwrap_or_default().parse();
    let event = event.map_err(|_| io::ErrorKind::InvalidData)?;
    let mut body = 0;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            body = value.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
        }
    }
    let bytes = end + 4 + body;
    Ok((read.len() >= bytes).then_some(Request { event, bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "PUT /events/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";

    #[test]
    fn a_request_is_taken_when_all_of_it_is_there() {
        for cut in 0..WHOLE.len() {
            assert_eq!(parse(&WHOLE.as_bytes()[..cut]).unwrap(), None, "{cut}");
        }
        let request = Request { event: 7, bytes: WHOLE.len() };
        assert_eq!(parse(WHOLE.as_bytes()).unwrap(), Some(request));
        assert_eq!(parse(format!("{WHOLE}PUT").as_bytes()).unwrap(), Some(request));
    }

    #[test]
    fn what_names_no_event_is_refused() {
        for text in
            ["PUT /events/x HTTP/1.1\r\n\r\n", "\r\n\r\n", "PUT /1 HTTP/1.1\r\ncontent-length: x\r\n\r\n"]
        {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(&[b'x'; 10_000]).is_err());
    }
}
