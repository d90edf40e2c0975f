//! A call whose client hears, on a stream, that it waits for people: the answer follows on the same stream.

use std::pin::Pin;

use tokio::sync::oneshot;

use crate::{body::Messages, way::Recorded};

/// The answer of a call, or the beginning of its stream when that comes first. The call ends with its stream.
pub(crate) async fn answer(
    mut answered: Pin<Box<dyn Future<Output = Recorded> + Send>>,
    begun: oneshot::Receiver<Messages>,
) -> Recorded {
    let messages = tokio::select! {
        biased;
        recorded = &mut answered => return recorded,
        Ok(messages) = begun => messages,
    };
    let (mut rest, follows) = oneshot::channel();
    // Owned by the connection: when the client goes away the call is dropped like any other.
    tokio::spawn(async move {
        tokio::select! {
            biased;
            () = rest.closed() => {}
            recorded = answered => {
                let _ = rest.send(recorded);
            }
        }
    });
    Recorded::stream(messages.followed_by(follows))
}
