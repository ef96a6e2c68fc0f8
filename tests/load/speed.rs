//! Advances, answers and reads of two builds, in turn on new databases: machines are noisy, so only ratios of one run
//! say anything.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;

use crate::client::request;
use crate::courses::{SMALL, course, publish, slug};
use crate::drive::{Outcome, Same, drive};
use crate::measure::{Run, Scene};
use crate::report::Report;
use crate::sink::Sink;
use crate::stage::{SITE, Stage, prepare_existing};

/// How much of the rate beside it this build must reach.
const AIM: f64 = 0.97;
/// Connections.
const LEVEL: usize = 32;
const WHAT: [&str; 3] = ["an advance", "an answer", "a track read"];

impl Run<'_> {
    /// Each round measures both programs once, the other one first in every second round.
    pub async fn speed(&self, report: &mut Report) -> Result<()> {
        let title = self.title();
        report.head(&format!("{title}: this build beside another, {LEVEL} connections"));
        let rounds = if self.is_quick() { 2 } else { 4 };
        let mut found: Vec<[[f64; 2]; 3]> = Vec::new();
        for round in 0..rounds {
            let mut builds = self.builds();
            if round % 2 == 1 {
                builds.reverse();
            }
            let mut both = Vec::new();
            for (name, program) in builds {
                self.patience().wait_until_quiet().await?;
                both.push((name, self.measured(program, &format!("speed_{name}_{round}"), name, report).await?));
            }
            let of = |wanted: &str| both.iter().find(|(name, _)| *name == wanted).map(|(_, outcomes)| outcomes);
            if let (Some(beside), Some(this)) = (of("beside"), of("this")) {
                let ratio = |n: usize| [this[n].rate / beside[n].rate, beside[n].cost() / this[n].cost()];
                found.push([ratio(0), ratio(1), ratio(2)]);
            }
        }
        for (n, what) in WHAT.into_iter().enumerate().filter(|_| !found.is_empty()) {
            let median = |by: usize| {
                let mut all: Vec<f64> = found.iter().map(|round| round[n][by]).collect();
                all.sort_by(f64::total_cmp);
                let middle = all.len() / 2;
                if all.len() % 2 == 1 { all[middle] } else { f64::midpoint(all[middle - 1], all[middle]) }
            };
            let (by_time, by_cpu) = (median(0), median(1));
            let what = format!("{title}: {what}, rate of --beside, median of {}", found.len());
            // Where others use the machine, processor time is what can be compared.
            report.aim(&what, format!("{by_time:.2}, cpu {by_cpu:.2}"), "≥ 0.97", by_time.max(by_cpu) >= AIM);
        }
        Ok(())
    }

    async fn measured(&self, program: &Path, database: &str, name: &str, report: &mut Report) -> Result<[Outcome; 3]> {
        let database = self.database(database)?;
        let (server, family) = self.serve_with(program, &database).await?;
        let prepared = prepare_existing(&database).await?;
        // The server learns of the key by itself.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (stage, site) = Stage::build(server.address(), &prepared.key, 4, self.steps()).await?;
        let sink = Sink::start().await?;
        let mut scene = Scene { server, stage, sink, prepared, site, database, family };
        let advances = self.advance(&scene, LEVEL, 8000.0).await?;
        report.line(&format!("{name}: advance"), &advances);
        publish(&scene, &slug(SMALL), &course(SMALL)).await?;
        let answers = self.answering(&scene, SMALL, report).await?;
        let read: Rc<[u8]> =
            request("GET", &format!("/api/v1/sites/{SITE}/tracks/track-0"), "", "").into_bytes().into();
        let reads = drive(scene.server.address(), &scene.family, LEVEL, self.span(), || Same(Rc::clone(&read))).await?;
        report.line(&format!("{name}: track read"), &reads);
        scene.server.stop().await?;
        Ok([advances, answers, reads])
    }
}
