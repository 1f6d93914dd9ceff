use std::num::NonZeroUsize;

use axum::response::IntoResponse;

use super::*;

fn limiter(requests: usize, events: u32) -> Limiter {
    let client_events_per_second = NonZeroU32::new(events).unwrap();
    let limits = Limits::default();
    Limiter::new(Limits { client_requests_in_flight: requests, client_events_per_second, ..limits })
}

/// Status and `Retry-After`.
fn status<T>(result: Result<T, ApiError>) -> (u16, Option<u64>) {
    let Err(error) = result else { return (200, None) };
    let response = error.into_response();
    let after = response.headers().get("retry-after");
    let after = after.and_then(|value| value.to_str().ok()?.parse().ok());
    (response.status().as_u16(), after)
}

fn clients() -> [IpAddr; 2] {
    [1, 2].map(|last| IpAddr::from([10, 0, 0, last]))
}

#[test]
fn limits_the_requests_in_flight_of_a_client() {
    let limiter = limiter(2, 1);
    let [client, other] = clients();
    let first = limiter.acquire_request(client).unwrap();
    let _second = limiter.acquire_request(client).unwrap();
    assert_eq!(status(limiter.acquire_request(client)), (429, Some(1)));
    assert_eq!(status(limiter.acquire_request(other)), (200, None));
    drop(first);
    assert_eq!(status(limiter.acquire_request(client)), (200, None));
}

#[test]
fn limits_the_streams_of_a_client_apart_from_its_requests() {
    let client_streams = NonZeroUsize::new(2).unwrap();
    let limiter = Limiter::new(Limits { client_streams, ..Limits::default() });
    let [client, other] = clients();
    let mut streams: Vec<_> = (0..2).map(|_| limiter.acquire_stream(client).unwrap()).collect();
    assert_eq!(status(limiter.acquire_stream(client)), (429, Some(5)));
    assert_eq!(status(limiter.acquire_stream(other)), (200, None));
    assert_eq!(status(limiter.acquire_request(client)), (200, None));
    streams.pop();
    assert_eq!(status(limiter.acquire_stream(client)), (200, None));
}

#[test]
fn streams_leave_a_tenth_of_the_connections_to_events() {
    let limiter = Limiter::new(Limits { connections_max: 20, ..Limits::default() });
    let clients = (0..18).map(|last| IpAddr::from([10, 0, 0, last]));
    let mut streams: Vec<_> = clients.map(|c| limiter.acquire_stream(c).unwrap()).collect();
    let [client, _] = self::clients();
    assert_eq!(status(limiter.acquire_stream(client)), (503, Some(5)));
    streams.pop();
    assert_eq!(status(limiter.acquire_stream(client)), (200, None));
}

#[test]
fn limits_the_requests_of_a_client_in_a_second() {
    let client_requests_per_second = NonZeroU32::new(3).unwrap();
    let limiter = Limiter::new(Limits { client_requests_per_second, ..Limits::default() });
    let [client, other] = clients();
    let answers = [(); 4].map(|()| status(limiter.check_request(client)));
    assert_eq!(answers, [(200, None), (200, None), (200, None), (429, Some(1))]);
    assert_eq!(status(limiter.check_request(other)), (200, None));
}

#[test]
fn limits_the_events_of_a_client_in_a_second() {
    let limiter = limiter(2, 10);
    let [client, other] = clients();
    assert_eq!(status(limiter.check_events(client, 0)), (200, None));
    assert_eq!(status(limiter.check_events(client, 10)), (200, None));
    assert_eq!(status(limiter.check_events(client, 10)), (429, Some(1)));
    assert_eq!(status(limiter.check_events(client, 11)), (413, None));
    assert_eq!(status(limiter.check_events(other, 10)), (200, None));
}
