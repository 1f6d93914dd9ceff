//! Shared bodies, and the bound on the bytes of answers.

use std::cell::Cell;
use std::io::{self, Write};
use std::sync::Arc;

use axum::response::IntoResponse;
use futures_util::future::join_all;
use http_body_util::BodyExt;

use super::renderings::Rendering;
use super::*;
use crate::serve::error::ApiError;

const KEY: RenderingKey = RenderingKey::Races(1);

/// Reads the body of `bytes` zeros at `version`, and counts the renderings.
async fn get(
    renderings: &Renderings,
    version: u64,
    bytes: usize,
    rendered: &Cell<usize>,
) -> Result<Arc<Rendering>, ApiError> {
    let prepare = async || {
        rendered.set(rendered.get() + 1);
        tokio::task::yield_now().await;
        let render =
            move |out: &mut dyn Write| -> io::Result<()> { out.write_all(&vec![0; bytes]) };
        Ok((version, render))
    };
    renderings.get(KEY, version, prepare).await
}

/// The status of a failed read, and its `Retry-After`.
fn failure(answer: Result<Arc<Rendering>, ApiError>) -> (u16, Option<String>) {
    let response = answer.unwrap_err().into_response();
    let retry = response.headers().get("retry-after");
    (response.status().as_u16(), retry.map(|seconds| seconds.to_str().unwrap().to_owned()))
}

#[tokio::test]
async fn all_clients_of_a_version_share_one_rendering() {
    let budget = AnswerBudget::new(1_500);
    let (renderings, rendered) = (Renderings::new(budget.clone()), Cell::new(0));
    let clients = (0..100).map(|_| get(&renderings, 7, 1_000, &rendered));
    let answers: Vec<_> = join_all(clients).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(rendered.get(), 1);
    // The bytes count once.
    assert!(budget.acquire(500).is_ok() && budget.acquire(501).is_err());
    // An older version is never requested again; a newer one is rendered.
    get(&renderings, 6, 1_000, &rendered).await.unwrap();
    assert_eq!(rendered.get(), 1);
    drop(answers);
    get(&renderings, 8, 1_000, &rendered).await.unwrap();
    assert_eq!(rendered.get(), 2);
}

#[tokio::test]
async fn a_body_over_the_maximum_is_refused_and_not_rendered_again() {
    let renderings = Renderings::with_bytes_max(AnswerBudget::new(1 << 20), 1_000);
    let rendered = Cell::new(0);
    assert!(get(&renderings, 1, 1_000, &rendered).await.is_ok());
    for _ in 0..3 {
        assert_eq!(failure(get(&renderings, 2, 1_001, &rendered).await), (413, None));
    }
    assert_eq!(rendered.get(), 2);
}

#[tokio::test]
async fn unread_answers_over_the_budget_make_further_requests_fail_until_they_are_read() {
    let budget = AnswerBudget::new(1_500);
    let (renderings, rendered) = (Renderings::new(budget.clone()), Cell::new(0));
    let unread = get(&renderings, 1, 1_000, &rendered).await.unwrap().response("text/plain");
    assert_eq!(failure(get(&renderings, 2, 1_000, &rendered).await), (503, Some("1".into())));
    let read = unread.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(read.len(), 1_000);
    assert!(get(&renderings, 2, 1_000, &rendered).await.is_ok());
    // A body that no client is reading makes room for another one.
    let other = async || {
        let render = |out: &mut dyn Write| -> io::Result<()> { out.write_all(&[0; 1_000]) };
        Ok((1, render))
    };
    assert!(renderings.get(RenderingKey::Races(2), 1, other).await.is_ok());
}
