//! The local API says no: every answer that is no success is a refusal with its code and its mend,
//! also where the HTTP library turned the request away.
#![expect(clippy::panic, reason = "a suite has one way to fail")]

use ed25519_dalek::SigningKey;
use gearmesh_protocol::ids::PublicKey;
use gearmesh_protocol::limits::{FRAME_BYTES_MAX, SAMPLE_BYTES_MAX};
use gearmesh_protocol::local::ErrorBody;
use gearmesh_tests::api::{Answer, Api};
use gearmesh_tests::daemon::Plant;

const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

/// What is wrong, method, path, kind and body of the request; status and code of the answer.
type Case<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, (u16, u16));

/// The code and status of a refusal, which has a sentence and a mend.
fn refused(what: &str, answer: &Answer) -> (u16, u16) {
    let body: ErrorBody = serde_json::from_str(&answer.body)
        .unwrap_or_else(|error| panic!("{what}: {error} in {}: {:?}", answer.status, answer.body));
    assert!(!body.error.is_empty() && !body.mend.is_empty(), "{what}: {body:?}");
    (answer.status, body.code.code())
}

#[test]
fn every_request_that_is_wrong_gets_a_refusal_with_its_code() {
    let plant = Plant::founded();
    let gateway = plant.up("gateway-1");
    let sample = |value: &str| {
        format!(
            r#"{{"topic":"x","sample":{{"value":{value},"quality":"good","source_time":0,"unit":null}}}}"#
        )
    };
    let on = |topic: &str| sample(r#"{"integer":1}"#).replace("\"x\"", &format!("{topic:?}"));
    let large = sample(&format!("{{\"text\":\"{}\"}}", "x".repeat(SAMPLE_BYTES_MAX + 1)));
    let key = "0".repeat(64);
    let log = format!("/v1/trust/log?key={key}x");
    let too_much = "x".repeat(FRAME_BYTES_MAX + 1);
    let stranger = PublicKey::of(&SigningKey::from_bytes(&[9; 32]));
    let why = format!("/v1/why?key={stranger}");
    let cases: [Case<'_>; 34] = [
        ("an unknown path", "GET", "/v1/secrets", "", "", (404, 261)),
        ("a path of old", "GET", "/", "", "", (404, 261)),
        ("a wrong method", "GET", "/v1/publish", "", "", (405, 262)),
        ("a wrong method", "DELETE", "/v1/members", "", "", (405, 262)),
        ("a wrong method with a body", "PUT", "/v1/join", JSON, "{}", (405, 262)),
        ("no filter", "GET", "/v1/subscribe", "", "", (400, 260)),
        ("a bad filter", "GET", "/v1/subscribe?filter=a%2F%23%2Fb", "", "", (400, 266)),
        ("an empty filter", "GET", "/v1/subscribe?filter=", "", "", (400, 266)),
        ("no key", "GET", "/v1/trust/log", "", "", (400, 260)),
        ("a key that is none", "GET", &log, "", "", (400, 260)),
        ("a key that is none", "GET", "/v1/trust/ends?key=7", "", "", (400, 260)),
        ("a group that is none", "GET", "/v1/trust/confirmations?group=7", "", "", (400, 260)),
        ("no key", "GET", "/v1/data/log", "", "", (400, 260)),
        ("a key that is none", "GET", "/v1/why?key=7", "", "", (400, 260)),
        ("a key of nobody", "GET", &why, "", "", (403, 236)),
        ("ends that are none", "POST", "/v1/data/settle", JSON, "{\"ends\":[7]}", (422, 260)),
        ("no ends", "POST", "/v1/data/settle", JSON, "{}", (422, 260)),
        ("a log with one end", "POST", "/v1/data/settle", JSON, "{\"ends\":[]}", (403, 283)),
        ("no JSON", "POST", "/v1/publish", JSON, "temperature=21", (400, 260)),
        ("half a document", "POST", "/v1/publish", JSON, "{\"topic\":", (400, 260)),
        ("no kind", "POST", "/v1/publish", "", "{}", (415, 264)),
        ("another kind", "POST", "/v1/join", "text/plain", "gm1:", (415, 264)),
        ("a field too few", "POST", "/v1/publish", JSON, "{\"topic\":\"x\"}", (422, 260)),
        ("a field too few", "POST", "/v1/join", JSON, "{}", (422, 260)),
        ("too much JSON", "POST", "/v1/publish", JSON, &too_much, (413, 263)),
        ("too many bytes", "POST", "/v1/trust/groups", BYTES, &too_much, (413, 263)),
        ("an empty topic", "POST", "/v1/publish", JSON, &on(""), (400, 265)),
        ("a wildcard topic", "POST", "/v1/publish", JSON, &on("a/#"), (400, 265)),
        ("a topic that is not granted", "POST", "/v1/publish", JSON, &on("/other/x"), (403, 130)),
        ("a large value", "POST", "/v1/publish", JSON, &large, (400, 268)),
        ("no code", "POST", "/v1/join", JSON, "{\"code\":\"press-1\"}", (400, 225)),
        ("half a code", "POST", "/v1/join", JSON, "{\"code\":\"gm1:\"}", (400, 227)),
        ("no group", "POST", "/v1/trust/groups", BYTES, "group", (400, 271)),
        ("no group", "POST", "/v1/trust/preview", BYTES, "", (400, 271)),
    ];
    for (what, method, path, kind, body, wanted) in cases {
        let answer = Api::of(gateway.home()).request(method, path, kind, body.as_bytes());
        assert_eq!(refused(what, &answer), wanted, "{what}: {method} {path}: {}", answer.body);
    }
    assert!(!plant.log("gateway-1").contains("panicked"), "{}", plant.log("gateway-1"));
}

#[test]
fn a_command_that_fails_prints_its_refusal_as_a_document_where_json_is_wanted() {
    let plant = Plant::founded();
    let read = |words: &[&str], exit: i32| {
        let said = plant.gearmesh("gateway-1", &[words, &["--json"]].concat());
        assert_eq!(said.code, Some(exit), "{said:?}");
        assert_eq!(said.out, "", "{words:?}");
        let body: ErrorBody = serde_json::from_str(said.err.trim_end()).expect("one document");
        assert!(!body.error.is_empty() && !body.mend.is_empty(), "{body:?}");
        body.code.code()
    };
    assert_eq!(read(&["status"], 3), 220);
    assert_eq!(read(&["up", "--listen", "192.0.2.1:1", "--no-mdns"], 3), 208);
    assert_eq!(read(&["init", "Again"], 1), 240);
    let _gateway = plant.up("gateway-1");
    assert_eq!(read(&["pub", "a/#", "1"], 1), 265);
    assert_eq!(read(&["join", "gm1:"], 1), 227);
    assert_eq!(read(&["revoke", "nobody", "--reason", "lost", "--yes"], 1), 236);
    assert_eq!(read(&["add", "gateway-1"], 1), 232);
}
