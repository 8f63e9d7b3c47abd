//! The API on a TCP port of loopback: who is let in, what each token opens, and that the OpenAPI
//! document says what is answered.
#![allow(clippy::expect_used, clippy::panic, reason = "a suite has one way to fail")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use boon::{Compiler, Schemas};
use gearmesh_tests::daemon::{Daemon, Plant, free_port};
use gearmesh_tests::wait::until;
use serde_json::{Value, json};

/// What came back: the status, the head in small letters, the body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The code of a refusal.
    fn code(&self) -> u64 {
        self.json()["code"].as_u64().unwrap_or_else(|| panic!("{} {}", self.status, self.body))
    }
}

/// A node with its API on a port, and what is sent to it.
struct Http {
    port: u16,
}

impl Http {
    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the API listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("a request");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    fn host(&self) -> String {
        format!("host: 127.0.0.1:{}\r\n", self.port)
    }

    fn get(&self, path: &str, token: &str) -> Answer {
        let headers = format!("{}authorization: Bearer {token}\r\n", self.host());
        self.ask("GET", path, &headers, "")
    }

    fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        let headers = format!(
            "{}authorization: Bearer {token}\r\ncontent-type: application/json\r\n",
            self.host()
        );
        self.ask("POST", path, &headers, &body.to_string())
    }
}

fn up(plant: &Plant) -> (Http, Daemon) {
    let port = free_port();
    let words = ["--listen", "127.0.0.1:0", "--no-mdns", "--api", &format!("127.0.0.1:{port}")];
    let node = plant.up_with("gateway-1", &words);
    (Http { port }, node)
}

fn token(plant: &Plant, name: &str, scope: &str) -> String {
    let said = plant.gearmesh("gateway-1", &["token", "add", name, scope]).ok();
    said.trim().to_owned()
}

fn sample(topic: &str) -> Value {
    let sample =
        json!({"value": {"integer": 42}, "quality": "good", "source_time": 7, "unit": "1"});
    json!({"topic": topic, "sample": sample})
}

#[test]
fn a_token_opens_what_it_names_and_nothing_else() {
    let plant = Plant::founded();
    let (http, _node) = up(&plant);
    assert_eq!(http.ask("GET", "/v1/status", &http.host(), "").code(), 348);
    assert_eq!(http.get("/v1/status", "gmt_guessed").code(), 349);
    let tokens = ["--read", "--publish", "--call", "--admin"]
        .map(|scope| token(&plant, &format!("to-{}", &scope[2..]), scope));
    let [read, publish, call, admin] = &tokens;
    let may = |token: &str| {
        let call = json!({"machine": "nobody", "verb": "load"});
        let settle = json!({"ends": []});
        [
            http.get("/v1/status", token).status == 200,
            http.post("/v1/publish", token, &sample("x")).status == 200,
            // Nobody is there to be called: 403 with another code than that of a narrow token.
            http.post("/v1/call", token, &call).code() != 350,
            http.post("/v1/data/settle", token, &settle).code() != 350,
            http.post("/v1/partner/end", token, &json!({"name": "parts"})).code() != 350,
        ]
    };
    assert_eq!(may(read), [true, false, false, false, false]);
    assert_eq!(may(publish), [false, true, false, false, false]);
    assert_eq!(may(call), [false, false, true, false, false]);
    assert_eq!(may(admin), [true; 5]);
    let head = |token: &str| {
        let headers = format!("{}authorization: Bearer {token}\r\n", http.host());
        http.ask("HEAD", "/v1/status", &headers, "").status
    };
    assert_eq!([head(read), head(publish)], [200, 403], "a head is of an answer");
    assert_eq!(http.get("/v1/nowhere", read).status, 404);
    assert_eq!(http.post("/v1/status", read, &json!({})).status, 405);
    let _ = plant.gearmesh("gateway-1", &["token", "remove", "to-read"]).ok();
    assert_eq!(http.get("/v1/status", read).code(), 349, "at once");
    let listed = plant.gearmesh("gateway-1", &["token", "list"]).ok();
    assert!(listed.contains("to-publish") && !listed.contains("gmt_"), "{listed}");
    let _ = plant.gearmesh("gateway-1", &["token", "add", "to-call", "--call"]).refused_with(354);
    let _ = plant.gearmesh("gateway-1", &["token", "remove", "to-read"]).refused_with(355);
}

#[test]
fn a_page_of_another_name_gets_nothing_and_no_origin_is_allowed() {
    let plant = Plant::founded();
    let (http, _node) = up(&plant);
    let read = token(&plant, "panel", "--read");
    for host in ["evil.example", &format!("evil.example:{}", http.port), "127.0.0.1"] {
        let headers = format!("host: {host}\r\nauthorization: Bearer {read}\r\n");
        let answer = http.ask("GET", "/v1/status", &headers, "");
        assert_eq!((answer.status, answer.code()), (403, 351), "{host}");
    }
    let named = format!(
        "host: localhost:{}\r\nauthorization: Bearer {read}\r\norigin: http://evil.example\r\n",
        http.port
    );
    let answer = http.ask("GET", "/v1/status", &named, "");
    assert_eq!(answer.status, 200);
    assert!(!answer.head.contains("access-control"), "{}", answer.head);
    assert_eq!(http.ask("OPTIONS", "/v1/status", &named, "").status, 405);
}

