//! Policies that come with the gateway, for whoever wants them.

use crate::PolicyFile;

/// Policies for one purpose, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pack {
    /// The name that configurations use.
    pub name: &'static str,
    /// The policies, in Cedar.
    pub text: &'static str,
}

/// All of them.
pub const PACKS: [Pack; 4] = [
    Pack {
        name: "untrusted-values",
        text: include_str!("../packs/untrusted-values.cedar"),
    },
    Pack {
        name: "untrusted-values-strict",
        text: include_str!("../packs/untrusted-values-strict.cedar"),
    },
    Pack {
        name: "lethal-trifecta",
        text: include_str!("../packs/lethal-trifecta.cedar"),
    },
    Pack {
        name: "read-only-after-untrusted",
        text: include_str!("../packs/read-only-after-untrusted.cedar"),
    },
];

impl Pack {
    /// The pack by this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        PACKS.into_iter().find(|pack| pack.name == name)
    }

    /// As a policy file.
    #[must_use]
    pub fn file(self) -> PolicyFile {
        PolicyFile {
            name: format!("the pack `{}`", self.name),
            text: self.text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use cardea_domain::{
        Action, ActorId, KeyBinding, Principal, RunId, RunSource, SubjectId, Target, TenantId,
        ToolName, UpstreamId,
    };

    use super::*;
    use crate::{Flow, KnownNames, Policies, Question};

    fn policies(names: &[&str], more: &str) -> Policies {
        let mut files: Vec<_> = names
            .iter()
            .map(|name| Pack::named(name).unwrap().file())
            .collect();
        files.push(PolicyFile {
            name: "all.cedar".into(),
            text: format!("permit (principal, action, resource);{more}"),
        });
        Policies::compile(&files, &KnownNames::default(), 1).unwrap()
    }

    fn asked(flow: Flow) -> Question {
        let principal = Principal {
            tenant: TenantId::parse("acme").unwrap(),
            subject: SubjectId::parse("ada").unwrap(),
            actor: ActorId::parse("bot").unwrap(),
            run: RunId::parse("r").unwrap(),
            run_source: RunSource::Token,
            standing: std::sync::Arc::default(),
            binding: KeyBinding::NONE,
            chain: [].into(),
            groups: [].into(),
            task: None,
        };
        let target = Target::Tool(ToolName::parse("send").unwrap());
        let upstream = UpstreamId::parse("mail").unwrap();
        Question::new(
            &principal,
            Action::CallTool,
            &upstream,
            target,
            Cow::Borrowed("tools/call"),
        )
        .with_flow(flow)
    }

    fn needs(policies: &Policies, flow: Flow) -> Vec<String> {
        let asked = asked(flow);
        assert!(policies.decide(asked.clone()).is_ok(), "it is permitted");
        policies
            .approval(&asked)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn every_pack_compiles_and_reads_flow_and_is_silent_without_facts() {
        for pack in PACKS {
            let policies = policies(&[pack.name], "");
            assert!(policies.reads_flow(), "{}", pack.name);
            assert_eq!(needs(&policies, Flow::default()), [""; 0], "{}", pack.name);
        }
        assert!(!policies(&[], "").reads_flow());
        assert!(
            policies(
                &[],
                r#"forbid (principal, action, resource) when { context["fl\u{6f}w"].doubtful };"#
            )
            .reads_flow()
        );
    }

    #[test]
    fn untrusted_values_need_approval() {
        let policies = policies(&["untrusted-values"], "");
        let flow = Flow {
            untrusted_in_run: true,
            ..Flow::default()
        };
        assert_eq!(needs(&policies, flow), [""; 0]);
        let values = Flow {
            untrusted_values: 1,
            ..flow
        };
        assert_eq!(needs(&policies, values), ["pack/untrusted-values/values"]);
        let nobody_asked = Flow {
            declared: true,
            ..flow
        };
        assert_eq!(
            needs(&policies, nobody_asked),
            ["pack/untrusted-values/action"]
        );
        assert_eq!(
            needs(
                &policies,
                Flow {
                    read_only: true,
                    ..nobody_asked
                }
            ),
            [""; 0]
        );
        assert_eq!(
            needs(
                &policies,
                Flow {
                    requested: true,
                    ..nobody_asked
                }
            ),
            [""; 0]
        );
        let content = Flow {
            requested: true,
            asked_by_content: true,
            ..nobody_asked
        };
        assert_eq!(needs(&policies, content), ["pack/untrusted-values/action"]);
        let doubt = Flow {
            doubtful: true,
            external_sink: true,
            ..Flow::default()
        };
        assert_eq!(needs(&policies, doubt), ["pack/untrusted-values/doubt"]);
        let delegated = Flow {
            delegated_values: 1,
            ..flow
        };
        assert_eq!(needs(&policies, delegated), [""; 0]);
    }

    #[test]
    fn private_data_and_untrusted_content_do_not_leave_together_unseen() {
        let policies = policies(&["lethal-trifecta"], "");
        let all = Flow {
            private_in_run: true,
            untrusted_in_run: true,
            external_sink: true,
            ..Flow::default()
        };
        assert_eq!(needs(&policies, all), ["pack/lethal-trifecta/sink"]);
        for two in [
            Flow {
                private_in_run: false,
                ..all
            },
            Flow {
                untrusted_in_run: false,
                ..all
            },
            Flow {
                external_sink: false,
                ..all
            },
        ] {
            assert_eq!(needs(&policies, two), [""; 0], "{two:?}");
        }
    }

    #[test]
    fn what_is_forbidden_without_the_annotation_stays_forbidden() {
        let policies = policies(&["read-only-after-untrusted"], "");
        let flow = Flow {
            untrusted_in_run: true,
            ..Flow::default()
        };
        let refusal = policies.decide(asked(flow)).unwrap_err();
        assert!(!refusal.lacks_a_permit_only());
        assert!(
            policies
                .decide(asked(Flow {
                    read_only: true,
                    ..flow
                }))
                .is_ok()
        );
    }

    #[test]
    fn an_annotation_that_means_nothing_is_a_mistake() {
        for text in [
            r#"@approval("sometimes") forbid (principal, action, resource);"#,
            r#"@approval("once") permit (principal, action, resource);"#,
        ] {
            let file = PolicyFile {
                name: "a.cedar".into(),
                text: text.into(),
            };
            let findings = Policies::compile(&[file], &KnownNames::default(), 1).unwrap_err();
            assert!(findings[0].message.contains("approval"), "{findings:?}");
        }
    }
}
