//! The databases alone: the same rows as an advance writes, without a server in front.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use jalon_backend::db::{Db, DbError, execute};
use uuid::Uuid;

use crate::seed;
use crate::stage::Keys;

/// Advances in one commit of SQLite.
const GROUP: i64 = 64;
/// Connections of `pgbench`.
const CLIENTS: &str = "32";

/// What an advance writes, besides ids and numbers.
#[derive(Clone, Debug)]
pub struct Row {
    /// The site.
    pub site: Uuid,
    /// The progress of an enrollment half-way.
    pub progress: String,
    /// An event's payload.
    pub payload: String,
    /// An answer remembered under its key.
    pub response: String,
}

/// Commits groups of 64 advances' rows on one connection with `synchronous = FULL`; advances a second.
pub async fn sqlite(db: &Db, row: &Row, learners: i64, span: Duration) -> Result<f64> {
    const UPDATE: &str = "UPDATE enrollment SET current_step_order = 6, version = version + 1, time_spent_seconds = time_spent_seconds + 7, \
        progress = $2 FROM json_each($1) AS r WHERE enrollment.id = unhex(r.value ->> 0)";
    const EVENT: &str = "INSERT INTO event (id, site_id, subject_id, seq, type, guest_id, at, cause, payload) \
        SELECT unhex(r.value ->> 2), $3, unhex(r.value ->> 0), r.value ->> 4, 'step.completed', unhex(r.value ->> 1), 1, r.value ->> 3, $2 \
        FROM json_each($1) AS r";
    const KEY: &str = "INSERT INTO idempotency (site_id, caller, key, fingerprint, status, response, created_at) \
        SELECT $3, r.value ->> 1, unhex(r.value ->> 3), zeroblob(32), 200, $2, 1 FROM json_each($1) AS r";
    let (mut keys, mut done) = (Keys(7), 0_i64);
    let start = Instant::now();
    while start.elapsed() < span {
        let batch: Vec<_> = (0..GROUP)
            .map(|place| {
                let number = 1 + (done + place) % learners;
                let id = |uuid: Uuid| uuid.simple().to_string();
                (
                    id(seed::enrollment(number)),
                    id(seed::guest(number).0),
                    id(Uuid::from_u64_pair(
                        0x0190_0000_0003_7000,
                        0x8000_0000_0000_0000 | (done + place).unsigned_abs(),
                    )),
                    id(keys.next()),
                    1_000 + (done + place) / learners,
                )
            })
            .collect();
        let batch = serde_json::to_string(&batch)?;
        let row = row.clone();
        db.write(move |tx| {
            Box::pin(async move {
                for (text, value) in [(UPDATE, row.progress), (EVENT, row.payload), (KEY, row.response)] {
                    execute!(tx, sqlx::query(text).bind(batch.as_str()).bind(value).bind(row.site))?;
                }
                Ok::<_, DbError>(())
            })
        })
        .await?;
        done += GROUP;
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
    Ok(done as f64 / start.elapsed().as_secs_f64())
}

/// `pgbench` with the three writes of an advance as its transaction; transactions a second.
pub fn postgres(
    programs: &Path,
    folder: &Path,
    database: &str,
    scratch: &Path,
    row: &Row,
    learners: i64,
    span: Duration,
) -> Result<f64> {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let mut script = String::new();
    // A colon before a word is a variable to pgbench, so the texts come from a table.
    let mut texts = String::from("CREATE TABLE bench_text (progress text, payload text, response text);\n");
    writeln!(
        texts,
        "INSERT INTO bench_text VALUES ({}, {}, {});",
        quoted(&row.progress),
        quoted(&row.payload),
        quoted(&row.response)
    )?;
    writeln!(
        script,
        "\\set n random(1, {learners})\n\
         \\set seq random(1000, 1000000000)\n\
         BEGIN;\n\
         UPDATE enrollment SET current_step_order = 6, version = version + 1, time_spent_seconds = time_spent_seconds + 7, \
         progress = (SELECT progress FROM bench_text) WHERE id = ('019000000001700080' || lpad(to_hex(:n::bigint), 14, '0'))::uuid;\n\
         INSERT INTO event (id, site_id, subject_id, seq, type, guest_id, at, cause, payload) \
         SELECT gen_random_uuid(), '{site}', ('019000000001700080' || lpad(to_hex(:n::bigint), 14, '0'))::uuid, :seq::bigint, 'step.completed', \
         ('019000000000700080' || lpad(to_hex(:n::bigint), 14, '0'))::uuid, 1, 'cause', payload FROM bench_text;\n\
         INSERT INTO idempotency (site_id, caller, key, fingerprint, status, response, created_at) \
         SELECT '{site}', 'g:' || :n::bigint, gen_random_uuid(), decode(repeat('00', 32), 'hex'), 200, response, 1 FROM bench_text;\n\
         COMMIT;",
        site = row.site
    )?;
    let (setup, file) = (scratch.join("texts.sql"), scratch.join("advance.sql"));
    std::fs::write(&setup, texts)?;
    std::fs::write(&file, script)?;
    let client = |program: &str| {
        let mut command = Command::new(programs.join(program));
        command.env("PGHOST", folder).env("PGUSER", "postgres");
        command
    };
    let made = client("psql").args(["-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(&setup).arg(database).status()?;
    if !made.success() {
        bail!("psql ended with {made}");
    }
    let output = client("pgbench")
        .args(["-n", "-M", "prepared", "-c", CLIENTS, "-j", "2", "-T"])
        .arg(span.as_secs().to_string())
        .arg("-f")
        .arg(&file)
        .arg(database)
        .output()
        .context("can't run pgbench")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rate =
        text.lines().find_map(|line| line.strip_prefix("tps = ")).and_then(|line| line.split(' ').next()?.parse().ok());
    rate.with_context(|| format!("pgbench said no rate: {text}{}", String::from_utf8_lossy(&output.stderr)))
}