#[test]
fn tokens_that_others_can_read_open_nothing_and_only_loopback_is_listened_on() {
    let plant = Plant::founded();
    let (http, node) = up(&plant);
    let read = token(&plant, "panel", "--read");
    let file = plant.home("gateway-1").join("tokens");
    let mode = |mode| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("a chmod");
    };
    mode(0o644);
    assert_eq!(http.get("/v1/status", &read).code(), 353);
    node.kill();
    let api = format!("127.0.0.1:{}", http.port);
    let started = |api: &str| plant.gearmesh("gateway-1", &["up", "--no-mdns", "--api", api]);
    let said = started(&api).refused_saying("[code 352]");
    assert!(said.contains("chmod go-rwx"), "{said}");
    mode(0o600);
    let _ = started("0.0.0.0:7480").refused_saying("[code 356]");
    let _ = started("192.0.2.1:7480").refused_saying("[code 356]");
    let _taken = std::net::TcpListener::bind(&api).expect("the port is free");
    let _ = started(&api).refused_saying("[code 357]");
}

#[test]
fn a_token_that_is_removed_ends_what_streams_by_it() {
    let plant = Plant::founded();
    let (http, _node) = up(&plant);
    let stream = |token: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", http.port)).expect("the API listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
        let request = format!(
            "GET /v1/subscribe?filter=%23 HTTP/1.1\r\n{}authorization: Bearer {token}\r\n\r\n",
            http.host()
        );
        stream.write_all(request.as_bytes()).expect("a request");
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 200");
        stream
    };
    let (panel, other) = (token(&plant, "panel", "--read"), token(&plant, "other", "--read"));
    let (mut of_panel, mut of_other) = (stream(&panel), stream(&other));
    let _ = plant.gearmesh("gateway-1", &["token", "remove", "panel"]).ok();
    let mut rest = Vec::new();
    // Whether it is closed or reset, it ends.
    drop(of_panel.read_to_end(&mut rest));
    assert_eq!(http.get("/v1/status", &panel).code(), 349);
    let _ = plant.gearmesh("gateway-1", &["pub", "x", "17"]).ok();
    let mut text = String::new();
    until("the other one goes on", || {
        let mut piece = [0; 4096];
        let read = of_other.read(&mut piece).expect("it is open");
        assert_ne!(read, 0, "it is open");
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
        text.contains("gateway-1/x").then_some(())
    });
}

#[test]
fn what_is_answered_is_what_the_document_says() {
    let plant = Plant::founded();
    let (http, _node) = up(&plant);
    let admin = token(&plant, "all", "--admin");
    let document = http.get("/v1/openapi.json", &admin).json();
    let paths = document["paths"].as_object().expect("paths").clone();
    let key = http.get("/v1/status", &admin).json()["key"].as_str().expect("a key").to_owned();
    let published = http.post("/v1/durable", &admin, &sample("part/done"));
    assert_eq!(published.status, 200, "{}", published.body);
    assert_fits(&document, "#/components/schemas/DurablePublished", &published.json());
    let live = http.post("/v1/publish", &admin, &sample("x")).json();
    assert_fits(&document, "#/components/schemas/Published", &live);
    let mut checked = 0;
    for (path, methods) in &paths {
        let content = &methods["get"]["responses"]["200"]["content"]["application/json"];
        let required: Vec<&str> = methods["get"]["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["required"] == true)
            .filter_map(|parameter| parameter["name"].as_str())
            .collect();
        if content.is_null() || required.iter().any(|name| *name != "key") {
            continue;
        }
        let query = if required.is_empty() { String::new() } else { format!("?key={key}") };
        let answer = http.get(&format!("{path}{query}"), &admin);
        if path == "/v1/partner" {
            assert_eq!(answer.code(), 360, "this node does not meet partners");
            continue;
        }
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let place = format!(
            "#/paths/{}/get/responses/200/content/application~1json/schema",
            path.replace('/', "~1")
        );
        assert_fits(&document, &place, &answer.json());
        checked += 1;
    }
    assert!(checked >= 9, "only {checked} answers were looked at");
    let refused = http.get("/v1/history?filter=%23%23", &admin).json();
    assert_fits(&document, "#/components/schemas/Error", &refused);
}

/// Holds an answer against a schema of the document.
fn assert_fits(document: &Value, place: &str, answer: &Value) {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("file:///openapi.json", document.clone()).expect("a document");
    let index = compiler.compile(&format!("file:///openapi.json{place}"), &mut schemas);
    let index = index.unwrap_or_else(|error| panic!("{place}: {error}"));
    let fits = schemas.validate(answer, index);
    assert!(fits.is_ok(), "{place}: {answer}: {:#}", fits.expect_err("a misfit"));
}

#[test]
fn prometheus_reads_what_the_node_counts_and_finds_all_members() {
    let (plant, port, gateway, _press) = Plant::of_two();
    gateway.kill();
    let api = free_port();
    let words = [
        "--listen",
        &format!("127.0.0.1:{port}"),
        "--no-mdns",
        "--api",
        &format!("127.0.0.1:{api}"),
    ];
    let _gateway = plant.up_with("gateway-1", &words);
    let (http, read) = (Http { port: api }, token(&plant, "prometheus", "--read"));
    until("the other member is seen", || {
        let page = http.get("/metrics", &read);
        assert!(page.head.contains("text/plain; version=0.0.4"), "{}", page.head);
        page.body.contains("gearmesh_members_online 1\n").then_some(())
    });
    let page = http.get("/metrics", &read).body;
    assert!(page.contains("gearmesh_member_online{member=\"press-1\",key="), "{page}");
    assert!(page.contains("# TYPE gearmesh_published_total counter"), "{page}");
    let targets = http.get("/v1/sd", &read).json();
    let named: Vec<&str> = targets
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|target| target["labels"]["__meta_gearmesh_member"].as_str())
        .collect();
    assert_eq!(named, ["gateway-1", "press-1"]);
}
