//! Files: how many and how large within an hour, what they may pretend to be, and how they are given back.

use crate::desk::{Desk, Response};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n....";

fn upload(desk: &Desk, token: &str, mime: &str, bytes: &[u8]) -> Response {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", mime)];
    desk.ask("POST", "/api/v1/attachments", &headers, bytes)
}

#[test]
fn one_person_uploads_so_much_within_an_hour() {
    let desk = Desk::with(&[
        ("RUSHDESK__ATTACHMENTS__MAX_BYTES", "500"),
        ("RUSHDESK__ATTACHMENTS__BYTES_PER_H", "1000"),
        ("RUSHDESK__ATTACHMENTS__FILES_PER_H", "3"),
    ]);
    let (_, greedy) = desk.visitor();
    let (_, other) = desk.visitor();
    upload(&desk, &greedy, "text/plain", &[b'a'; 501]).refused(413, "too_large");
    for _ in 0..2 {
        upload(&desk, &other, "text/plain", &[b'a'; 400]).expect(201);
    }
    let refused = upload(&desk, &other, "text/plain", &[b'a'; 400]);
    assert!(refused.refused(429, "rate_limited").contains("1000 bytes"), "{refused:?}");
    let wait_ms = refused.json()["retry_after_ms"].as_u64().unwrap();
    assert!((1..=3_600_000).contains(&wait_ms), "{wait_ms}");
    upload(&desk, &other, "text/plain", &[b'a'; 100]).expect(201);
    let detail = upload(&desk, &other, "text/plain", b"a").refused(429, "rate_limited");
    assert!(detail.contains("3 files"), "{detail}");
    let (_, third) = desk.visitor();
    upload(&desk, &third, "text/plain", b"a").expect(201);
    let metrics = desk.ask("GET", "/metrics", &[], b"").text;
    let name = "rushdesk_requests_refused_total{limit=\"uploads_per_h\"} ";
    assert_eq!(metrics.lines().find_map(|line| line.strip_prefix(name)), Some("2"));
}

#[test]
fn a_file_is_what_its_sender_says() {
    let desk = Desk::start();
    let (_, visitor) = desk.visitor();
    upload(&desk, &visitor, "image/png", PNG).expect(201);
    upload(&desk, &visitor, "application/pdf", b"%PDF-1.7").expect(201);
    for (mime, bytes) in [
        ("image/png", &b"<svg onload=alert(1)>"[..]),
        ("image/jpeg", PNG),
        ("application/pdf", b"PK\x03\x04"),
    ] {
        let detail = upload(&desk, &visitor, mime, bytes).refused(400, "bad_frame");
        assert!(detail.contains(mime), "{detail}");
    }
}

#[test]
fn nothing_that_a_browser_would_run_is_shown_in_the_page() {
    let desk = Desk::with(&[("RUSHDESK__ATTACHMENTS__TYPES", "image/*, text/*")]);
    let (_, visitor) = desk.visitor();
    for (mime, bytes, kind) in [
        ("image/png", PNG, "inline"),
        ("image/png", &b"bytes that nobody recognises"[..], "attachment"),
        ("image/svg+xml", &b"<svg onload=alert(1)>"[..], "attachment"),
        ("text/html", b"<script>alert(1)</script>", "attachment"),
    ] {
        let made = upload(&desk, &visitor, mime, bytes).expect(201);
        let shown = desk.ask("GET", made["url"].as_str().unwrap(), &[], b"");
        assert_eq!(shown.status, 200);
        let head = shown.head.to_ascii_lowercase();
        assert!(head.contains(&format!("content-disposition: {kind}")), "{head}");
        assert!(head.contains("x-content-type-options: nosniff") && head.contains("sandbox"), "{head}");
    }
}

/// A form with these parts: what stands behind `form-data; `, the type, and the bytes.
fn form(parts: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (disposition, mime, bytes) in parts {
        let head =
            format!("--cut\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: {mime}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--cut--\r\n");
    body
}

#[test]
fn a_file_may_come_as_the_one_part_of_a_form() {
    let desk = Desk::with(&[("RUSHDESK__ATTACHMENTS__MAX_BYTES", "100000")]);
    let (_, visitor) = desk.visitor();
    let send = |body: &[u8]| upload(&desk, &visitor, "multipart/form-data; boundary=cut", body);
    let shoe = ("name=\"file\"; filename=\"shoe.png\"", "image/png", PNG);
    let made = send(&form(&[shoe])).expect(201);
    assert_eq!((made["name"].as_str(), made["mime"].as_str()), (Some("shoe.png"), Some("image/png")));
    let given = desk.ask("GET", made["url"].as_str().unwrap(), &[], b"");
    assert!(given.head.contains(&format!("content-length: {}", PNG.len())), "{given:?}");
    for (body, words) in [
        (form(&[shoe, shoe]), "one part"),
        (form(&[("name=\"picture\"", "image/png", PNG)]), "one part"),
        (form(&[("name=\"file\"", "image/png", b"GIF89a")]), "no image/png"),
        (form(&[("name=\"file\"", "text/html", b"<p>")]), "`text/html` are not taken"),
        (
            form(&[(&format!("name=\"file\"; filename=\"{}\"", "x".repeat(501)), "image/png", PNG)]),
            "`filename`",
        ),
        (form(&[]), "one part"),
        (form(&[shoe])[..60].to_vec(), "form cannot be read"),
        (b"no form".to_vec(), "form cannot be read"),
    ] {
        let detail = send(&body).refused(400, "bad_frame");
        assert!(detail.contains(words), "{words}: {detail}");
    }
    let large = vec![b'a'; 100_001];
    send(&form(&[("name=\"file\"", "text/plain", &large)])).refused(413, "too_large");
    upload(&desk, &visitor, "multipart/form-data", b"x").refused(400, "bad_frame");
    assert_eq!(desk.attachments(), 2, "of each file that was not taken nothing stays");
}
