//! Ends the connection of a sender whose body was not read to its end.
//!
//! An answer that comes early leaves a rest of the body unread. actix-web discards the rest of a chunked body for as
//! long as it comes, which a stranger could draw out for ever; but it lingers for a second and then hangs up while
//! the payload is still held. So the answer holds it.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::{Bytes, Payload};

/// Lets `response` hold what is left of the request. Changes nothing about a request that was read to its end.
pub(super) fn hold(response: HttpResponse, payload: Payload) -> HttpResponse {
    response.map_body(|_, body| BoxBody::new(Holding { body, _payload: payload }))
}

struct Holding {
    body: BoxBody,
    _payload: Payload,
}

impl MessageBody for Holding {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
