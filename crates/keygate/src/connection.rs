//! One connection of the data listener: questions in, answers out, in their order.
//!
//! A message loop of our own over `keygate-http1`, for two reasons that were measured. A Unix socket
//! that waits for room to write, as every general-purpose stream does, wakes its process a second
//! time for each request, when the gateway takes the answer; here nobody waits for that before an
//! answer did not fit. And a question is parsed and answered where it lies, so that the key in it can
//! be wiped as soon as it is answered.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::Shutdown,
    pin::pin,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

use http::{
    HeaderValue,
    header::{CONNECTION, DATE},
};
use keygate_http1::{Head, Malformed, Response};
use keygate_telemetry::limit::PerSecond;
use socket2::Socket;
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::watch,
    task::coop,
};

use crate::data::Data;

/// What is read at once: room for the head of almost every question.
const USUAL: usize = 8 * 1024;

/// How long the other side may take to see the last answer and to close.
const LINGER: Duration = Duration::from_secs(1);

/// Answers questions until the other side closes, or `closing` turns true and nothing is in flight.
///
/// # Errors
/// The connection breaks.
pub async fn serve(socket: Socket, data: &Data, closing: watch::Receiver<bool>) -> io::Result<()> {
    let mut connection = Connection {
        socket: register(socket, Interest::READABLE)?,
        input: Input::default(),
        output: Vec::with_capacity(512),
        date: Date::default(),
    };
    let mut until = closing.clone();
    let mut until = pin!(until.wait_for(|closing| *closing));
    loop {
        tokio::select! {
            biased;
            read = connection.read() => if read? == 0 { return Ok(()) },
            _ = &mut until, if connection.input.is_empty() => return Ok(()),
        }
        let is_last = connection.answer(data, *closing.borrow());
        connection.write().await?;
        if is_last {
            return connection.linger().await;
        }
        // Who always has another question ready must not keep others waiting.
        coop::consume_budget().await;
    }
}

struct Connection {
    socket: AsyncFd<Socket>,
    input: Input,
    output: Vec<u8>,
    date: Date,
}

