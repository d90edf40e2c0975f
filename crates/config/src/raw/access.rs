//! What may be asked for, by whom, and who decides.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::FlowLabel;
use crate::quantity::{ByteSize, Count, Quantity, Timespan, count, gib, hours, kib, mins, secs};

/// Shorter than a person needs to see that it was given.
pub(crate) const DURATION_MIN: Timespan = secs(10);
/// A grant for longer is standing access by another name.
pub(crate) const DURATION_MAX: Timespan = hours(30 * 24);
/// As many as a session of work takes; more is a grant by time.
pub(crate) const CALLS_MAX: Count = count(1_000_000);
/// The time of each call within the minute is remembered, to be exact.
pub(crate) const RATE_MAX: Count = count(1_000);
/// A stage with more people than this decides nothing.
pub(crate) const NEED_MAX: u64 = 9;
/// Clients give up on a call after a minute or so.
pub(crate) const HOLD_MAX: Timespan = mins(5);
pub(crate) const HOLD_MIN: Timespan = secs(1);
/// Matching takes a pass over the name for each star.
const STARS: &str = r"^[^*]*(\*[^*]*){0,8}$";
const STARS_IN_WORDS: &str = "a name, or a pattern with at most 8 `*`";

pub(super) fn pattern(length_max: usize) -> Value {
    serde_json::json!({
        "type": "string",
        "minLength": 1,
        "maxLength": length_max,
        "pattern": STARS,
        "x-expected": STARS_IN_WORDS,
    })
}

/// Less is no answer.
pub(crate) const BYTES_MIN: ByteSize = kib(1);
pub(crate) const BYTES_MAX: ByteSize = gib(1024);

/// Something that may be asked for: nobody has it until somebody says yes.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Entitlement", extend("required" = ["resources", "approval"]))]
pub(crate) struct RawEntitlement {
    /// What people are shown.
    #[schemars(length(min = 1, max = 200), extend("x-default" = "its id"))]
    pub(crate) title: Option<String>,

    /// Who may ask. Without it everybody of the tenant.
    pub(crate) requesters: RawRequesters,

    /// What may be asked for.
    #[schemars(length(min = 1))]
    pub(crate) resources: Vec<RawEntitled>,

    /// A JSON Schema (2020-12) that the arguments of every call under a grant must satisfy, whoever
    /// approved it.
    pub(crate) arguments: Option<Map<String, Value>>,

    /// The kinds of grants that may be asked for: `once` is one call with exactly the arguments that
    /// were shown, `calls` a number of calls, `time` any number of them for a time. The first is what an
    /// agent gets that does not say.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub(crate) kinds: Vec<GrantKind>,

    /// How long a grant lasts at most, from its approval.
    #[schemars(extend("x-minimum" = DURATION_MIN.bound(), "x-maximum" = DURATION_MAX.bound()))]
    pub(crate) duration_max: Timespan,

    /// How many calls a grant of the kind `calls` is for at most.
    #[schemars(extend("x-minimum" = count(1).bound(), "x-maximum" = CALLS_MAX.bound()))]
    pub(crate) calls_max: Count,

    /// How many bytes the answers under a grant may have together.
    #[schemars(extend("x-minimum" = BYTES_MIN.bound(), "x-maximum" = BYTES_MAX.bound(), "x-default" = "no limit"))]
    pub(crate) bytes_max: Option<ByteSize>,

    /// How many calls a minute a grant is for at most.
    #[schemars(extend("x-minimum" = count(1).bound(), "x-maximum" = RATE_MAX.bound(), "x-default" = "no limit"))]
    pub(crate) calls_per_minute_max: Option<Count>,

    /// What a grant holds for besides its person and its agent: `run` is the one task that it was asked
    /// in, `agent` every task of that agent, which a person may also ask for beforehand. A grant of the
    /// kind `once` is always for its run.
    pub(crate) bound_to: GrantBinding,

    /// Who decides, stage after stage. The first refusal ends it, and each person counts once over all
    /// stages.
    #[schemars(length(min = 1, max = 5))]
    pub(crate) approval: Vec<RawStage>,

    /// A file of Cedar rules that decide before people do: a `permit` approves, in the place of every stage
    /// and of a second person, a `forbid` refuses, and where neither applies people decide. No file
    /// of `policies`.
    #[schemars(length(min = 1), extend("x-default" = "people decide"))]
    pub(crate) automatic: Option<String>,

    /// Whether somebody other than the person on whose behalf the agent acts must decide.
    pub(crate) second_person: bool,

    /// Whether lists leave out what may be asked for under it. Most agents only ever try what is listed.
    pub(crate) hidden: bool,

    /// Whether a request must say why, or the person in whose name it is asked.
    pub(crate) justification: Justification,

    /// How long a call waits for the decision before it is refused. Without it, it is refused at once,
    /// with the way to ask; what a client tries again once its person has opened the page waits 45 s.
    #[schemars(extend("x-minimum" = HOLD_MIN.bound(), "x-maximum" = HOLD_MAX.bound(), "x-default" = "not at all"))]
    pub(crate) hold: Option<Timespan>,
}

impl Default for RawEntitlement {
    fn default() -> Self {
        Self {
            title: None,
            requesters: RawRequesters::default(),
            resources: Vec::new(),
            arguments: None,
            kinds: vec![GrantKind::Once],
            duration_max: hours(1),
            calls_max: count(10),
            bytes_max: None,
            calls_per_minute_max: None,
            bound_to: GrantBinding::Run,
            approval: Vec::new(),
            automatic: None,
            second_person: true,
            hidden: false,
            justification: Justification::Optional,
            hold: None,
        }
    }
}

