//! The proof that tenants do not interfere: one tenant's random traffic, run alone and beside another tenant that does
//! the same things at the same time, has the same answers and the same records.
//!
//! `CARDEA_SEED` runs another seed, `CARDEA_STEPS` another length.

use std::time::Duration;

use super::{
    house::{ACME, Company, GLOBEX, House},
    mask,
    traffic::{Client, Dice, Step, plan},
};
use crate::support::*;

/// The seeds of `make test`; the evaluations run more.
const SEEDS: [u64; 2] = [1, 20_261_125];

/// Enough for each method in both eras, and as much again that the dice choose.
const STEPS: usize = 150;

/// What one tenant saw and what was recorded of it.
struct Trace {
    answers: Vec<(Step, String)>,
    records: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tenant_sees_and_what_is_recorded_of_it_does_not_depend_on_another() {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse::<u64>().unwrap());
    let seeds = number("CARDEA_SEED").map_or(SEEDS.to_vec(), |seed| vec![seed]);
    let steps = number("CARDEA_STEPS").map_or(STEPS, |steps| usize::try_from(steps).unwrap());
    for seed in seeds {
        let alone = run(seed, steps, Company::Alone).await;
        let beside = run(seed, steps, Company::Beside).await;
        compare(seed, &alone, &beside);
    }
}

fn compare(seed: u64, alone: &Trace, beside: &Trace) {
    for (at, (one, other)) in alone.answers.iter().zip(&beside.answers).enumerate() {
        assert_eq!(one.1, other.1, "seed {seed}, step {at}: {:?}", one.0);
    }
    for (at, (one, other)) in alone.records.iter().zip(&beside.records).enumerate() {
        assert_eq!(one, other, "seed {seed}, record {at}");
    }
    assert_eq!(alone.answers.len(), beside.answers.len());
    assert_eq!(alone.records.len(), beside.records.len(), "seed {seed}");
    assert!(alone.records.len() > alone.answers.len(), "seed {seed}");
}

async fn run(seed: u64, steps: usize, company: Company) -> Trace {
    let house = House::build(company).await;
    let steps = plan(&mut Dice(seed), steps);
    let mut acme = Client::new(&house.gateway, house.token(ACME), ACME);
    let mut neighbour = match company {
        Company::Alone => None,
        Company::Beside => Some(Neighbour::move_in(&house, seed).await),
    };
    let mut answers = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let together = match &mut neighbour {
            Some(neighbour) => {
                let together = neighbour.meanwhile(&house, &steps, at).await;
                acme.learn(&neighbour.globex);
                together
            }
            None => None,
        };
        let answer = match step {
            Step::Reload => {
                house.change_policy(ACME, at).await;
                String::new()
            }
            _ => acme.take(step).await,
        };
        if let Step::Leave { .. } = step {
            left(&house).await;
        }
        answers.push((step.clone(), answer));
        if let (Some(together), Some(neighbour)) = (together, &mut neighbour) {
            neighbour.globex = together.await.unwrap();
        }
    }
    if let Some(neighbour) = neighbour {
        neighbour.move_out(&house).await;
    }
    let records = records_in(&house.gateway, Some(ACME));
    let address = house.gateway.address().to_string();
    Trace {
        answers,
        records: records
            .into_iter()
            .map(|record| mask::record(record, &address))
            .collect(),
    }
}

/// Waits until it is recorded that the client went away.
async fn left(house: &House) {
    until("an outcome for each intent", async || {
        let records = records_in(&house.gateway, Some(ACME));
        let of = |kind: &str| records.iter().filter(|r| r["kind"] == kind).count();
        (of("outcome") >= of("intent")).then_some(())
    })
    .await;
}

/// The other tenant: it does what the first one does, at the same time and before it, holds calls and streams open,
/// and has its own settings changed.
struct Neighbour {
    globex: Client,
    dice: Dice,
    held: Vec<tokio::task::JoinHandle<anyhow::Result<Answer>>>,
    third_is_there: bool,
}

impl Neighbour {
    async fn move_in(house: &House, seed: u64) -> Self {
        let globex = Client::new(&house.gateway, house.token(GLOBEX), GLOBEX);
        // More calls and streams than the other one may have.
        let calls = (0..6).map(|id| globex.hold(id));
        let streams = (0..3).map(|id| globex.hold_stream(id));
        let address = house.gateway.address();
        let held: Vec<_> = calls
            .chain(streams)
            .map(|ask| tokio::spawn(ask.try_send(address)))
            .collect();
        let open = async || metric(&house.gateway, "cardea_open_calls", &[GLOBEX]).await;
        until("what is held", async || (open().await >= 9.0).then_some(())).await;
        Self {
            held,
            globex,
            dice: Dice(!seed),
            third_is_there: false,
        }
    }

    /// Does something before the other's step, and gives what it does during that.
    async fn meanwhile(
        &mut self,
        house: &House,
        steps: &[Step],
        at: usize,
    ) -> Option<tokio::task::JoinHandle<Client>> {
        if at % 40 == 20 {
            self.third_is_there = !self.third_is_there;
            house.third_tenant(self.third_is_there).await;
        }
        let same = steps[at].clone();
        match same {
            Step::Reload => {
                house.change_policy(GLOBEX, at).await;
                return None;
            }
            // What it has just learnt of its own tools is the newest that there is.
            Step::Mirrored { upstream } => {
                let list = Step::List {
                    cursor: "",
                    is_modern: true,
                    upstream,
                };
                self.globex.take(&list).await;
            }
            _ => drop(self.globex.take(&same).await),
        }
        let any = &steps[self.dice.below(steps.len())];
        let during = match self.dice.below(2) {
            0 => same,
            _ => any.clone(),
        };
        if let Step::Reload = during {
            return None;
        }
        let mut globex = self.globex.clone();
        Some(tokio::spawn(async move {
            globex.take(&during).await;
            globex
        }))
    }

    /// What it held is answered: it was there all the time.
    async fn move_out(self, house: &House) {
        house.hold.open();
        for held in self.held {
            let answer = tokio::time::timeout(Duration::from_secs(30), held);
            let answer = answer.await.unwrap().unwrap().unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
}
