//! `manager render`: custom resources from files to metrics on standard output, without a cluster.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use clap::ValueEnum;
use kube::core::Version;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use serde_json::Value;
use status_metrics::text::{Format, TextBlock, exposition};
use status_metrics::{Batch, Frame, Origin, Part, SETS, Samples, Set};
use status_model::{ModuleRef, parse};

use crate::catalog::Catalog;
use crate::document;

/// Flags of `render`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Files with custom resources and CRDs, YAML or JSON, as kubectl prints them; `-` or nothing: standard input
    files: Vec<PathBuf>,
    /// The metric sets
    #[arg(long = "set", env = "STATUS_MANAGER_RENDER_SET", value_name = "SET", value_delimiter = ',', default_value = "module", value_parser = set)]
    sets: Vec<Set>,
    /// What to print
    #[arg(long, env = "STATUS_MANAGER_RENDER_FORMAT", value_enum, default_value_t = Output::Prometheus)]
    format: Output,
    /// A configuration file of the manager, for the names of the modules
    #[arg(long, env = "STATUS_MANAGER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The cluster's name, on every point; without it there is none
    #[arg(long, env = "STATUS_MANAGER_CLUSTER_NAME", value_name = "NAME")]
    cluster_name: Option<String>,
    /// The time of the points in otlp-json [default: now]
    #[arg(long, env = "STATUS_MANAGER_RENDER_TIME", value_name = "RFC3339")]
    time: Option<jiff::Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Prometheus text format 0.0.4
    Prometheus,
    /// OpenMetrics 1.0
    Openmetrics,
    /// One export request in OTLP's JSON encoding
    OtlpJson,
}

fn set(name: &str) -> Result<Set, String> {
    let names = || SETS.map(Set::name).join(", ");
    SETS.into_iter()
        .find(|set| set.name() == name)
        .ok_or_else(|| format!("there is no such set; there are: {}", names()))
}

