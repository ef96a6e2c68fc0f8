//! What the log wants to know of the request under way, without handing it through every call.

use std::{cell::RefCell, sync::Arc};

use crate::site::Site;

tokio::task_local! {
    static REQUEST: Request;
}

/// The request under way in this task.
pub(super) struct Request {
    id: String,
    site: RefCell<Option<Arc<Site>>>,
}

impl Request {
    pub(super) fn new(id: String) -> Self {
        Self { id, site: RefCell::default() }
    }
}

/// Runs a future as the work of a request.
pub(super) async fn scope<F: Future>(request: Request, future: F) -> F::Output {
    REQUEST.scope(request, future).await
}

/// Notes the site for the log line.
pub(super) fn set_site(site: &Arc<Site>) {
    let _ = REQUEST.try_with(|request| *request.site.borrow_mut() = Some(Arc::clone(site)));
}

/// The site, once it is known.
pub(super) fn site() -> Option<Arc<Site>> {
    REQUEST.try_with(|request| request.site.borrow().clone()).ok().flatten()
}

/// The id of the request under way, or nothing outside of one.
pub fn request_id() -> String {
    REQUEST.try_with(|request| request.id.clone()).unwrap_or_default()
}
