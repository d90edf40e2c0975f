//! The data plane: listener, both protocol eras, the way of a call, upstreams
