//! Latency of a stream with thousands of clients, and the service's memory per client.
//!
//! Shape: one race of 1,000 racers. The events of a second are posted in one request, and every client
//! follows `standings:1` over its own connection. A client has seen a second when it has all rows of it.
//! The latency starts just before the post, so it includes the log's fsync, the tick and the fan-out.
//! A second phase adds clients that connect and never read. Clients and service share the machine.
//!
//! Run: `scripts/bench-stream`, which starts the service. Arguments: `--to URL --pid PID --clients N
//! --stalled N --racers N --seconds N`.

#![allow(clippy::unwrap_used, reason = "a failing benchmark must stop at once")]

use std::fmt::Write as _;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use hdrhistogram::Histogram;
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// The text before the second in a row.
const SECOND: &[u8] = b"\"second\":";
/// Connections opened at a time: a tenth of a listener's backlog.
const CONNECTING: usize = 100;
/// How long to wait for clients after the last post.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Parser)]
struct Args {
    #[arg(long)]
    to: String,
    /// The service's process, whose memory is measured
    #[arg(long)]
    pid: u32,
    #[arg(long, default_value_t = 5000)]
    clients: usize,
    #[arg(long, default_value_t = 50)]
    stalled: usize,
    #[arg(long, default_value_t = 1000)]
    racers: usize,
    /// Seconds of each of the two phases
    #[arg(long, default_value_t = 60)]
    seconds: usize,
    /// Cargo passes it to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// The state that the poster and the clients share.
struct Race {
    racers: usize,
    /// Number of connections opened at a time: a tenth of a listener's backlog.
    posted: Mutex<Vec<Instant>>,
    connected: AtomicUsize,
    /// The first second of the phase. Earlier seconds do not count: a client gets them when it connects.
    first: AtomicUsize,
    seen: Mutex<Histogram<u64>>,
    /// By second, how many clients have seen it, and the latency of the slowest of them.
    slowest: Mutex<Vec<(usize, Duration)>>,
}

impl Race {
    /// Records that a client has seen a second.
    fn record_seen(&self, second: usize) {
        let now = Instant::now();
        if second < self.first.load(Ordering::Relaxed) {
            return;
        }
        let Some(posted) = self.posted.lock().unwrap().get(second - 1).copied() else { return };
        let took = now - posted;
        // The histogram resizes itself, so recording cannot fail.
        self.seen.lock().unwrap().record(took.as_micros() as u64).unwrap();
        let mut slowest = self.slowest.lock().unwrap();
        if slowest.len() < second {
            slowest.resize(second, (0, Duration::ZERO));
        }
        let (clients, last) = &mut slowest[second - 1];
        (*clients, *last) = (*clients + 1, took.max(*last));
    }

