//! What is printed: each measurement as it comes, and the aims at the end; and the same as a table for
//! the documentation.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::drive::Outcome;

/// Between these lines of the document the table of the newest whole run stands.
const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";

/// Others' share of the processors above which a number is marked as doubtful.
const DOUBTFUL: f64 = 0.10;

/// Whether a measurement says little, because others used the machine meanwhile.
pub fn is_doubtful(outcome: &Outcome) -> bool {
    outcome.shares.others > DOUBTFUL
}

/// What the run found.
#[derive(Default, Debug)]
pub struct Report {
    aims: Vec<Aim>,
    faults: Vec<String>,
    doubtful: usize,
    notes: Vec<String>,
    table: String,
}

#[derive(Debug)]
struct Aim {
    what: String,
    found: String,
    wanted: String,
    reached: bool,
}

impl Report {
    /// Prints the head of a table of measurements.
    pub fn head(&mut self, title: &str) {
        println!("\n{title}");
        let _ = write!(
            self.table,
            "\n**{title}**\n\n| | connections | per s | p50 ms | p99 ms | cpu µs | others |\n|---|---|---|---|---|---|---|\n"
        );
        println!(
            "  {:<34} {:>5} {:>10} {:>9} {:>9} {:>7} {:>7} {:>6} {:>7}",
            "", "conns", "per s", "p50 ms", "p99 ms", "cpu µs", "server", "load", "others"
        );
    }

    /// Prints a measurement and remembers what went wrong in it.
    pub fn line(&mut self, what: &str, outcome: &Outcome) {
        let shares = outcome.shares;
        let doubtful = is_doubtful(outcome);
        self.doubtful += usize::from(doubtful);
        println!(
            "  {what:<34} {:>5} {:>10.0} {:>9.2} {:>9.2} {:>7.1} {:>6.0}% {:>5.0}% {:>6.0}%{}",
            outcome.connections,
            outcome.rate,
            outcome.quantile(0.50),
            outcome.quantile(0.99),
            outcome.cost(),
            shares.server * 100.0,
            shares.load * 100.0,
            shares.others * 100.0,
            if doubtful { " ~" } else { "" }
        );
        let _ = writeln!(
            self.table,
            "| {what} | {} | {:.0} | {:.2} | {:.2} | {:.1} | {:.0} %{} |",
            outcome.connections,
            outcome.rate,
            outcome.quantile(0.50),
            outcome.quantile(0.99),
            outcome.cost(),
            shares.others * 100.0,
            if doubtful { " ~" } else { "" }
        );
        let name = format!("{what} at {}", outcome.connections);
        let failure = outcome.first_failure.as_deref().unwrap_or("");
        if outcome.failed > 0 {
            self.fault(format!("{name}: {} times 5xx or broken: {failure}", outcome.failed));
        }
        if outcome.refused > 0 {
            self.fault(format!("{name}: {} times 4xx: {failure}", outcome.refused));
        }
        if outcome.took.is_empty() {
            self.fault(format!("{name}: nothing was answered"));
        }
    }

    /// Prints a number without connections, such as a time or a size.
    pub fn fact(&mut self, what: &str, found: &str) {
        println!("  {what:<60} {found:>16}");
        let _ = writeln!(self.table, "| {what} | | {found} | | | | |");
    }

    /// Something that must not happen: the run fails.
    pub fn fault(&mut self, what: String) {
        println!("  FAULT {what}");
        self.faults.push(what);
    }

    /// Something the reader must know.
    pub fn note(&mut self, what: String) {
        println!("  note: {what}");
        self.notes.push(what);
    }

    /// A number against its aim.
    pub fn aim(&mut self, what: &str, found: String, aim: &str, reached: bool) {
        self.aims.push(Aim { what: what.to_owned(), found, wanted: aim.to_owned(), reached });
    }

    /// Writes the run into a document, between its two marks; `about` says when, of what and where.
    pub fn write(&self, document: &Path, about: &str) -> Result<()> {
        let text = std::fs::read_to_string(document).with_context(|| document.display().to_string())?;
        let (before, rest) = text.split_once(BEGIN).context("the document has no mark for the table")?;
        let (_, after) = rest.split_once(END).context("the document has no mark for the table's end")?;
        let mut aims = String::from("| aim | measured | wanted | |\n|---|---|---|---|\n");
        for aim in &self.aims {
            let verdict = if aim.reached { "reached" } else { "**missed**" };
            let _ = writeln!(aims, "| {} | {} | {} | {verdict} |", aim.what, aim.found, aim.wanted);
        }
        let mut notes = String::new();
        for line in self.notes.iter().chain(&self.faults) {
            let _ = writeln!(notes, "\n- {line}");
        }
        let table = self.table.trim_end();
        std::fs::write(document, format!("{before}{BEGIN}\n{about}\n\n{aims}{notes}{table}\n{END}{after}"))?;
        Ok(())
    }

    /// Prints the aims. Answers whether the run was without faults; an aim that was missed is no
    /// fault, for it may be the machine's.
    pub fn end(&self) -> bool {
        println!("\naims");
        for aim in &self.aims {
            println!(
                "  {} {:<52} {:>16}   aim {}",
                if aim.reached { "reached" } else { "MISSED " },
                aim.what,
                aim.found,
                aim.wanted
            );
        }
        for note in &self.notes {
            println!("  note: {note}");
        }
        if self.doubtful > 0 {
            println!(
                "  {} measurements are marked ~: others used more than {:.0} % of the machine meanwhile",
                self.doubtful,
                DOUBTFUL * 100.0
            );
        }
        for fault in &self.faults {
            println!("  FAULT {fault}");
        }
        self.faults.is_empty()
    }
}
