//! `jalon questions convert`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use jalon_shared::Lang;
use jalon_shared::quiz::source::QuestionSource;
use serde::Serialize;

use super::Context;
use crate::folder::{self, document};
use crate::question::{self, Written};

/// Question files: GIFT and Aiken to our own YAML, and back.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Convert(Convert),
}

/// Read a question file and write it in another format; says what that format can't say.
#[derive(Debug, clap::Args)]
struct Convert {
    /// The file: .gift, .aiken, .yaml, .yml or .json; a .txt takes --from
    file: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The language of the texts; a YAML file may say it as `source_lang`
    #[arg(long)]
    lang: Option<Lang>,
    /// The format to read, where the file's name doesn't say it
    #[arg(long, value_enum)]
    from: Option<Format>,
    /// The format to write, where the name of --out doesn't say it
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Format {
    /// Moodle's GIFT
    Gift,
    /// Aiken: one right choice, plain words
    Aiken,
    /// Our own, as in track.yaml
    Yaml,
}

impl Format {
    fn of(path: &Path, flag: &str) -> anyhow::Result<Self> {
        let ext = path.extension().and_then(|ext| ext.to_str()).unwrap_or_default().to_ascii_lowercase();
        Ok(match ext.as_str() {
            "gift" => Self::Gift,
            "aiken" => Self::Aiken,
            "yaml" | "yml" | "json" => Self::Yaml,
            _ => bail!("{}: its name doesn't say the format; add {flag} gift, aiken or yaml", path.display()),
        })
    }
}

impl From<Format> for Option<question::Format> {
    fn from(format: Format) -> Self {
        match format {
            Format::Gift => Some(question::Format::Gift),
            Format::Aiken => Some(question::Format::Aiken),
            Format::Yaml => None,
        }
    }
}

/// What became of a conversion.
#[derive(Serialize)]
struct Converted {
    questions: usize,
    out: PathBuf,
    warnings: Vec<String>,
}

/// A file of questions in our own format.
#[derive(Serialize)]
struct Bank<'a> {
    source_lang: &'a Lang,
    questions: &'a [QuestionSource],
}

impl Args {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<()> {
        let Command::Convert(convert) = self.command;
        convert.run(context)
    }
}

impl Convert {
    fn run(self, context: &Context) -> anyhow::Result<()> {
        let from = self.from.map_or_else(|| Format::of(&self.file, "--from"), Ok)?;
        let to = self.format.map_or_else(|| Format::of(&self.out, "--format"), Ok)?;
        let (questions, lang, mut warnings) = self.read(from.into())?;
        let name = self.file.display();
        let text = match to.into() {
            Some(format) => {
                let format: question::Format = format;
                let Written { text, warnings: unsaid } = format
                    .write(&questions, &lang)
                    .map_err(|faults| anyhow::anyhow!(listed(faults.iter().map(|fault| format!("{name} {fault}")))))
                    .context("nothing was written")?;
                warnings.extend(unsaid.iter().map(|unsaid| format!("{name} {unsaid}")));
                text
            }
            None => serde_saphyr::to_string(&Bank { source_lang: &lang, questions: &questions })?,
        };
        std::fs::write(&self.out, text).with_context(|| self.out.display().to_string())?;
        super::warn(context, &warnings);
        let said = format!("{} questions written to {}", questions.len(), self.out.display());
        context.print(&Converted { questions: questions.len(), out: self.out, warnings }, said)
    }

    fn read(&self, format: Option<question::Format>) -> anyhow::Result<(Vec<QuestionSource>, Lang, Vec<String>)> {
        let name = self.file.display();
        let text = folder::read_text(&self.file).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
        let Some(format) = format else {
            let (questions, lang) = document::questions(&self.file, &text, self.lang.as_ref())
                .map_err(|faults| anyhow::anyhow!(listed(faults)))
                .context("nothing was written")?;
            return Ok((questions, lang, Vec::new()));
        };
        let lang = self.lang.clone().context("say in which language it is written: --lang fr")?;
        let read = format
            .read(&text, &lang)
            .map_err(|notes| anyhow::anyhow!(listed(notes.iter().map(|note| format!("{name}:{note}")))))
            .context("nothing was written")?;
        let warnings = read.warnings.iter().map(|note| format!("{name}:{note}")).collect();
        Ok((read.questions, lang, warnings))
    }
}

fn listed(lines: impl IntoIterator<Item = impl ToString>) -> String {
    lines.into_iter().map(|line| line.to_string()).collect::<Vec<_>>().join("\n")
}
