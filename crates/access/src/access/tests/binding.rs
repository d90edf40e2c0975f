//! What a grant is bound to: change any of it, and it is no grant.

use cardea_domain::{
    Action, ActorId, KeyBinding, PromptName, ResourceUri, RunId, RunSource, SubjectId, Target,
    TenantId, Thumbprint, UpstreamId,
};
use proptest::prelude::*;

use super::house::{ARGUMENTS, House, Wish, tool};
use crate::{Kind, NotGranted};

/// One change of one thing.
#[derive(Debug, Clone)]
enum Mutation {
    Tenant,
    Subject(String),
    Actor(String),
    Run(String),
    RunSource(RunSource),
    Key([u8; 32]),
    Certificate([u8; 32]),
    Upstream(String),
    Tool(String),
    OtherKind,
    Action,
    Arguments(Option<String>),
    ToolDigest(Option<[u8; 32]>),
    Policies([u8; 32]),
}

impl Mutation {
    fn apply(&self, wish: &mut Wish) {
        let principal = &mut wish.principal;
        match self {
            Self::Tenant => principal.tenant = TenantId::parse("globex").unwrap(),
            Self::Subject(text) => principal.subject = SubjectId::parse(text).unwrap(),
            Self::Actor(text) => principal.actor = ActorId::parse(text).unwrap(),
            Self::Run(text) => principal.run = RunId::parse(text).unwrap(),
            Self::RunSource(source) => principal.run_source = *source,
            Self::Key(key) => principal.binding.dpop = Some(Thumbprint::new(*key)),
            Self::Certificate(key) => {
                principal.binding.certificate = Some(Thumbprint::new(*key));
            }
            Self::Upstream(text) => wish.upstream = UpstreamId::parse(text).unwrap(),
            Self::Tool(text) => wish.target = tool(text),
            Self::OtherKind => {
                wish.target = Target::Prompt(PromptName::parse("read_file").unwrap());
            }
            Self::Action => wish.action = Action::UseTask,
            Self::Arguments(text) => wish.arguments.clone_from(text),
            Self::ToolDigest(digest) => wish.tool_digest = *digest,
            Self::Policies(digest) => wish.policies = *digest,
        }
    }

    /// Whether a grant for a time or a number of calls is bound to it too.
    fn binds_all_kinds(&self) -> bool {
        !matches!(self, Self::Arguments(_) | Self::Policies(_))
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let name = "[a-z0-9][a-z0-9-]{0,12}";
    prop_oneof![
        Just(Mutation::Tenant),
        name.prop_map(Mutation::Subject),
        name.prop_map(Mutation::Actor),
        name.prop_map(Mutation::Run),
        prop::sample::select(RunSource::ALL.to_vec()).prop_map(Mutation::RunSource),
        any::<[u8; 32]>().prop_map(Mutation::Key),
        any::<[u8; 32]>().prop_map(Mutation::Certificate),
        name.prop_map(Mutation::Upstream),
        "[a-zA-Z_]{1,12}".prop_map(Mutation::Tool),
        Just(Mutation::OtherKind),
        Just(Mutation::Action),
        arguments().prop_map(Mutation::Arguments),
        prop::option::of(any::<[u8; 32]>()).prop_map(Mutation::ToolDigest),
        any::<[u8; 32]>().prop_map(Mutation::Policies),
    ]
}

/// Arguments of another meaning than those that were approved.
fn arguments() -> impl Strategy<Value = Option<String>> {
    let text = prop_oneof![
        Just("{}".to_owned()),
        Just(r#"{"path":"/srv/a.txt","path":"/srv/a.txt"}"#.to_owned()),
        Just(r#"{"path":["/srv/a.txt"]}"#.to_owned()),
        "[a-z/.]{0,8}".prop_map(|p| format!(r#"{{"path":"/srv/a.txt{p}","x":1}}"#)),
        "[a-z/.]{0,8}".prop_map(|p| format!(r#"{{"path":"{p}"}}"#)),
        // A prefix of the text, up to the whole without its last brace.
        (0..ARGUMENTS.len()).prop_map(|n| ARGUMENTS[..n].to_owned()),
    ];
    prop::option::of(text)
}

#[test]
fn a_grant_is_for_what_was_approved_and_any_change_is_refused() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for kind in [Kind::Once, Kind::Time, Kind::Calls] {
        let house = runtime.block_on(House::new());
        let wish = Wish::of(kind);
        runtime.block_on(house.grant(&wish));
        proptest!(ProptestConfig::with_cases(1000), |(mutation in mutation())| {
            let mut other = wish.clone();
            mutation.apply(&mut other);
            let is_same = format!("{other:?}") == format!("{wish:?}");
            let is_bound = kind == Kind::Once || mutation.binds_all_kinds();
            let admitted = house.access.admit(&other.wanted());
            prop_assert_eq!(admitted.is_ok(), is_same || !is_bound, "{:?}", mutation);
        });
        let admitted = house.access.admit(&wish.wanted());
        let _admission = admitted.expect("the grant itself is good");
    }
}

#[tokio::test]
async fn a_grant_for_a_bound_token_is_not_for_a_bare_one_and_the_other_way() {
    let key = KeyBinding {
        dpop: Some(Thumbprint::new([1; 32])),
        certificate: None,
    };
    for (asked, used) in [(key, KeyBinding::NONE), (KeyBinding::NONE, key)] {
        let house = House::new().await;
        let mut wish = Wish::of(Kind::Time);
        wish.principal.binding = asked;
        house.grant(&wish).await;
        wish.principal.binding = used;
        let refused = house.access.admit(&wish.wanted()).unwrap_err();
        assert_eq!(refused, NotGranted::Key);
    }
}

#[tokio::test]
async fn the_same_arguments_in_another_spelling_are_the_same() {
    let house = House::new().await;
    let mut wish = Wish::of(Kind::Once);
    house.grant(&wish).await;
    wish.arguments = Some("{ \"path\" : \"\\u002fsrv/a.txt\" }".to_owned());
    drop(house.access.admit(&wish.wanted()).unwrap());
}

#[tokio::test]
async fn reading_a_resource_is_not_subscribing_to_it() {
    let house = House::new().await;
    let mut wish = Wish {
        action: Action::ReadResource,
        target: Target::Resource(ResourceUri::parse("file:///srv/a").unwrap()),
        arguments: None,
        tool_digest: None,
        ..Wish::of(Kind::Time)
    };
    house.grant(&wish).await;
    drop(house.access.admit(&wish.wanted()).unwrap());
    wish.action = Action::SubscribeResource;
    assert!(house.access.admit(&wish.wanted()).is_err());
}