    /// The events of a second, one per line.
    fn events(&self, race: u64, second: usize) -> String {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let mut events = String::new();
        for racer in 0..self.racers {
            let cadence = 60.0 + ((racer * 7 + second * 13) % 400) as f64 / 30.0;
            let resistance = 40 + (racer + second) % 40;
            writeln!(
                events,
                r#"{{"event":"update","deviceTimestamp":{now_ms},"second":{second},"raceId":{race},"name":"Racer {racer}","racerId":{racer},"classId":1,"cadence":{cadence},"resistance":{resistance}}}"#
            )
            .unwrap();
        }
        events
    }
}

/// Opens a stream of the standings, with a receive buffer of this size if one is given.
async fn connect(address: &str, receive_bytes: Option<u32>) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    if let Some(bytes) = receive_bytes {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let head = format!("GET /v1/stream?topics=standings:1 HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Follows the race until the service ends the stream.
async fn follow(mut stream: TcpStream, race: Arc<Race>) {
    let (mut buffer, mut kept) = (vec![0; 16 << 10], 0);
    let finder = memmem::Finder::new(SECOND);
    // The newest second received, and how many of its rows.
    let (mut second, mut rows, mut is_connected) = (0, 0, false);
    loop {
        let read = match stream.read(&mut buffer[kept..]).await {
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        if !is_connected {
            assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer));
            race.connected.fetch_add(1, Ordering::Relaxed);
            is_connected = true;
        }
        let (end, mut done) = (kept + read, 0);
        for at in finder.find_iter(&buffer[..end]) {
            let digits = &buffer[at + SECOND.len()..end];
            // The number may continue in the next read.
            let Some(length) = digits.iter().position(|byte| !byte.is_ascii_digit()) else { break };
            let number: usize = std::str::from_utf8(&digits[..length]).unwrap().parse().unwrap();
            if number > second {
                (second, rows) = (number, 0);
            }
            rows += usize::from(number == second);
            if number == second && rows == race.racers {
                race.record_seen(second);
            }
            done = at + SECOND.len();
        }
        let from = done.max(end.saturating_sub(SECOND.len() + 4));
        buffer.copy_within(from..end, 0);
        kept = end - from;
    }
}

/// Connects `count` clients, and waits until each has received a response.
async fn connect_all(address: &str, count: usize, race: &Arc<Race>, clients: &mut JoinSet<()>) {
    for first in (0..count).step_by(CONNECTING) {
        for _ in first..count.min(first + CONNECTING) {
            let (stream, race) = (connect(address, None).await, Arc::clone(race));
            clients.spawn(follow(stream, race));
        }
        while race.connected.load(Ordering::Relaxed) < count.min(first + CONNECTING) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Posts the events of the next `seconds` seconds, one request per second, and prints their latency.
async fn phase(name: &str, url: &str, id: u64, race: &Arc<Race>, args: &Args) {
    race.seen.lock().unwrap().reset();
    let first = race.posted.lock().unwrap().len() + 1;
    race.first.store(first, Ordering::Relaxed);
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    for second in first..first + args.seconds {
        ticks.tick().await;
        let (race, url) = (Arc::clone(race), url.to_owned());
        let posted = tokio::task::spawn_blocking(move || {
            let events = race.events(id, second);
            race.posted.lock().unwrap().push(Instant::now());
            let post = ureq::post(format!("{url}/v1/events"));
            post.content_type("application/x-ndjson").send(events).unwrap().status()
        });
        assert_eq!(posted.await.unwrap(), 200);
    }
    let last = first + args.seconds - 1;
    let deadline = Instant::now() + GRACE;
    let seen = |second: usize| race.slowest.lock().unwrap().get(second - 1).map_or(0, |s| s.0);
    while seen(last) < args.clients && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut all = race.slowest.lock().unwrap();
    // Without clients, no second was seen.
    let seconds = all.len().max(last);
    all.resize(seconds, (0, Duration::ZERO));
    let mut slowest: Vec<_> = all[first - 1..].iter().map(|second| second.1).collect();
    let missed: usize = all[first - 1..].iter().map(|second| args.clients - second.0).sum();
    slowest.sort_unstable();
    let seen = race.seen.lock().unwrap();
    let ms = |quantile| seen.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "{name:<10} seen after p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms; the slowest client of a \
         second: median {:.0} ms, max {:.0} ms; {missed} of {} incomplete",
        ms(0.5),
        ms(0.99),
        ms(1.0),
        slowest[slowest.len() / 2].as_secs_f64() * 1e3,
        slowest[slowest.len() - 1].as_secs_f64() * 1e3,
        args.clients * args.seconds,
    );
}

/// A value of the service's memory status, in bytes.
fn memory(pid: u32, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<f64>().unwrap() * 1024.0
}

#[tokio::main]
async fn main() {
    let args = Args::parse();
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let address = args.to.strip_prefix("http://").unwrap();
    let race = Arc::new(Race {
        racers: args.racers,
        posted: Mutex::default(),
        connected: AtomicUsize::new(0),
        first: AtomicUsize::new(0),
        seen: Mutex::new(Histogram::new(3).unwrap()),
        slowest: Mutex::default(),
    });
    let id = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut clients = JoinSet::new();
    // Measured while the service has the race, so that the difference is due to the clients alone.
    let alone = Args { seconds: 5, clients: 0, to: args.to.clone(), ..args };
    phase("no client", &args.to, id, &race, &alone).await;
    let before = memory(args.pid, "VmRSS:");
    connect_all(address, args.clients, &race, &mut clients).await;
    let connected = memory(args.pid, "VmRSS:");
    phase("clients", &args.to, id, &race, &args).await;
    let after = memory(args.pid, "VmRSS:");
    let mut stalled = Vec::new();
    for _ in 0..args.stalled {
        // A small buffer, because data that the system buffers would otherwise count as read.
        stalled.push(connect(address, Some(4 << 10)).await);
    }
    phase("stalled", &args.to, id, &race, &args).await;
    let count = args.clients as f64;
    println!(
        "memory     {:.0} MB before, {:.0} MB with {} clients, {:.0} MB at the end of their race, {:.0} \
         MB at its peak: {:.1}, {:.1} and {:.1} KB a client",
        before / 1e6,
        connected / 1e6,
        args.clients,
        after / 1e6,
        memory(args.pid, "VmHWM:") / 1e6,
        (connected - before) / count / 1e3,
        (after - before) / count / 1e3,
        (memory(args.pid, "VmHWM:") - before) / count / 1e3,
    );
}
