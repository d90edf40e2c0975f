//! Records of every call: hash-chained, durable before effect and answer
