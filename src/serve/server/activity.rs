//! What a connection does: how long it may do so, and whether it can be closed to make room.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::serve::client::{Client, ConnectionClient};
use crate::serve::limits::Limits;

/// When a connection that nothing limits is looked at again.
const NO_DEADLINE: Duration = Duration::from_secs(3_600);

/// The state of a connection. Its task, its requests and the limit of connections share it.
pub(super) struct Activity {
    client: ConnectionClient,
    head_timeout: Duration,
    keep_alive: Duration,
    state: Mutex<State>,
    /// Wakes the task when a request ends on another one.
    waker: AtomicWaker,
    room_needed: Notify,
}

struct State {
    is_http2: bool,
    has_served: bool,
    /// Whether the client has begun to send its next request.
    has_head: bool,
    /// When the connection began to wait for a request, or for the rest of its head.
    waits_since: Instant,
    /// When bytes were last received or sent.
    moved_at: Instant,
    /// Whether the client must read before more can be sent.
    is_blocked: bool,
    next_request: u64,
    requests: Vec<OpenRequest>,
}

struct OpenRequest {
    id: u64,
    is_receiving: bool,
    /// When the client must have read the response.
    read_by: Option<Instant>,
}

/// How much closing a connection would cost its client, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It has no request.
    Idle,
    /// It waits for its client, who must send or read more.
    Stalled,
    /// It works on a request, or sends a response.
    Busy,
}

impl Activity {
    pub(super) fn new(client: Client, limits: &Limits) -> Self {
        let now = Instant::now();
        let state = State {
            is_http2: false,
            has_served: false,
            has_head: false,
            waits_since: now,
            moved_at: now,
            is_blocked: false,
            next_request: 0,
            requests: Vec::new(),
        };
        Self {
            client: ConnectionClient::new(client),
            head_timeout: limits.head_timeout,
            keep_alive: limits.keep_alive,
            state: Mutex::new(state),
            waker: AtomicWaker::new(),
            room_needed: Notify::new(),
        }
    }

    pub(super) fn client(&self) -> &ConnectionClient {
        &self.client
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection can send requests from now on.
    pub(super) fn opened(&self, is_http2: bool) {
        let mut state = self.state();
        state.is_http2 = is_http2;
        state.waits_since = Instant::now();
    }

    /// Bytes were received.
    pub(super) fn received(&self) {
        let mut state = self.state();
        state.moved_at = Instant::now();
        // Between requests, clients of HTTP/2 send other frames too.
        if state.requests.is_empty() && state.has_served && !state.has_head && !state.is_http2 {
            state.has_head = true;
            state.waits_since = state.moved_at;
        }
    }

    /// Bytes were sent, or could not be sent.
    pub(super) fn sent(&self, is_blocked: bool) {
        let mut state = self.state();
        state.is_blocked = is_blocked;
        if !is_blocked {
            state.moved_at = Instant::now();
        }
    }

    /// A request begins, whose body is not received yet if `is_receiving`. Returns its id.
    pub(super) fn begin(&self, is_receiving: bool) -> u64 {
        let mut state = self.state();
        let id = state.next_request;
        state.next_request += 1;
        state.requests.push(OpenRequest { id, is_receiving, read_by: None });
        (state.has_served, state.has_head) = (true, false);
        id
    }

    /// The body of a request is received.
    pub(super) fn end_body(&self, id: u64) {
        let mut state = self.state();
        if let Some(request) = state.requests.iter_mut().find(|request| request.id == id) {
            request.is_receiving = false;
        }
    }

    /// The client must read a response until `read_by`.
    pub(super) fn respond(&self, id: u64, read_by: Instant) {
        let mut state = self.state();
        if let Some(request) = state.requests.iter_mut().find(|request| request.id == id) {
            request.read_by = Some(read_by);
        }
    }

    /// A response is sent, or abandoned.
    pub(super) fn end(&self, id: u64) {
        let mut state = self.state();
        state.requests.retain(|request| request.id != id);
        if state.requests.is_empty() {
            state.waits_since = Instant::now();
        }
        if state.is_http2 {
            self.waker.wake();
        }
    }

    /// When the connection is closed if nothing changes.
    fn deadline(&self) -> Instant {
        let state = self.state();
        if state.requests.is_empty() {
            let is_idle = state.has_served && !state.has_head;
            return state.waits_since + if is_idle { self.keep_alive } else { self.head_timeout };
        }
        let read_by = state.requests.iter().filter_map(|request| request.read_by).min();
        read_by.unwrap_or_else(|| Instant::now() + NO_DEADLINE)
    }

    /// Waits until the client exceeds a time limit. It must be polled together with the connection.
    pub(super) async fn expired(&self) {
        let mut timer = pin!(sleep_until(self.deadline()));
        poll_fn(|context| {
            self.waker.register(context.waker());
            loop {
                let deadline = self.deadline();
                if deadline < timer.deadline() {
                    timer.as_mut().reset(deadline);
                }
                ready!(timer.as_mut().poll(context));
                if deadline <= Instant::now() {
                    return Poll::Ready(());
                }
                timer.as_mut().reset(deadline);
            }
        })
        .await;
    }

    /// What the connection does, and since when its client has neither sent nor read.
    pub(super) fn phase(&self) -> (Phase, Instant) {
        let state = self.state();
        let is_receiving = state.requests.iter().all(|request| request.is_receiving);
        let phase = match (state.requests.is_empty(), is_receiving || state.is_blocked) {
            (true, _) => Phase::Idle,
            (false, true) => Phase::Stalled,
            (false, false) => Phase::Busy,
        };
        (phase, state.moved_at)
    }

    /// Requests that the connection closes, because another client needs its place.
    pub(super) fn make_room(&self) {
        self.room_needed.notify_one();
    }

    /// Waits until another client needs the place of the connection.
    pub(super) async fn room_needed(&self) {
        self.room_needed.notified().await;
    }
}
