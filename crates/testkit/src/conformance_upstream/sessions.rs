//! Legacy sessions in which one tool loses its stream: the client must come back with `Last-Event-ID` for the answer.

use futures_util::{Stream, StreamExt};
use rmcp::{
    model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage, ServerJsonRpcMessage},
    transport::streamable_http_server::session::{
        ServerSseMessage, SessionId, SessionManager,
        local::{LocalSessionManager, LocalSessionManagerError},
    },
};

use super::tools::RECONNECTION;

/// The priming event: an id to come back with, and when.
const EVENTS_BEFORE_THE_LOSS: usize = 1;

/// In-memory sessions; all but the stream of one tool is the wrapped manager's doing.
#[derive(Default)]
pub(super) struct LossySessions {
    inner: LocalSessionManager,
}

impl SessionManager for LossySessions {
    type Error = LocalSessionManagerError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        self.inner.create_session().await
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        self.inner.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        self.inner.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        self.inner.close_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let events_max = if loses_its_stream(&message) {
            EVENTS_BEFORE_THE_LOSS
        } else {
            usize::MAX
        };
        Ok(self
            .inner
            .create_stream(id, message)
            .await?
            .take(events_max))
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), Self::Error> {
        self.inner.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.inner.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.inner.resume(id, last_event_id).await
    }
}

fn loses_its_stream(message: &ClientJsonRpcMessage) -> bool {
    let JsonRpcMessage::Request(message) = message else {
        return false;
    };
    matches!(&message.request, ClientRequest::CallToolRequest(call) if call.params.name == RECONNECTION)
}
