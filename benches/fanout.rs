//! How soon thousands of clients of a stream see what changes, and what each of them takes of the
//! service's memory.
//!
//! One race of 1,000 racers, whose events of a second are posted in one request; every client follows
//! `standings:1` over a connection of its own. A change is seen when a client has all rows of the
//! second; the time is taken from just before the post, so that it holds the log's fsync, the tick and
//! the fan-out. Then the same with further clients that connect and never read. Clients and service
//! share the machine.
//!
//! Run by `scripts/bench-stream`, which starts the service: `--to URL --pid PID --clients N
//! --stalled N --racers N --seconds N`.

#![allow(clippy::unwrap_used, reason = "a bench that fails has to say so at once")]

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

/// What stands before the second in a row.
const SECOND: &[u8] = b"\"second\":";
/// How many connections are opened at a time: a tenth of what a listener's backlog holds.
const CONNECTING: usize = 100;
/// How long after the last post clients may still see it.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Parser)]
struct Args {
    #[arg(long)]
    to: String,
    /// The service's process, whose memory is told
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
    /// Cargo gives it to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// The race, as poster and clients see it.
struct Race {
    racers: usize,
    /// When the events of each second were posted.
    posted: Mutex<Vec<Instant>>,
    connected: AtomicUsize,
    /// The first second of the phase: what is seen of those before it was there when a client came.
    first: AtomicUsize,
    seen: Mutex<Histogram<u64>>,
    /// By second, how many clients have seen it and how long the last of them took.
    slowest: Mutex<Vec<(usize, Duration)>>,
}

impl Race {
    fn saw(&self, second: usize) {
        let now = Instant::now();
        if second < self.first.load(Ordering::Relaxed) {
            return;
        }
        let Some(posted) = self.posted.lock().unwrap().get(second - 1).copied() else { return };
        let took = now - posted;
        // It grows as it has to.
        self.seen.lock().unwrap().record(took.as_micros() as u64).unwrap();
        let mut slowest = self.slowest.lock().unwrap();
        if slowest.len() < second {
            slowest.resize(second, (0, Duration::ZERO));
        }
        let (clients, last) = &mut slowest[second - 1];
        (*clients, *last) = (*clients + 1, took.max(*last));
    }

    /// The events of a second, one a line.
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

async fn connect(address: &str, receives_bytes: Option<u32>) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    if let Some(bytes) = receives_bytes {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let head = format!("GET /v1/stream?topics=standings:1 HTTP/1.1\r\nhost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Follows the race until the service ends the stream, or for good.
async fn follow(mut stream: TcpStream, race: Arc<Race>) {
    let (mut buffer, mut kept) = (vec![0; 16 << 10], 0);
    let finder = memmem::Finder::new(SECOND);
    // Rows of the newest second that came.
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
            // The number may go on in what comes next.
            let Some(length) = digits.iter().position(|byte| !byte.is_ascii_digit()) else { break };
            let number: usize = std::str::from_utf8(&digits[..length]).unwrap().parse().unwrap();
            if number > second {
                (second, rows) = (number, 0);
            }
            rows += usize::from(number == second);
            if number == second && rows == race.racers {
                race.saw(second);
            }
            done = at + SECOND.len();
        }
        let from = done.max(end.saturating_sub(SECOND.len() + 4));
        buffer.copy_within(from..end, 0);
        kept = end - from;
    }
}

/// Connects so many clients, and waits until each has had an answer.
async fn connect_all(address: &str, count: usize, race: &Arc<Race>, clients: &mut JoinSet<()>) {
    for begun in (0..count).step_by(CONNECTING) {
        for _ in begun..count.min(begun + CONNECTING) {
            let (stream, race) = (connect(address, None).await, Arc::clone(race));
            clients.spawn(follow(stream, race));
        }
        while race.connected.load(Ordering::Relaxed) < count.min(begun + CONNECTING) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Posts the events of `seconds` more seconds, one request a second, and tells how they were seen.
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
    // Where there is no client, no second was seen.
    let seconds = all.len().max(last);
    all.resize(seconds, (0, Duration::ZERO));
    let mut slowest: Vec<_> = all[first - 1..].iter().map(|second| second.1).collect();
    let missed: usize = all[first - 1..].iter().map(|second| args.clients - second.0).sum();
    slowest.sort_unstable();
    let seen = race.seen.lock().unwrap();
    let ms = |quantile| seen.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "{name:<10} seen after p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms; the slowest client of a \
         second: median {:.0} ms, max {:.0} ms; {missed} of {} not seen as a whole",
        ms(0.5),
        ms(0.99),
        ms(1.0),
        slowest[slowest.len() / 2].as_secs_f64() * 1e3,
        slowest[slowest.len() - 1].as_secs_f64() * 1e3,
        args.clients * args.seconds,
    );
}

/// A figure of the service's memory, in bytes.
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
    // With the race in it, so that what the clients add is theirs.
    let alone = Args { seconds: 5, clients: 0, to: args.to.clone(), ..args };
    phase("no client", &args.to, id, &race, &alone).await;
    let before = memory(args.pid, "VmRSS:");
    connect_all(address, args.clients, &race, &mut clients).await;
    let connected = memory(args.pid, "VmRSS:");
    phase("clients", &args.to, id, &race, &args).await;
    let after = memory(args.pid, "VmRSS:");
    let mut stalled = Vec::new();
    for _ in 0..args.stalled {
        // What the system would take in for it is no reading.
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
