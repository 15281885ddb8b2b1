//! A log reader that stops reading loses log lines, but delays no decision.

use std::io::{BufReader, Read, Write};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::caller;
use crate::support::gateway::{corpus_file, free_port};
use crate::support::http_message::Message;
use crate::support::operations::until;
use crate::support::program::{accepts, keygate};

const DENIALS: usize = 100_000;

/// The number of requests that are sent before their responses are read.
const PIPELINED: usize = 100;

struct Unread {
    child: Child,
    data: String,
    operations: String,
}

impl Unread {
    /// Starts a process whose standard error is a pipe without a reader.
    fn start() -> Self {
        let data = format!("127.0.0.1:{}", free_port());
        let operations = format!("127.0.0.1:{}", free_port());
        let mut command = keygate();
        command
            .args(["serve", "--listen", &data, "--operations", &operations])
            .env("KEYGATE_LOG_FORMAT", "json")
            .env("KEYGATE_DECISION_LOG_DENY_LIMIT", "65535")
            .env("KEYGATE_KEYS", corpus_file("keys.yaml"))
            .env("KEYGATE_POLICY", corpus_file("policy.yaml"));
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        until("it listens", || accepts(&data));
        Self {
            child,
            data,
            operations,
        }
    }

    fn check_up(&self) -> (u16, Value) {
        let page = caller::get_operations(&self.operations, "/-/check-up", &[]);
        (page.status(), serde_json::from_slice(&page.body).unwrap())
    }

    /// Sends requests without a key, and expects a 401 for each.
    fn deny(&self, count: usize) {
        let mut stream = BufReader::new(caller::connect(&self.data));
        let request = "GET /check HTTP/1.1\r\nhost: x\r\noriginal-request-uri: /orders\r\n\
                       original-request-host: gateway.example\r\n\r\n"
            .repeat(PIPELINED);
        for _ in 0..count / PIPELINED {
            stream.get_mut().write_all(request.as_bytes()).unwrap();
            for _ in 0..PIPELINED {
                let response = Message::read_head(&mut stream).unwrap().unwrap();
                assert_eq!(response.status(), 401);
            }
        }
    }

    fn stop(&mut self) -> bool {
        let pid = self.child.id().to_string();
        std::process::Command::new("kill")
            .arg(pid)
            .status()
            .unwrap();
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(8) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_blocked_log_does_not_delay_decisions() {
    let mut unread = Unread::start();
    assert_eq!(unread.check_up().0, 200);
    unread.deny(DENIALS);

    let (status, condition) = unread.check_up();
    let dropped = condition["log"]["droppedLines"].as_u64().unwrap();
    assert_eq!(
        (status, &condition["log"]["stalled"]),
        (503, &Value::Bool(true))
    );
    assert!(dropped > 10_000, "{dropped}");
    let metrics = caller::get_operations(&unread.operations, "/metrics", &[]).text();
    assert!(
        metrics.contains("\nkeygate_log_lines_dropped_total "),
        "{metrics}"
    );

    // Start reading the pipe again.
    let mut pipe = unread.child.stderr.take().unwrap();
    let text = Arc::new(Mutex::new(String::new()));
    let read = Arc::clone(&text);
    let reader = thread::spawn(move || {
        let mut chunk = [0; 8192];
        while let Ok(length @ 1..) = pipe.read(&mut chunk) {
            let part = String::from_utf8_lossy(&chunk[..length]).into_owned();
            read.lock().unwrap().push_str(&part);
        }
    });
    until("the dropped lines are reported", || {
        text.lock().unwrap().contains("log lines were dropped")
    });
    until("all is well", || unread.check_up().0 == 200);
    assert!(unread.stop());
    reader.join().unwrap();

    // Every line is complete, the counts cover all dropped lines, and the last line is present.
    let text = text.lock().unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    let reported = lines.iter().filter_map(|line| line["lines"].as_u64());
    assert_eq!(reported.sum::<u64>(), dropped);
    assert_eq!(lines.last().unwrap()["message"], "stopped");
}

#[test]
fn a_blocked_log_does_not_delay_the_shutdown() {
    let mut unread = Unread::start();
    unread.deny(10_000);
    assert!(unread.stop());
}
