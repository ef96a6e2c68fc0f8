//! Few enrollments and many: does an advance stay as cheap, how soon does a server start, what does it hold.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use jalon_shared::Timestamp;

use crate::drive::{Span, drive};
use crate::measure::{Run, Scene, expiry, open, template};
use crate::report::{Report, is_doubtful};
use crate::stage::{Once, Session, Sessions};
use crate::{machine, seed};

impl Run<'_> {
    /// The first advance of enrollments picked all over the table, few and many.
    pub async fn scale(&self, report: &mut Report) -> Result<()> {
        let sizes = if self.is_quick() { [2_000, 6_000, 20_000] } else { [10_000, 100_000, 1_000_000] };
        let [few, _, many] = sizes;
        let title = self.title();
        let scene = self.scene("scale", 1).await?;
        scene.stage.ensure(1).await?;
        let template = template(&scene)?;
        let expires_at = expiry(&scene.prepared);
        let Scene { mut server, prepared, site, database, .. } = scene;
        server.stop().await?;

        report
            .head(&format!("{title}: {few} first advances, each of another enrollment picked from all over the table"));
        let mut outcomes = Vec::new();
        let mut from = 1;
        for total in sizes {
            let start = Instant::now();
            let db = open(&database).await?;
            seed::seed(&db, template.enrollment, from, total, expires_at).await?;
            db.close().await;
            println!("  made {total} enrollments in {:.0} s", start.elapsed().as_secs_f64());
            self.analyze(&database).await?;
            let sessions = Sessions::default();
            // Those added last have never advanced; a stride without common divisor visits each once.
            let fresh = total - from + 1;
            let stride = 7919;
            for place in 0..few.min(fresh) {
                let number = from + (place * stride) % fresh;
                sessions.borrow_mut().push_back(Session {
                    token: prepared.app.gate.guests.mint(site, seed::guest(number), Timestamp(0), expires_at).into(),
                    enrollment: seed::enrollment(number),
                    next: 1,
                });
            }
            from = total + 1;
            let begun = Instant::now();
            let (mut server, family) = self.serve(&database).await?;
            report.fact(&format!("start until ready, {total} enrollments"), &milliseconds(begun));
            self.patience().wait_until_quiet().await?;
            let span = Span { warm: Duration::ZERO, counted: Duration::from_mins(1) };
            let mut seed = 0;
            let outcome = drive(server.address(), &family, 32, span, || {
                seed += 1;
                Once::new(&sessions, seed << 32)
            })
            .await?;
            report.line(&format!("advance, {total} enrollments"), &outcome);
            outcomes.push(outcome);
            let held = machine::memory(server.process());
            report.fact(&format!("memory after it, {total} enrollments"), &format!("{held:.1} MiB"));
            server.stop().await?;
        }
        let [small, .., large] = outcomes.as_slice() else {
            bail!("two tables make a comparison");
        };
        let (by_time, by_cpu) = (small.rate / large.rate, large.cost() / small.cost());
        // Where others used the machine, processor time is what can be compared.
        let doubtful = is_doubtful(small) || is_doubtful(large);
        let flat = if doubtful { by_cpu } else { by_time } <= 1.25;
        report.aim(
            &format!("{title}: an advance at {many} / at {few} enrollments"),
            format!("{by_time:.2}, cpu {by_cpu:.2}"),
            "flat (≤ 1.25)",
            flat,
        );
        Ok(())
    }

    /// How soon a server answers on a new database and on one that is there, and what it holds then.
    pub async fn cold_start(&self, report: &mut Report) -> Result<()> {
        const ROUNDS: usize = 5;
        report.head(&format!("{}: from start to ready", self.title()));
        self.patience().wait_until_quiet().await?;
        let mut times = [Vec::new(), Vec::new()];
        let mut held = Vec::new();
        for round in 0..ROUNDS {
            let database = self.database(&format!("start{round}"))?;
            // The first start migrates.
            for times in &mut times {
                let begun = Instant::now();
                let (mut server, _) = self.serve(&database).await?;
                times.push(begun.elapsed());
                held.push(machine::memory(server.process()));
                server.stop().await?;
            }
        }
        held.sort_by(f64::total_cmp);
        for (what, times) in
            ["on a new database, median of 5", "on one that is there, median of 5"].iter().zip(&mut times)
        {
            times.sort_unstable();
            let middle = times.get(ROUNDS / 2).copied().unwrap_or_default();
            report.fact(what, &format!("{:.0} ms", middle.as_secs_f64() * 1000.0));
        }
        report.fact("memory just after, most", &format!("{:.1} MiB", held.last().copied().unwrap_or(0.0)));
        Ok(())
    }
}

fn milliseconds(since: Instant) -> String {
    format!("{:.0} ms", since.elapsed().as_secs_f64() * 1000.0)
}