/// Exit code 0, or 1 if a document was bad, or 2 if nothing could be begun.
pub(crate) fn main(args: &Args) -> ExitCode {
    let mut complaints = Complaints { bad: false };
    let result = run(args, &mut complaints);
    match result {
        Ok(page) => {
            // A reader that has seen enough closes the pipe.
            let _ = io::stdout().lock().write_all(page.as_bytes());
            if complaints.bad { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(error) => {
            complaints.say(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// What goes to standard error.
struct Complaints {
    bad: bool,
}

impl Complaints {
    fn bad(&mut self, text: &str) {
        self.bad = true;
        self.say(&format!("error: {text}"));
    }

    fn warn(&self, text: &str) {
        self.say(&format!("warning: {text}"));
    }

    #[expect(clippy::unused_self, reason = "who complains has something to complain about")]
    fn say(&self, text: &str) {
        // Nobody is left to tell where standard error is closed.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

fn run(args: &Args, complaints: &mut Complaints) -> anyhow::Result<String> {
    let catalog = args.config.as_deref().map(Catalog::read).transpose()?;
    let mut input = Input::default();
    for (name, text) in read_files(args, complaints) {
        for document in document::read(&name, &text) {
            input.add(document, complaints);
        }
    }
    let origin = args.cluster_name.iter().fold(Origin::default(), Origin::with_cluster_name);
    let objects = input.objects(catalog.as_ref());
    if objects.is_empty() {
        complaints.warn("there is no custom resource in the input");
    }
    let translated: Vec<_> = objects
        .iter()
        .map(|(module, status)| (module, translate(&origin, module, status, &args.sets, complaints)))
        .collect();
    match args.format {
        Output::Prometheus => Ok(text(&translated, Format::Prometheus)),
        Output::Openmetrics => Ok(text(&translated, Format::OpenMetrics)),
        Output::OtlpJson => otlp_json(&origin, &translated, args.time),
    }
}

fn read_files(args: &Args, complaints: &mut Complaints) -> Vec<(String, String)> {
    let stdin = [PathBuf::from("-")];
    let files = if args.files.is_empty() { &stdin[..] } else { &args.files };
    let mut texts = Vec::new();
    for file in files {
        let name =
            if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() };
        let read = if file.as_os_str() == "-" { read_stdin() } else { std::fs::read_to_string(file) };
        match read {
            Ok(text) => texts.push((name, text)),
            Err(error) => complaints.bad(&format!("{name}: {error}")),
        }
    }
    texts
}

fn read_stdin() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text)?;
    Ok(text)
}

/// Group, kind, namespace, name: what makes two documents one object.
type Identity = (String, String, Option<String>, String);

/// The objects and the CRDs of all files.
#[derive(Default)]
struct Input {
    objects: BTreeMap<Identity, (String, Value, String)>,
    crds: BTreeMap<(String, String), Names>,
}

/// How a CRD calls its kind.
struct Names {
    plural: String,
    module: String,
}

impl Input {
    fn add(&mut self, document: document::Document, complaints: &mut Complaints) {
        let place = document.place;
        match document.content.and_then(|object| self.add_object(&place, object, complaints)) {
            Ok(()) => {}
            Err(message) => complaints.bad(&format!("{place}: {message}")),
        }
    }

    fn add_object(&mut self, place: &str, object: Value, complaints: &Complaints) -> Result<(), String> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let api_version = text("/apiVersion").ok_or("not a Kubernetes object: apiVersion is missing")?;
        let kind = text("/kind").ok_or("not a Kubernetes object: kind is missing")?;
        if kind == "CustomResourceDefinition" {
            return self.add_crd(&object);
        }
        let name = text("/metadata/name").ok_or_else(|| format!("the {kind} has no metadata.name"))?;
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", &api_version));
        let identity = (group.to_owned(), kind.clone(), text("/metadata/namespace"), name.clone());
        let version = version.to_owned();
        if let Some((other, _, other_place)) = self.objects.get(&identity) {
            let other_stays = Version::parse(other).priority() >= Version::parse(&version).priority();
            let (stays, goes, at) =
                if other_stays { (other, &version, place) } else { (&version, other, other_place.as_str()) };
            complaints.warn(&if other == &version {
                format!("{place}: {kind} {name} is there twice; the first is taken")
            } else {
                format!("{at}: {kind} {name} is there as {stays} too; {goes} is left out")
            });
            if other_stays {
                return Ok(());
            }
        }
        self.objects.insert(identity, (version, object, place.to_owned()));
        Ok(())
    }

    fn add_crd(&mut self, crd: &Value) -> Result<(), String> {
        let text = |pointer: &str| crd.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let missing = |field: &str| format!("the CustomResourceDefinition has no {field}");
        let group = text("/spec/group").ok_or_else(|| missing("spec.group"))?;
        let kind = text("/spec/names/kind").ok_or_else(|| missing("spec.names.kind"))?;
        let plural = text("/spec/names/plural").ok_or_else(|| missing("spec.names.plural"))?;
        let label = crd["metadata"]["labels"]["kyma-project.io/module"].as_str().map(str::to_owned);
        let module = label.or_else(|| text("/spec/names/singular")).unwrap_or_else(|| kind.to_lowercase());
        self.crds.insert((group, kind), Names { plural, module });
        Ok(())
    }

    /// Each object and its status, in the order of their identities. A module's name comes from the configuration file, else
    /// from its CRD, else it is the kind in lower case.
    fn objects(self, catalog: Option<&Catalog>) -> Vec<(ModuleRef, Value)> {
        let mut objects = Vec::with_capacity(self.objects.len());
        for ((group, kind, namespace, name), (version, mut object, _)) in self.objects {
            let mut module = ModuleRef::new(&group, version, &kind, name);
            if let Some(names) = self.crds.get(&(group.clone(), kind)) {
                module = module.with_plural(&names.plural).with_module(&names.module);
            } else if let Some(plural) = catalog.and_then(|catalog| catalog.plural_of(&group, &module.kind)) {
                module = module.with_plural(plural);
            }
            if let Some(name) = catalog.and_then(|catalog| catalog.name_of(&group, &module.plural)) {
                module = module.with_module(name);
            }
            module.namespace = namespace;
            objects.push((module, object["status"].take()));
        }
        objects
    }
}

fn translate(
    origin: &Origin,
    module: &ModuleRef,
    status: &Value,
    sets: &[Set],
    complaints: &Complaints,
) -> Vec<(Set, Samples)> {
    let (status, problems) = parse(status);
    for problem in problems {
        complaints.warn(&format!("{module}: {problem}"));
    }
    let mut sets = sets.to_vec();
    sets.sort_unstable();
    sets.dedup();
    let translate = |set: Set| {
        let (samples, exceeded) = set.translate(origin, module, &status);
        if let Some(exceeded) = exceeded {
            complaints.warn(&format!("{module}: set {set}: {exceeded}"));
        }
        (set, samples)
    };
    sets.into_iter().map(translate).collect()
}

type Translated<'a> = (&'a ModuleRef, Vec<(Set, Samples)>);

fn text(translated: &[Translated<'_>], format: Format) -> String {
    let blocks: Vec<_> =
        translated.iter().map(|(_, sets)| TextBlock::new(sets.iter().map(|(_, samples)| samples))).collect();
    exposition(&blocks, format) + format.end()
}

fn otlp_json(
    origin: &Origin,
    translated: &[Translated<'_>],
    time: Option<jiff::Timestamp>,
) -> anyhow::Result<String> {
    let time = time.map_or_else(SystemTime::now, SystemTime::from);
    let since = time.duration_since(SystemTime::UNIX_EPOCH).context("--time is before 1970")?;
    let time_ms = u64::try_from(since.as_millis()).context("--time is too far in the future")?;
    let mut batch = Batch::default();
    for (module, sets) in translated {
        let frame = Frame::new(origin, module, sets);
        let parts: Vec<_> = frame.sets().map(|(_, metrics)| Part { metrics, time_ms }).collect();
        batch.push(frame.resource(), &parts);
    }
    let bytes = batch.into_bytes();
    let request =
        ExportMetricsServiceRequest::decode(bytes.as_slice()).context("reading the encoded request back")?;
    let json = serde_json::to_string_pretty(&request).context("writing OTLP JSON")?;
    Ok(json + "\n")
}