/// Who may ask. Of the keys that are given, each must have an entry that fits; `*` in an entry is any
/// text.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Requesters")]
pub(crate) struct RawRequesters {
    /// The people on whose behalf the agent acts.
    #[schemars(extend("uniqueItems" = true, "items" = pattern(255)))]
    pub(crate) subjects: Vec<String>,
    /// Groups that these people are in.
    #[schemars(extend("uniqueItems" = true, "items" = pattern(255)))]
    pub(crate) groups: Vec<String>,
    /// The agents.
    #[schemars(extend("uniqueItems" = true, "items" = pattern(2048)))]
    pub(crate) actors: Vec<String>,
}

/// What may be asked for at one upstream, or at several. `*` in an entry is any text.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Entitled", extend("required" = ["upstream"], "minProperties" = 2))]
pub(crate) struct RawEntitled {
    /// The upstream.
    #[schemars(length(min = 1, max = 63), extend("pattern" = STARS, "x-expected" = STARS_IN_WORDS))]
    pub(crate) upstream: String,
    /// Names of tools.
    #[schemars(length(min = 1), extend("uniqueItems" = true, "items" = pattern(255)))]
    pub(crate) tools: Vec<String>,
    /// Of these tools, those alone that have all of these labels in the upstream's file of `labels`; a tool that is not
    /// labelled has none here.
    #[schemars(extend("uniqueItems" = true))]
    pub(crate) labels: Vec<FlowLabel>,
    /// URIs of resources.
    #[schemars(length(min = 1), extend("uniqueItems" = true, "items" = pattern(2048)))]
    pub(crate) resources: Vec<String>,
    /// Names of prompts.
    #[schemars(length(min = 1), extend("uniqueItems" = true, "items" = pattern(255)))]
    pub(crate) prompts: Vec<String>,
}

/// A kind of grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum GrantKind {
    /// One call, with exactly the arguments that were approved.
    Once,
    /// A number of calls.
    Calls,
    /// Any number of calls for a time.
    Time,
}

/// What a grant holds for besides its person and its agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum GrantBinding {
    /// The one task that it was asked in.
    Run,
    /// Every task of the agent.
    Agent,
}

/// Whether a request must say why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Justification {
    /// It may.
    Optional,
    /// It must; an agent says it by `cardea__request_access`.
    Required,
    /// It need not; the person in whose name it is asked must, on the request's page, before
    /// anybody can approve it.
    Person,
}

/// One stage of an approval.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Stage", extend("minProperties" = 1))]
pub(crate) struct RawStage {
    /// How many of them must say yes: `any` is one, a number is that many different people, `all` is
    /// each of `subjects` and one of each of `groups`.
    pub(crate) need: RawNeed,
    /// People who may decide.
    #[schemars(inner(length(min = 1, max = 255)), extend("uniqueItems" = true))]
    pub(crate) subjects: Vec<String>,
    /// Groups whose people may decide.
    #[schemars(inner(length(min = 1, max = 255)), extend("uniqueItems" = true))]
    pub(crate) groups: Vec<String>,
}

impl Default for RawStage {
    fn default() -> Self {
        Self {
            need: RawNeed::Word(NeedWord::Any),
            subjects: Vec::new(),
            groups: Vec::new(),
        }
    }
}

/// How many people of a stage must say yes.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum RawNeed {
    Number(u64),
    Word(NeedWord),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NeedWord {
    Any,
    All,
}

impl JsonSchema for RawNeed {
    fn schema_name() -> Cow<'static, str> {
        "Need".into()
    }

    fn inline_schema() -> bool {
        true
    }

    // By hand and flat: alternatives would be explained as "none of them fits".
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let numbers = (1..=NEED_MAX).map(Value::from);
        let words = ["any", "all"].map(Value::from);
        let all: Vec<_> = words.into_iter().chain(numbers).collect();
        json_schema!({
            "enum": all,
            "x-type": "`any`, `all` or a number",
            "x-expected": "`any`, `all`, or a number from 1 to 9",
        })
    }
}

/// People: the subjects, and whoever is in one of the groups.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "People")]
pub(crate) struct RawPeople {
    /// People.
    #[schemars(inner(length(min = 1, max = 255)), extend("uniqueItems" = true))]
    pub(crate) subjects: Vec<String>,
    /// Groups of people.
    #[schemars(inner(length(min = 1, max = 255)), extend("uniqueItems" = true))]
    pub(crate) groups: Vec<String>,
}

/// What is known of some agents besides their names.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Agent", extend("minProperties" = 1))]
pub(crate) struct RawAgent {
    /// The people who own them, and are behind whatever they ask for: where an entitlement asks for a second
    /// person, none of these is one.
    pub(crate) owners: RawPeople,

    /// How their clients are told that something has to be granted: `mcp` in the form of the protocol that the client
    /// declares, `http` by status 403 with `authorization_details` (RFC 9396), which most clients take for a demand
    /// to log in again.
    pub(crate) ask_by: AskBy,
}

/// How a client is told that something has to be granted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum AskBy {
    /// As the protocol does.
    #[default]
    Mcp,
    /// As OAuth does.
    Http,
}

/// Who may do what in the console. Approvers are named by `approval`; everybody sees what is their own.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Roles")]
pub(crate) struct RawRoles {
    /// They see all of the tenant, revoke and lock.
    pub(crate) administrators: RawPeople,
    /// They see all of the tenant and change nothing.
    pub(crate) auditors: RawPeople,
}