impl Connection {
    /// Reads what has come; nothing is the end.
    async fn read(&mut self) -> io::Result<usize> {
        loop {
            let mut ready = self.socket.readable().await?;
            match self.input.read(self.socket.get_ref()) {
                Ok(Filled::Partly(length)) => {
                    // There is no more: to be told so by another call costs as much as the read.
                    ready.clear_ready();
                    return Ok(length);
                }
                Ok(Filled::Wholly(length)) => return Ok(length),
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready.clear_ready(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Answers every question that has come whole; whether the last answer was the last of all.
    fn answer(&mut self, data: &Data, is_closing: bool) -> bool {
        let mut answered = 0;
        let mut is_last = false;
        while !is_last {
            let mut slots = Head::slots();
            let question = self.input.filled().get(answered..).unwrap_or_default();
            let response = match Head::parse(question, &mut slots) {
                Ok(Some(head)) => {
                    is_last = head.is_last || is_closing;
                    answered += head.length;
                    data.respond(&head, &mut self.output)
                }
                Ok(None) => break,
                Err(malformed) => {
                    tell_of(malformed);
                    is_last = true;
                    Response::begin(&mut self.output, malformed.status())
                }
            };
            self.date.end(response, is_last);
        }
        self.input.forget(answered);
        is_last
    }

    async fn write(&mut self) -> io::Result<()> {
        let mut rest = self.output.as_slice();
        while !rest.is_empty() {
            match self.socket.get_ref().write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let socket = self.socket.get_ref().try_clone()?;
                    let room = register(socket, Interest::WRITABLE)?;
                    let _ = room.writable().await?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        Ok(())
    }

    /// Lets the last answer arrive: to close on bytes that were not read, such as a body, would
    /// have the system throw it away (RFC 9112, section 9.6).
    async fn linger(mut self) -> io::Result<()> {
        self.socket.get_ref().shutdown(Shutdown::Write)?;
        let rest = async {
            while self.read().await? > 0 {
                self.input.forget(usize::MAX);
            }
            Ok(())
        };
        tokio::time::timeout(LINGER, rest).await.unwrap_or(Ok(()))
    }
}

/// A caller can have nginx pass on what is malformed, a control character in a header for one: this
/// many lines a second tell of it.
const TOLD_PER_SECOND: u16 = 10;

/// Says what was not understood, and how often that was not said.
fn tell_of(malformed: Malformed) {
    static TOLD: LazyLock<PerSecond> = LazyLock::new(|| PerSecond::new(TOLD_PER_SECOND));
    if TOLD.admits(Instant::now()) {
        tracing::warn!(
            target: "keygate::data",
            untold = TOLD.dropped(),
            "{malformed}: answered {}, and the connection is closed",
            malformed.status().as_u16()
        );
    }
}

/// Waits for nothing else of a socket than what is said here.
#[expect(
    deprecated,
    reason = "its successor is unsafe, for a type whose descriptor changes or closes by itself: a \
              `Socket` owns the one that it has"
)]
fn register(socket: Socket, interest: Interest) -> io::Result<AsyncFd<Socket>> {
    AsyncFd::with_interest(socket, interest)
}

/// What has been read and not answered.
#[derive(Default)]
struct Input {
    buffer: Vec<u8>,
    filled: usize,
}

/// How much was read: into a part of the room, or into all of it, so that there may be more.
enum Filled {
    Partly(usize),
    Wholly(usize),
}

impl Input {
    fn is_empty(&self) -> bool {
        self.filled == 0
    }

    fn filled(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    fn read(&mut self, mut source: impl Read) -> io::Result<Filled> {
        if self.filled == self.buffer.len() {
            // What is outgrown is freed, and wiped by the program's allocator.
            self.buffer.resize((2 * self.filled).max(USUAL), 0);
        }
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let size = room.len();
        let length = source.read(room)?;
        self.filled += length;
        Ok(if length < size {
            Filled::Partly(length)
        } else {
            Filled::Wholly(length)
        })
    }

    /// Wipes what was answered, and moves up what comes after it.
    fn forget(&mut self, answered: usize) {
        let answered = answered.min(self.filled);
        let left = self.filled - answered;
        self.buffer.copy_within(answered..self.filled, 0);
        if let Some(wiped) = self.buffer.get_mut(left..self.filled) {
            wiped.fill(0);
        }
        self.filled = left;
        if left == 0 && self.buffer.len() > USUAL {
            self.buffer = Vec::new();
        }
    }
}

/// The date line, made anew each second.
#[derive(Default)]
struct Date {
    second: u64,
    line: Option<HeaderValue>,
}

impl Date {
    /// Ends an answer: it is dated (RFC 9110, section 6.6.1), and says whether it is the last.
    fn end(&mut self, mut response: Response<'_>, is_last: bool) {
        let now = SystemTime::now();
        let second = now.duration_since(SystemTime::UNIX_EPOCH);
        let second = second.map_or(0, |since| since.as_secs());
        if self.line.is_none() || self.second != second {
            self.second = second;
            self.line = HeaderValue::try_from(httpdate::fmt_http_date(now)).ok();
        }
        if let Some(date) = &self.line {
            response.header(&DATE, date);
        }
        if is_last {
            response.header(&CONNECTION, &HeaderValue::from_static("close"));
        }
        response.end();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use rstest::rstest;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        task::JoinHandle,
    };

    use super::*;

    /// A connection to nobody's service, which answers 404 to all that is a question.
    struct Caller {
        stream: tokio::net::UnixStream,
        close: watch::Sender<bool>,
        served: JoinHandle<io::Result<()>>,
    }

    impl Caller {
        fn connect() -> Self {
            let (here, there) = UnixStream::pair().unwrap();
            for end in [&here, &there] {
                end.set_nonblocking(true).unwrap();
            }
            let (close, closing) = watch::channel(false);
            Self {
                stream: tokio::net::UnixStream::from_std(here).unwrap(),
                close,
                served: tokio::spawn(async move {
                    serve(there.into(), &Data::default(), closing).await
                }),
            }
        }

        async fn send(&mut self, text: &str) {
            self.stream.write_all(text.as_bytes()).await.unwrap();
        }

        async fn receive(&mut self) -> String {
            let mut bytes = [0; 4096];
            let length = self.stream.read(&mut bytes).await.unwrap();
            String::from_utf8(bytes[..length].to_vec()).unwrap()
        }

        /// All that still comes, and how it ended.
        async fn rest(mut self) -> (String, io::Result<()>) {
            let mut text = String::new();
            self.stream.read_to_string(&mut text).await.unwrap();
            drop(self.stream);
            (text, self.served.await.unwrap())
        }
    }

    const QUESTION: &str = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
    const PARTS: [&str; 2] = ["GET / H", "TTP/1.1\r\nhost: h\r\n\r\n"];

    fn statuses(text: &str) -> Vec<&str> {
        let lines = text.lines();
        lines
            .filter_map(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3))
            .collect()
    }

    #[tokio::test]
    async fn a_question_is_answered_when_it_is_whole_and_the_connection_stays() {
        let mut caller = Caller::connect();
        for _ in 0..3 {
            for part in PARTS {
                tokio::task::yield_now().await;
                caller.send(part).await;
            }
            let answer = caller.receive().await;
            assert_eq!(statuses(&answer), ["404"]);
            assert!(
                answer.contains("\r\ncontent-length: 0\r\ndate: "),
                "{answer}"
            );
            assert!(!answer.contains("connection: "), "{answer}");
        }
    }

    #[tokio::test]
    async fn questions_that_come_together_are_answered_in_their_order() {
        let mut caller = Caller::connect();
        caller
            .send(&format!(
                "{QUESTION}{QUESTION}GET / HTTP/1.1\r\nconnection: close\r\n\r\n"
            ))
            .await;
        let (text, ended) = caller.rest().await;
        assert_eq!(statuses(&text), ["404", "404", "404"]);
        assert_eq!(text.matches("connection: close").count(), 1);
        assert!(ended.is_ok());
    }

    #[rstest]
    #[case::a_body("POST / HTTP/1.1\r\ncontent-length: 31\r\n\r\n", "404")]
    #[case::chunks("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", "404")]
    #[case::no_http("nonsense\r\n\r\n", "400")]
    #[case::old("GET / HTTP/1.0\r\n\r\n", "404")]
    #[tokio::test]
    async fn what_comes_after_it_is_never_a_question(#[case] first: &str, #[case] status: &str) {
        let mut caller = Caller::connect();
        caller.send(&format!("{first}{QUESTION}")).await;
        let (text, ended) = caller.rest().await;
        assert_eq!(statuses(&text), [status]);
        assert!(text.contains("connection: close\r\n"), "{text}");
        assert!(ended.is_ok());
    }

    #[tokio::test]
    async fn a_head_may_be_long_and_is_bounded() {
        let long = QUESTION.replace(": h", &format!(": {}", "h".repeat(100_000)));
        let mut caller = Caller::connect();
        caller.send(&long).await;
        assert_eq!(statuses(&caller.receive().await), ["404"]);
        caller.send(QUESTION).await;
        assert_eq!(statuses(&caller.receive().await), ["404"]);
        caller
            .send(&long.replace(": h", ": hh").replace('h', "hh"))
            .await;
        assert_eq!(statuses(&caller.receive().await), ["431"]);
    }

    #[tokio::test]
    async fn who_does_not_read_is_waited_for() {
        const MANY: usize = 20_000;
        let mut caller = Caller::connect();
        let (mut reader, mut writer) = caller.stream.split();
        let asking = async {
            writer
                .write_all(QUESTION.repeat(MANY).as_bytes())
                .await
                .unwrap();
            writer.shutdown().await.unwrap();
        };
        let reading = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let mut text = String::new();
            reader.read_to_string(&mut text).await.unwrap();
            assert_eq!(statuses(&text).len(), MANY);
        };
        tokio::join!(asking, reading);
    }

    #[tokio::test]
    async fn who_stops_lets_a_question_end_that_has_begun() {
        let idle = Caller::connect();
        tokio::task::yield_now().await;
        idle.close.send(true).unwrap();
        assert_eq!(idle.rest().await.0, "");

        let mut busy = Caller::connect();
        busy.send(PARTS[0]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        busy.close.send(true).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        busy.send(PARTS[1]).await;
        let (text, ended) = busy.rest().await;
        assert_eq!(statuses(&text), ["404"]);
        assert!(text.contains("connection: close\r\n"), "{text}");
        assert!(ended.is_ok());
    }

    #[test]
    fn what_was_answered_is_wiped_and_what_was_not_is_kept() {
        let mut input = Input::default();
        input.read(&b"answered rest"[..]).unwrap();
        input.forget(9);
        assert_eq!(input.filled(), b"rest");
        assert!(input.buffer[4..].iter().all(|byte| *byte == 0));
        input.forget(usize::MAX);
        assert!(input.is_empty() && input.buffer.iter().all(|byte| *byte == 0));
    }
}
