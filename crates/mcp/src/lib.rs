//! The protocol: JSON spans, envelope, versions, headers, server-sent events; no I/O
