//! rmcp's client, in process.

use cardea_testkit::rmcp_client::{Mode, drive};

use super::*;

#[tokio::test]
async fn rmcps_client_works_in_all_its_modes() {
    let street = Street::open().await;
    for mode in [Mode::Legacy, Mode::Auto, Mode::Modern] {
        for (upstream, call, arguments, text, denied) in [
            (
                RMCP,
                "test_simple_text",
                json!({}),
                "simple text",
                "test_image_content",
            ),
            (PYTHON, "seen_headers", json!({}), "user-agent", "fail"),
            (
                PYTHON_STDIO,
                "region",
                json!({"name": "eu"}),
                "region eu",
                "add",
            ),
        ] {
            let arguments = arguments.as_object().unwrap().clone();
            let url = street.gateway.url(upstream);
            let address = street.gateway.address();
            let report = drive(
                &url,
                address,
                &street.token,
                mode,
                (call, arguments),
                denied,
            )
            .await;

            let report = report.unwrap_or_else(|error| {
                panic!("{mode:?} {upstream}: {error:#}\n{}", street.gateway.log())
            });
            assert_eq!(
                report.protocol,
                if mode == Mode::Legacy { LEGACY } else { MODERN },
                "{upstream}"
            );
            assert_eq!(
                report.tools.len(),
                2,
                "{mode:?} {upstream}: {:?}",
                report.tools
            );
            assert!(
                report.text.contains(text),
                "{mode:?} {upstream}: {}",
                report.text
            );
            assert!(!report.text.contains(&street.token));
            assert_eq!(report.denied, Some(-31403), "{mode:?} {upstream}");
            street.on_record(upstream, call, Some(denied));
        }
    }
}
