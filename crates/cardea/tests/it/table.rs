//! (to come)
use crate::support::*;

#[tokio::test]
async fn smoke() {
    let stage = Stage::start().await;
    let answer = stage.call(&tool_call(7, json!({"a": 1}))).await;
    println!("{} {:?} {}", answer.status, answer.headers, answer.text());
    let answer = stage.call(&legacy(8, "nope/nope", json!({"a": 1}))).await;
    println!("{} {}", answer.status, answer.text());
    for m in ["initialize", "tools/list", "ping", "prompts/get"] {
    let answer = stage.call(&legacy(9, m, json!({"name": "a", "protocolVersion": "2025-11-25"}))).await;
    println!("{} {:?} {}", answer.status, answer.headers, answer.text());
    }
    println!("{:#?}", stage.records());
    println!("{}", stage.gateway.log());
}
